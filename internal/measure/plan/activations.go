package plan

import (
	"jamba/internal/measure/bench"
	"jamba/model"
	"jamba/model/state"
)

// activations returns the bytes of a device for what a pass computes with.
func (n *Network) activations(s Setting) int64 {
	if s.Prefill == Whole {
		return n.whole(s.Context, s.Batch)
	}
	// A pass of the engine has a chunk of prompts, and at least a token of each sequence.
	rows := max(s.Batch, int(min(int64(s.Context)*int64(s.Batch), bench.Chunk)))
	bytes := 4 * n.Config.PassFloats(rows, s.Batch)
	// Kernels round a product's input to 16 bits.
	bytes += 2 * int64(rows) * int64(n.widest())
	// Mamba's states are kept as they were until the pass is complete.
	return plus(bytes, times(int64(s.Batch), state.SlotBytes(n.Config.StateSpecs(s.KV))))
}

// whole returns the activations of a pass over all tokens of all sequences, as an engine with fused kernels and values of 16 bits
// holds them at its peak: the residual and what is added to it, beside the largest of what mixers and feed-forwards make, each
// freed when it is done. Only the last tokens get logits, in float32.
func (n *Network) whole(context, batch int) int64 {
	h := int64(n.Config.HiddenSize)
	var peak int64
	for _, l := range n.Config.Layers {
		mixer, _ := l.PassFloats(n.Config.HiddenSize, 1) // attention holds no scores, the scan no states on the way
		peak = max(peak, mixer, fused(l, h))
	}
	return plus(times(2*(2*h+peak), int64(context)*int64(batch)), 4*int64(batch)*int64(n.Config.VocabSize))
}

// fused returns what a feed-forward makes of a row: its normalized input, gate and up in one product, what the activation
// makes of them, and of a mixture all of that and the outputs for all experts of the row at once.
func fused(l model.Layer, hidden int64) int64 {
	switch {
	case l.MLP != nil:
		return hidden + 3*int64(l.MLP.IntermediateSize)
	case l.MoE != nil:
		return hidden + int64(l.MoE.NumExperts) + int64(l.MoE.NumExpertsPerTok)*(3*int64(l.MoE.IntermediateSize)+hidden)
	}
	return 0
}

// widest returns the length of the longest input of a product.
func (n *Network) widest() int {
	w := n.Config.HiddenSize
	for _, l := range n.Config.Layers {
		if l.Mamba != nil {
			w = max(w, l.Mamba.DInner)
		} else {
			w = max(w, l.Attention.NumAttentionHeads*l.Attention.HeadDim)
		}
		switch {
		case l.MLP != nil:
			w = max(w, l.MLP.IntermediateSize)
		case l.MoE != nil:
			w = max(w, l.MoE.IntermediateSize)
		}
	}
	return w
}
