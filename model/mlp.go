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
	p.gated = append(p.gated[:0], gated{f, p.rows, p.stretches})
	kept := p.feedForward(p.gated, out, h)
	if p.Tape != nil {
		tape := kept // on the heap, which without a tape nothing is
		p.Tape.Layers[layer].MLP = &tape
	}
}

// gated is an MLP with the rows that it is for.
type gated struct {
	*mlp
	rows      int
	stretches []stretch // of them
}

// feedForward computes MLPs of one size, each for its rows of x [rows, M], which follow each other, and returns what the
// backward pass needs. The products of all are one region.
func (p *Pass) feedForward(list []gated, out, x []float32) MLPTape {
	hidden, width := list[0].gateProj.K, list[0].gateProj.N
	rows := len(x) / hidden
	gate, up := p.alloc(rows*width), p.alloc(rows*width)
	p.linears = p.linears[:0]
	lo := 0
	for i := range list {
		f, hi := &list[i], lo+list[i].rows
		x := x[lo*hidden : hi*hidden]
		p.linears = append(p.linears,
			linear{gate[lo*width : hi*width], x, &f.gateProj, f.gateBias, f.stretches},
			linear{up[lo*width : hi*width], x, &f.upProj, f.upBias, f.stretches})
		lo = hi
	}
	p.linear("feed_forward.gate, up_proj", p.linears...)
	act := gate
	if p.Tape != nil {
		act = p.copy(gate)
	}
	kernel.SiLUMul(act, up)
	p.lap("silu", 0, 0)
	p.linears = p.linears[:0]
	lo = 0
	for i := range list {
		f, hi := &list[i], lo+list[i].rows
		p.linears = append(p.linears, linear{out[lo*hidden : hi*hidden], act[lo*width : hi*width], &f.downProj, f.downBias, f.stretches})
		lo = hi
	}
	p.linear("feed_forward.down_proj", p.linears...)
	return MLPTape{H: x, Gate: gate, Up: up, Act: act}
}

func (f *mlp) projections(visit projectionVisitor) {
	visit(param.GateProj, -1, &f.gateProj)
	visit(param.UpProj, -1, &f.upProj)
	visit(param.DownProj, -1, &f.downProj)
}
