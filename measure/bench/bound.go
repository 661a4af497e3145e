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

// decodeBound is set by memory for few sequences, and by arithmetic for many. A step reads all weights but those of experts that none of the batch's tokens choose,
// each sequence's keys and values, and reads and writes its Mamba states. With routing at random a batch of B misses an
// expert with probability (1-k/n)^B.
func decodeBound(m *model.Model, batch, depth int, fast bool, l Limits) Bound {
	bytes := float64(m.Sizes.Head.Bytes)
	if m.Config.TieWordEmbeddings {
		bytes = float64(m.Sizes.Embedding.Bytes)
	}
	for i, layer := range m.Config.Layers {
		size := m.Sizes.Layers[i]
		experts := 0.0
		if e := layer.MoE; e != nil {
			all := float64(size.ExpertBytes)
			experts = all * (1 - math.Pow(1-float64(e.NumExpertsPerTok)/float64(e.NumExperts), float64(batch)))
			bytes -= all
		}
		bytes += float64(size.Bytes) + experts
	}
	sequence := 2 * float64(m.Config.StateBytes())
	for i, spec := range m.StateSpecs() {
		if a := m.Config.Layers[i].Attention; a != nil {
			sequence += float64(spec.KVBytes()) * float64(visible(a, depth))
		}
	}
	memory := Bound{"memory", float64(batch) * l.ReadBytes / (bytes + float64(batch)*sequence)}
	head := float64(m.Config.VocabSize) * float64(m.Config.HiddenSize)
	arithmetic := Bound{"arithmetic", 1 / (macs(m, depth)/l.F32MACs + (weights(m)+head)/peak(m, fast, l))}
	if arithmetic.TokPerSec < memory.TokPerSec {
		return arithmetic
	}
	return memory
}

// weights returns the multiply-adds of a token with the layers' weights.
func weights(m *model.Model) float64 {
	n := 0.0
	for _, size := range m.Sizes.Layers {
		n += float64(size.ActiveParams)
	}
	return n
}

// macs returns the multiply-adds of a token that sees so many positions with keys and values.
func macs(m *model.Model, seen int) float64 {
	n := 0.0
	for _, layer := range m.Config.Layers {
		if a := layer.Attention; a != nil {
			n += 2 * float64(visible(a, seen)) * float64(a.NumAttentionHeads*a.HeadDim)
		}
	}
	return n
}

// visible returns how many of the positions an attention layer sees.
func visible(a *model.Attention, seen int) int {
	if a.SlidingWindow > 0 {
		return min(seen, a.SlidingWindow)
	}
	return seen
}

// peak returns the limit of products with the model's weights.
func peak(m *model.Model, fast bool, l Limits) float64 {
	if fast && l.I8MACs > 0 && quantized(m) {
		return l.I8MACs
	}
	return l.F32MACs
}

// prefillBound is set by arithmetic: the products with weights, and those of queries, keys and values in float32.
func prefillBound(m *model.Model, tokens, depth int, fast bool, l Limits) Bound {
	return Bound{"arithmetic", 1 / (weights(m)/peak(m, fast, l) + macs(m, depth+tokens/2)/l.F32MACs)}
}

// quantized reports whether most of the model's weights are in block formats.
func quantized(m *model.Model) bool {
	total := m.Sizes.Total()
	return total.Bytes < total.Params*int64(tensor.BF16.BlockBytes())
}
