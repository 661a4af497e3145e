package model

import (
	"math"

	"jamba/internal/kernel"
	"jamba/model/param"
	"jamba/model/state"
)

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

	// What conv and a are made of, in a model for training.
	conv1d []float32 // [E, 1, W]
	aLog   []float32 // [E, S]
	negA   bool      // aLog is A = -exp(A_log)
}

// refresh makes conv and a from the checkpoint's form: channels last, and A in panels as the scan reads it.
func (m *mamba) refresh() {
	e, s, w := m.DInner, m.DState, m.DConv
	if m.conv == nil {
		m.conv, m.a = make([]float32, w*e), make([]float32, kernel.ScanPanels(e)*kernel.ScanPanel*s)
	}
	for i, v := range m.conv1d {
		m.conv[i%w*e+i/w] = v
	}
	const width = kernel.ScanPanel
	for i, v := range m.aLog {
		if !m.negA {
			v = float32(-math.Exp(float64(v)))
		}
		c, n := i/s, i%s
		m.a[(c/width*s+n)*width+c%width] = v
	}
}

func (m *mamba) forward(p *Pass, layer int, out, h []float32) {
	e, s, r := m.DInner, m.DState, m.DtRank

	xz := p.alloc(p.rows * 2 * e)
	p.linear("mamba.in_proj", linear{xz, h, &m.inProj, m.inBias, p.stretches})
	x := p.alloc(p.rows * e)
	p.convs, p.convCuts, p.scanCuts = p.convs[:0], p.convCuts[:0], p.scanCuts[:0]
	for i := range p.spans {
		span := &p.spans[i]
		if span.err != nil {
			continue
		}
		first := len(p.convCuts)
		p.convCuts, p.scanCuts = span.State.Cuts(layer-p.m.stage.Lo, p.convCuts, p.scanCuts)
		conv, _ := span.State.Mamba(layer - p.m.stage.Lo)
		p.convs = append(p.convs, kernel.Conv{
			Dst: x[span.lo*e : span.hi*e], X: xz[span.lo*2*e:], XStride: 2 * e, Weight: m.conv, Bias: m.convBias,
			State: conv, Cuts: p.convCuts[first:], Stream: p.streams(), L: span.hi - span.lo, E: e, W: m.DConv,
		})
	}
	kernel.CausalConv(p.convs)

	dbc := p.alloc(p.rows * (r + 2*s))
	p.lap("mamba.conv1d", 0, 0)
	p.linear("mamba.x_proj", linear{dbc, x, &m.xProj, nil, p.stretches})
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
	p.linear("mamba.dt_proj", linear{dt, low, &m.dtProj, m.dtBias, p.stretches})
	kernel.Softplus(dt)

	scan := kernel.Scan{Y: x, X: x, Dt: dt, Z: xz[e:], ZStride: 2 * e, B: b, C: c, A: m.a, D: m.d, Stream: p.streams(), E: e, S: s}
	if p.Tape != nil {
		scan.Y = p.alloc(len(x))
		p.Tape.Layers[layer].Mamba = &MambaTape{Scan: scan, XZ: xz, DtBC: dbc, Low: low, Conv: m.conv, ConvBias: m.convBias}
	}
	m.scan(p, layer, scan)
	p.lap("mamba.scan", 0, 0)
	p.linear("mamba.out_proj", linear{out, scan.Y, &m.outProj, m.outBias, p.stretches})
}

func (m *mamba) projections(visit projectionVisitor) {
	visit(param.InProj, -1, &m.inProj)
	visit(param.XProj, -1, &m.xProj)
	visit(param.DtProj, -1, &m.dtProj)
	visit(param.OutProj, -1, &m.outProj)
}

// scan runs the scans of all spans. For a tape the state is kept every kernel.ScanChunk rows.
func (m *mamba) scan(p *Pass, layer int, all kernel.Scan) {
	e, s := m.DInner, m.DState
	p.scans = p.scans[:0]
	cuts := p.scanCuts
	for i := range p.spans {
		span := &p.spans[i]
		if span.err != nil {
			continue
		}
		lo, hi := span.lo, span.hi
		part := all
		part.Y, part.X, part.Dt, part.Z = all.Y[lo*e:hi*e], all.X[lo*e:hi*e], all.Dt[lo*e:hi*e], all.Z[lo*2*e:]
		part.B, part.C, part.L = all.B[lo*s:hi*s], all.C[lo*s:hi*s], hi-lo
		_, part.H = span.State.Mamba(layer - p.m.stage.Lo)
		part.Cuts, cuts = cuts[:len(span.Keep)+1], cuts[len(span.Keep)+1:]
		if p.Tape != nil {
			part.Cuts = p.Tape.Layers[layer].Mamba.cuts(p, part.Cuts)
		}
		p.scans = append(p.scans, part)
	}
	kernel.SelectiveScan(p.scans)
}

// streams reports whether the states of the pass's sequences are too many to be found in a cache by the next.
func (p *Pass) streams() bool {
	const cached = 16 << 20 // more than second caches hold
	return p.Tape == nil && state.SlotBytes(p.spans[0].State.Arena().Specs())*int64(len(p.spans)) > cached
}

// cuts returns the cuts of a span, and those at which the tape has the scan's states: before every kernel.ScanChunk rows.
func (t *MambaTape) cuts(p *Pass, of []kernel.Cut) []kernel.Cut {
	var all []kernel.Cut
	n := len(t.Scan.A)
	first := p.alloc(n)
	clear(first) // with a tape sequences begin
	t.States = append(t.States, first)
	for row := kernel.ScanChunk; len(of) > 0; {
		if row >= of[len(of)-1].Row || of[0].Row <= row {
			all, of = append(all, of[0]), of[1:]
			continue
		}
		h := p.alloc(n)
		t.States = append(t.States, h)
		all = append(all, kernel.Cut{Row: row, To: h})
		row += kernel.ScanChunk
	}
	return all
}
