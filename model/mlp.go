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
	p.linear("feed_forward.gate, up_proj", gate, h, &f.gateProj, f.gateBias)
	p.linear("feed_forward.gate, up_proj", up, h, &f.upProj, f.upBias)
	kernel.SiLUMul(gate, up)
	p.lap("silu", 0, 0)
	p.linear("feed_forward.down_proj", out, gate, &f.downProj, f.downBias)
}
