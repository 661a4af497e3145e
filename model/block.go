package model

import "jamba/kernel"

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
	matrices(visit visitor) // all that may be packed
}

// feedForward works on each token by itself: it writes to out [rows, M] what layer makes of h [rows, M].
type feedForward interface {
	forward(p *Pass, layer int, out, h []float32)
	matrices(visit visitor)
}

// forward adds the block's two parts to x [rows, M].
func (b *block) forward(p *Pass, layer int, x []float32) {
	h, out := p.alloc(len(x)), p.alloc(len(x))

	kernel.RMSNorm(h, x, b.inputNorm, p.m.Config.RMSNormEps)
	p.lap("norm, add", 0, 0)
	b.mixer.forward(p, layer, out, h)
	kernel.Add(x, out)

	if b.feedForward != nil {
		kernel.RMSNorm(h, x, b.ffNorm, p.m.Config.RMSNormEps)
		p.lap("norm, add", 0, 0)
		b.feedForward.forward(p, layer, out, h)
		kernel.Add(x, out)
	}
}
