package model

import "jamba/kernel"

// mlp is the gated feed-forward down(silu(gate(x))·up(x)) (Shazeer 2020, SwiGLU).
type mlp struct {
	gateProj, upProj, downProj kernel.Matrix
	gateBias, upBias, downBias []float32 // nil: none
}

func (f *mlp) forward(p *Pass, _ int, out, h []float32) {
	rows := len(h) / f.gateProj.K
	gate, up := p.alloc(rows*f.gateProj.N), p.alloc(rows*f.upProj.N)
	linear(gate, h, &f.gateProj, f.gateBias)
	linear(up, h, &f.upProj, f.upBias)
	kernel.SiLUMul(gate, up)
	linear(out, gate, &f.downProj, f.downBias)
}
