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

// decodeBound is that of a step at that depth: mostly set by memory for few sequences, by arithmetic for many.
func decodeBound(m *model.Model, batch, depth int, l Limits) Bound {
	w := layers(m, batch)
	w.add(head(m, batch))
	for range batch {
		w.add(sequence(&m.Config, m.KV(), depth, 1))
	}
	return w.bound(batch, l)
}

// prefillBound is that of a prompt in chunks, each of which reads the weights once. Only the last token gets logits.
func prefillBound(m *model.Model, tokens, depth int, l Limits) Bound {
	w := head(m, 1)
	for at := 0; at < tokens; at += Chunk {
		rows := min(Chunk, tokens-at)
		w.add(layers(m, rows))
		w.add(sequence(&m.Config, m.KV(), depth+at, rows))
	}
	return w.bound(tokens, l)
}

// layers returns the work with the layers' weights of a pass over so many tokens. Of each matrix, the bytes are those
// in the file (or as rounded by Options.Weights), which a layout of the kernels may exceed. A pass reads all weights but
// those of experts that no token chooses: with routing at random, B tokens miss an expert with probability (1-k/n)^B.
func layers(m *model.Model, tokens int) (w work) {
	sizes := m.Sizes().Layers
	for i, layer := range m.Config.Layers {
		size := &sizes[i]
		w.add(products(size, tokens))
		if e := layer.MoE; e != nil {
			w.bytes -= float64(size.ExpertBytes) * math.Pow(1-float64(e.NumExpertsPerTok)/float64(e.NumExperts), float64(tokens))
		}
	}
	return w
}

// head returns the work of the logits of so many tokens.
func head(m *model.Model, tokens int) work {
	sizes := m.Sizes()
	w := products(&sizes.Head, tokens)
	if m.Config.TieWordEmbeddings {
		w.add(products(&sizes.Embedding, tokens))
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
