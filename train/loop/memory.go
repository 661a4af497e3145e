package loop

import (
	"jamba/kernel"
	"jamba/model"
)

// Memory returns about how many bytes training takes: of a model of so many parameters, of which trained ones have a
// gradient and two moments, in batches of so many sequences of at most seq examples.
//
// Beside those 4 and 12 bytes for each parameter it counts what the tape keeps of every row, and of the backward pass what
// it works with in the layer that needs most.
func Memory(c *model.Config, params, trained int64, sequences, seq int) int64 {
	rows := int64(sequences) * int64(seq+1)
	m := int64(c.HiddenSize)
	var tape, states, work int64 // floats: of a row, of all rows, of a row
	for _, l := range c.Layers {
		var back int64
		tape += 2 * m // the input and its norm
		if a := l.Attention; a != nil {
			q, kv := int64(a.NumAttentionHeads)*int64(a.HeadDim), int64(a.NumKeyValueHeads)*int64(a.HeadDim)
			tape += 2*q + 2*kv + 2*kv // and the pages
			back = 2*q + 2*kv
		}
		if x := l.Mamba; x != nil {
			e, s, r := int64(x.DInner), int64(x.DState), int64(x.DtRank)
			tape += 5*e + 2*(r+2*s)
			states += int64(sequences) * (int64(seq)/kernel.ScanChunk + 1) * e * s
			back = 5*e + 2*(r+2*s)
		}
		work = max(work, back)
		if l.MLP != nil || l.MoE != nil {
			tape += 2 * m
		}
		if l.MLP != nil {
			tape += 3 * int64(l.MLP.IntermediateSize)
			work = max(work, 3*int64(l.MLP.IntermediateSize))
		}
		if x := l.MoE; x != nil {
			k, i := int64(x.NumExpertsPerTok), int64(x.IntermediateSize)
			tape += k*(2*m+3*i) + int64(x.NumExperts)
			work = max(work, 2*m+3*i)
		}
	}
	work += 4 * m
	head := 256 * (int64(c.VocabSize) + 4*m)
	return 4*params + 12*trained + 4*(rows*(tape+work)+states+head)
}
