package model

import "jamba/kernel"

// mamba is the Mamba-1 mixer (Gu and Dao 2023), with Jamba's norms on dt, B and C where the schedule asks for them.
type mamba struct {
	*Mamba
	inProj       kernel.Matrix // [2E, M]: rows of x, then of the gate z
	inBias       []float32     // [2E], nil: none
	conv         []float32     // [W, E]
	convBias     []float32     // [E], nil: none
	xProj        kernel.Matrix // [R+2S, E]: rows of dt, B and C
	dtNorm       []float32     // [R], nil: none
	bNorm, cNorm []float32     // [S], nil: none
	dtProj       kernel.Matrix // [E, R]
	dtBias       []float32     // [E]
	a            []float32     // [panels, S, ScanPanel], -exp(A_log)
	d            []float32     // [E]
	outProj      kernel.Matrix // [M, E]
	outBias      []float32     // [M], nil: none
}

func (m *mamba) forward(p *Pass, layer int, out, h []float32) {
	e, s, r := m.DInner, m.DState, m.DtRank

	xz := p.alloc(p.rows * 2 * e)
	p.linear("mamba.in_proj", xz, h, &m.inProj, m.inBias)
	x := p.alloc(p.rows * e)
	for _, span := range p.spans {
		kernel.CausalConv(&kernel.Conv{
			Dst: x[span.lo*e : span.hi*e], X: xz[span.lo*2*e:], XStride: 2 * e, Weight: m.conv, Bias: m.convBias,
			State: span.State.Layers[layer].SSM.Conv, L: span.hi - span.lo, E: e, W: m.DConv,
		})
	}

	dbc := p.alloc(p.rows * (r + 2*s))
	p.lap("mamba.conv1d", 0, 0)
	p.linear("mamba.x_proj", dbc, x, &m.xProj, nil)
	low, b, c := p.alloc(p.rows*r), p.alloc(p.rows*s), p.alloc(p.rows*s)
	for i := range p.rows {
		row := dbc[i*(r+2*s) : (i+1)*(r+2*s)]
		copy(low[i*r:(i+1)*r], row)
		copy(b[i*s:(i+1)*s], row[r:])
		copy(c[i*s:(i+1)*s], row[r+s:])
	}
	if m.InnerNorms {
		kernel.RMSNorm(low, low, m.dtNorm, m.NormEps)
		kernel.RMSNorm(b, b, m.bNorm, m.NormEps)
		kernel.RMSNorm(c, c, m.cNorm, m.NormEps)
	}
	dt := p.alloc(p.rows * e)
	p.lap("mamba.dt, b, c_layernorm", 0, 0)
	p.linear("mamba.dt_proj", dt, low, &m.dtProj, m.dtBias)
	kernel.Softplus(dt)

	for _, span := range p.spans {
		lo, hi := span.lo, span.hi
		kernel.SelectiveScan(&kernel.Scan{
			Y: x[lo*e : hi*e], X: x[lo*e : hi*e], Dt: dt[lo*e : hi*e], Z: xz[lo*2*e+e:], ZStride: 2 * e,
			B: b[lo*s : hi*s], C: c[lo*s : hi*s], A: m.a, D: m.d, H: span.State.Layers[layer].SSM.H,
			L: hi - lo, E: e, S: s,
		})
	}
	p.lap("mamba.scan", 0, 0)
	p.linear("mamba.out_proj", out, x, &m.outProj, m.outBias)
}
