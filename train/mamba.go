package train

import (
	"jamba/internal/kernel"
	"jamba/model"
	"jamba/model/param"
)

// mamba writes to dh the gradient of a Mamba mixer's input, from that of its output.
func (b *backward) mamba(l layer, t *model.LayerTape, c *model.Mamba, dh, dout []float32) {
	m, e, s, r := t.Mamba, c.DInner, c.DState, c.DtRank
	mark := b.used
	dxz, dx := b.alloc(b.rows*2*e), b.alloc(b.rows*e)
	dy, ddt, dB, dC := b.alloc(b.rows*e), b.alloc(b.rows*e), b.alloc(b.rows*s), b.alloc(b.rows*s)
	l.linear(param.OutProj, dy, dout, m.Scan.Y, false)
	b.lap("mamba.proj")

	scan := kernel.ScanBackward{
		Scan: m.Scan, Ends: b.ends, States: m.States, DY: dy, DX: dx, DDt: ddt, DZ: dxz[e:], DB: dB, DC: dC,
		DA: b.alloc(len(m.Scan.A)), DD: l.grad(param.D, param.Itself),
	}
	scan.L = b.rows
	clear(scan.DA)
	scan.Run()
	addALog(l.grad(param.ALog, param.Itself), scan.DA, scan.A, s)
	b.lap("mamba.scan")

	dlow, dtbc := b.alloc(b.rows*r), b.alloc(len(m.DtBC))
	l.linear(param.DtProj, dlow, ddt, m.Low, false)
	b.lap("mamba.proj")
	width, at := r+2*s, 0
	for _, part := range []struct {
		param.Part
		d []float32
		n int
	}{{param.DtNorm, dlow, r}, {param.BNorm, dB, s}, {param.CNorm, dC, s}} {
		if c.InnerNorms {
			norm := kernel.RMSNormBackward{
				DX: dtbc[at:], X: m.DtBC[at:], Stride: width, DY: part.d,
				Weight: l.get(part.Part, param.Weight).Value, DWeight: l.grad(part.Part, param.Weight), Eps: c.NormEps,
			}
			norm.Run()
		} else {
			for i := range b.rows {
				copy(dtbc[i*width+at:i*width+at+part.n], part.d[i*part.n:])
			}
		}
		at += part.n
	}
	b.lap("mamba.dt, b, c_layernorm")
	l.linear(param.XProj, dx, dtbc, m.Scan.X, true)
	b.lap("mamba.proj")

	dweight := b.alloc(len(m.Conv))
	clear(dweight)
	conv := kernel.ConvBackward{
		Conv: kernel.Conv{X: m.XZ, XStride: 2 * e, Weight: m.Conv, Bias: m.ConvBias, L: b.rows, E: e, W: c.DConv},
		Ends: b.ends, DDst: dx, DX: dxz, DWeight: dweight, DBias: l.grad(param.Conv, param.Bias),
	}
	conv.Run()
	grad := l.grad(param.Conv, param.Weight) // [E, 1, W]
	for i := range grad {
		grad[i] += dweight[i%c.DConv*e+i/c.DConv]
	}
	b.lap("mamba.conv1d")
	l.linear(param.InProj, dh, dxz, t.H, false)
	b.lap("mamba.proj")
	b.release(mark)
}

// addALog adds to d [E, S] the gradient of A_log, from that of A = -exp(A_log), both [panels, S, ScanPanel].
func addALog(d, da, a []float32, s int) {
	const width = kernel.ScanPanel
	for i := range d {
		c, n := i/s, i%s
		at := (c/width*s+n)*width + c%width
		d[i] += da[at] * a[at]
	}
}
