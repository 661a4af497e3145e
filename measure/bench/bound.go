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

// decodeBound is set by memory: a step reads all weights but those of experts that none of the batch's tokens choose,
// each sequence's keys and values, and reads and writes its Mamba states. With routing at random a batch of B misses an
// expert with probability (1-k/n)^B.
func decodeBound(m *model.Model, batch, depth int, l Limits) Bound {
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
	sequence := float64(m.Config.KVBytesPerToken())*float64(depth) + 2*float64(m.Config.StateBytes())
	return Bound{"memory", float64(batch) * l.ReadBytes / (bytes + float64(batch)*sequence)}
}

// prefillBound is set by arithmetic: the products with weights, and those of queries, keys and values in float32.
func prefillBound(m *model.Model, tokens, depth int, fast bool, l Limits) Bound {
	var weights, attention float64
	for i, layer := range m.Config.Layers {
		weights += float64(m.Sizes.Layers[i].ActiveParams)
		if a := layer.Attention; a != nil {
			seen := float64(depth) + float64(tokens)/2
			if a.SlidingWindow > 0 {
				seen = min(seen, float64(a.SlidingWindow))
			}
			attention += 2 * seen * float64(a.NumAttentionHeads*a.HeadDim)
		}
	}
	peak := l.F32MACs
	if fast && l.I8MACs > 0 && quantized(m) {
		peak = l.I8MACs
	}
	return Bound{"arithmetic", 1 / (weights/peak + attention/l.F32MACs)}
}

// quantized reports whether most of the model's weights are in block formats.
func quantized(m *model.Model) bool {
	total := m.Sizes.Total()
	return total.Bytes < total.Params*int64(tensor.BF16.BlockBytes())
}
