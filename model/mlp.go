package model

import (
	"jamba/internal/kernel"
	"jamba/model/param"
)

// mlp is the gated feed-forward down(silu(gate(x))·up(x)) (Shazeer 2020, SwiGLU).
type mlp struct {
	gateProj, upProj, downProj kernel.Matrix
	gateBias, upBias, downBias []float32 // nil: none
}

func (f *mlp) forward(p *Pass, layer int, out, h []float32) {
	kept := f.run(p, out, h)
	if p.Tape != nil {
		tape := kept
		p.Tape.Layers[layer].MLP = &tape
	}
}

// run is forward, and returns what the backward pass needs.
func (f *mlp) run(p *Pass, out, h []float32) MLPTape {
	rows := len(h) / f.gateProj.K
	gate, up := p.alloc(rows*f.gateProj.N), p.alloc(rows*f.upProj.N)
	p.linear("feed_forward.gate, up_proj", gate, h, &f.gateProj, f.gateBias)
	p.linear("feed_forward.gate, up_proj", up, h, &f.upProj, f.upBias)
	act := gate
	if p.Tape != nil {
		act = p.copy(gate)
	}
	kernel.SiLUMul(act, up)
	p.lap("silu", 0, 0)
	p.linear("feed_forward.down_proj", out, act, &f.downProj, f.downBias)
	return MLPTape{H: h, Gate: gate, Up: up, Act: act}
}

func (f *mlp) projections(visit projectionVisitor) {
	visit(param.GateProj, -1, &f.gateProj)
	visit(param.UpProj, -1, &f.upProj)
	visit(param.DownProj, -1, &f.downProj)
}
