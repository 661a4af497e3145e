package model

import (
	"jamba/internal/kernel"
	"jamba/model/param"
)

// block is one layer with its weights: norm → (attention | mamba) → + → norm → (mlp | moe) → +.
type block struct {
	inputNorm   []float32 // [M]
	mixer       mixer
	ffNorm      []float32 // [M]; nil if there is no feed-forward, as in Mamba
	feedForward feedForward
}

// mixer mixes the tokens of each sequence: it writes to out [rows, M] what layer makes of h [rows, M].
type mixer interface {
	forward(p *Pass, layer int, out, h []float32)
	projections(visit projectionVisitor)
}

// projectionVisitor is told of linear layers, and of which expert they are, or -1.
type projectionVisitor func(part param.Part, expert int, w *kernel.Matrix)

// feedForward works on each token by itself: it writes to out [rows, M] what layer makes of h [rows, M].
type feedForward interface {
	forward(p *Pass, layer int, out, h []float32)
	projections(visit projectionVisitor)
}

// forward adds the block's two parts to p.x [rows, M]. In the last layer rows that nobody wants are dropped between the two:
// the feed-forward works on each row by itself.
func (b *block) forward(p *Pass, layer int) {
	x, eps := p.x, p.m.Config.RMSNormEps
	p.out = grow(p.out, len(x))
	h := p.alloc(len(x))
	kernel.RMSNorm(h, x, b.inputNorm, eps)
	p.lap("norm, add", 0, 0)
	if p.Tape != nil {
		p.Tape.Layers[layer] = LayerTape{X: p.copy(x), H: h}
	}
	b.mixer.forward(p, layer, p.out, h)
	kernel.Residual(x, p.out)

	if layer == len(p.m.blocks)-1 && !p.keepsRows() {
		p.check(layer) // rows that are dropped have become part of a state
		p.drop()
		x = p.x
	}
	if b.feedForward == nil || len(x) == 0 {
		return
	}
	h = p.alloc(len(x))
	kernel.RMSNorm(h, x, b.ffNorm, eps)
	p.lap("norm, add", 0, 0)
	if p.Tape != nil {
		p.Tape.Layers[layer].FeedForwardX = p.copy(x)
	}
	p.out = p.out[:len(x)]
	b.feedForward.forward(p, layer, p.out, h)
	kernel.Residual(x, p.out)
}
