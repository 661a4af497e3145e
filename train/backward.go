package train

import (
	"jamba/internal/kernel"
	"jamba/model"
	"jamba/model/lora"
	"jamba/model/param"
)

// backward is the working memory of backward passes.
type backward struct {
	config  *model.Config
	profile *model.Profile // may be nil
	layers  []layer        // those of the model, after what is in no layer
	tape    *model.Tape
	rows    int
	ends    []int // the row after the last of each sequence

	// aux is the gradient of the load-balancing loss for a router's probabilities, the same for all rows and layers,
	// [experts]; nil: none.
	aux []float32

	arena []float32
	used  int
	peak  int // that were in use at a time
}

// begin makes b ready for a pass whose tape is filled.
func (b *backward) begin() {
	b.rows, b.ends = len(b.tape.Tokens), b.ends[:0]
	if n := max(b.peak, backwardSize(b.config, b.rows)); n > len(b.arena) {
		b.arena = make([]float32, n)
	}
	for _, s := range b.tape.Spans {
		b.ends = append(b.ends, s.Hi)
	}
}

// lap counts the time since the last lap as an operation.
func (b *backward) lap(operation string) {
	if b.profile != nil {
		b.profile.Lap("backward " + operation)
	}
}

// run walks the tape back: dx [rows, M] is the gradient of the last layer's output, and becomes that of the embedding's.
// visit is told of dx before each layer, as the gradient of that layer's output; it may be nil.
func (b *backward) run(dx []float32, visit func(layer int, dx []float32)) {
	for i := len(b.tape.Layers) - 1; i >= 0; i-- {
		if visit != nil {
			visit(i, dx)
		}
		b.block(b.layers[i+1], &b.tape.Layers[i], b.config.Layers[i], dx)
	}
	b.embedding(dx)
	b.lap("embed")
}

// block turns the gradient of a layer's output into that of its input.
func (b *backward) block(l layer, t *model.LayerTape, c model.Layer, dx []float32) {
	eps := b.config.RMSNormEps
	if c.MLP != nil || c.MoE != nil {
		mark := b.used
		dh := b.alloc(len(dx))
		if c.MLP != nil {
			b.mlp(l, t.MLP, dh, dx)
		} else {
			b.moe(l, t.MoE, c.MoE, dh, dx)
		}
		l.norm(param.FeedForwardNorm, dx, dh, t.FeedForwardX, eps)
		b.lap("norm, add")
		b.release(mark)
	}
	mark := b.used
	dh := b.alloc(len(dx))
	if c.Attention != nil {
		b.attention(l, t, c.Attention, dh, dx)
	} else {
		b.mamba(l, t, c.Mamba, dh, dx)
	}
	l.norm(param.InputNorm, dx, dh, t.X, eps)
	b.lap("norm, add")
	b.release(mark)
}

// embedding adds the gradients of the tokens' rows.
func (b *backward) embedding(dx []float32) {
	outer := b.layers[0]
	w, m, pad := outer.get(param.Embed, param.Weight), b.config.HiddenSize, b.config.PaddingIdx()
	if a := outer.get(param.Embed, lora.SuffixA); a != nil {
		embedded(a, outer.get(param.Embed, lora.SuffixB), dx, b.tape.Tokens, pad)
	}
	if w.Grad == nil {
		return
	}
	for i, id := range b.tape.Tokens {
		if int(id) != pad {
			kernel.Add(w.Grad[int(id)*m:(int(id)+1)*m], dx[i*m:(i+1)*m])
		}
	}
}

// alloc returns n floats of the arena, not cleared, until the release of an earlier mark.
func (b *backward) alloc(n int) []float32 {
	lo := b.used
	b.used += n
	b.peak = max(b.peak, b.used)
	if b.used > len(b.arena) {
		return make([]float32, n) // the next pass begins with an arena that has room for all
	}
	return b.arena[lo:b.used:b.used]
}

// release frees what was allocated since mark.
func (b *backward) release(mark int) { b.used = mark }
