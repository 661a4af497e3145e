package bench

import (
	"math"

	"jamba/model"
	"jamba/tensor"
)

// Bound is the highest rate that a limit of the machine allows.
type Bound struct {
	Kind      string  `json:"kind"` // memory or arithmetic
	TokPerSec float64 `json:"tok_per_s"`
}

// work is what has to be done at least: bytes to read or write, and multiply-adds.
type work struct{ bytes, float, integer float64 }

func (w *work) add(v work) {
	w.bytes += v.bytes
	w.float += v.float
	w.integer += v.integer
}

// times returns n times the work.
func (w work) times(n int) work {
	return work{w.bytes * float64(n), w.float * float64(n), w.integer * float64(n)}
}

// bound returns the bound of so many tokens that take the work w.
func (w work) bound(tokens int, l Limits) Bound {
	memory, arithmetic := w.bytes/l.ReadBytes, w.float/l.F32MACs
	if w.integer > 0 {
		arithmetic += w.integer / l.I8MACs
	}
	if arithmetic > memory {
		return Bound{"arithmetic", float64(tokens) / arithmetic}
	}
	return Bound{"memory", float64(tokens) / memory}
}

// Network is what bounds are computed from: a schedule, the sizes of its weights and the type of its keys and values. There need
// be no weights.
type Network struct {
	Config *model.Config
	Sizes  model.Sizes
	KV     tensor.DType
	Chunk  int // tokens of a prompt that are computed at once
}

// NetworkOf returns a model's.
func NetworkOf(m *model.Model) Network { return Network{&m.Config, m.ReadSizes(), m.KV(), Chunk} }

// Decode is the bound of a step of that many sequences at that depth: mostly set by memory for few sequences, by arithmetic for
// many.
func (n Network) Decode(batch, depth int, l Limits) Bound {
	w := n.layers(batch)
	w.add(n.head(batch))
	w.add(sequence(n.Config, n.KV, depth, 1).times(batch))
	return w.bound(batch, l)
}

// Prefill is the bound of a prompt in chunks, each of which reads the weights once. Only the last token gets logits.
func (n Network) Prefill(tokens, depth int, l Limits) Bound {
	w := n.head(1)
	w.add(n.layers(n.Chunk).times(tokens / n.Chunk))
	if rest := tokens % n.Chunk; rest > 0 {
		w.add(n.layers(rest))
	}
	for at := 0; at < tokens; at += n.Chunk {
		w.add(sequence(n.Config, n.KV, depth+at, min(n.Chunk, tokens-at)))
	}
	return w.bound(tokens, l)
}

// layers returns the work with the layers' weights of a pass over so many tokens. Of each matrix, the bytes are those
// in the file (or as rounded by Options.Weights), which a layout of the kernels may exceed, or those of the layout, if it takes fewer. A pass reads all weights but
// those of experts that no token chooses: with routing at random, B tokens miss an expert with probability (1-k/n)^B.
func (n Network) layers(tokens int) (w work) {
	for i, layer := range n.Config.Layers {
		size := &n.Sizes.Layers[i]
		w.add(products(size, tokens))
		if e := layer.MoE; e != nil {
			w.bytes -= float64(size.ExpertBytes) * math.Pow(1-float64(e.NumExpertsPerTok)/float64(e.NumExperts), float64(tokens))
		}
	}
	return w
}

// head returns the work of the logits of so many tokens.
func (n Network) head(tokens int) work {
	w := products(&n.Sizes.Head, tokens)
	if n.Config.TieWordEmbeddings {
		w.add(products(&n.Sizes.Embedding, tokens))
	}
	return w
}

// products returns the work of so many tokens with weights of that size, each a multiply-add.
func products(size *model.Size, tokens int) work {
	return work{
		bytes:   float64(size.Bytes),
		float:   float64(tokens) * float64(size.ActiveParams-size.IntegerParams),
		integer: float64(tokens) * float64(size.IntegerParams),
	}
}

// sequence returns the work of rows new tokens of one sequence with its memory, keys and values of type kv: they are read, and its
// Mamba states are read and written; queries meet keys, and weights values, in float32.
func sequence(c *model.Config, kv tensor.DType, depth, rows int) (w work) {
	w.bytes = 2 * float64(c.StateBytes())
	for i, spec := range c.StateSpecs(kv) {
		a := c.Layers[i].Attention
		if a == nil {
			continue
		}
		// The first of the rows sees depth+1 positions, the last depth+rows, and none more than the window.
		full := rows
		if a.SlidingWindow > 0 {
			full = min(rows, max(0, a.SlidingWindow-depth))
		}
		seen := float64(full)*(float64(depth)+float64(full+1)/2) + float64(rows-full)*float64(a.SlidingWindow)
		w.float += 2 * seen * float64(a.NumAttentionHeads*a.HeadDim)
		before := depth
		if a.SlidingWindow > 0 {
			before = min(depth, a.SlidingWindow-1)
		}
		w.bytes += float64(spec.KVBytes()) * float64(before)
	}
	return w
}
