package model

// PassFloats returns the float32 values that a Pass over that many rows holds at its peak, logits of them with logits, if
// experts get equal shares of the rows.
func (c *Config) PassFloats(rows, logits int) int64 {
	// The residual, what a part adds to it, and the logits.
	return 2*int64(rows)*int64(c.HiddenSize) + c.arenaFloats(rows, logits) + int64(logits)*int64(c.VocabSize)
}

// arenaFloats returns the values of them that are in the pass's arena at a time, at most.
func (c *Config) arenaFloats(rows, logits int) int64 {
	peak := int64(logits) * int64(c.HiddenSize) // the rows that get logits
	for _, l := range c.Layers {
		mixer, feedForward := l.PassFloats(c.HiddenSize, rows)
		peak = max(peak, mixer+feedForward) // the arena is freed after the layer
	}
	return peak
}

// PassFloats returns the values that each part of the layer makes of that many rows of hidden values, its normalized input
// included, but not what it adds to the residual. Of a layer's experts those are computed together that have togetherRows at most.
func (l Layer) PassFloats(hidden, rows int) (mixer, feedForward int64) {
	n, h := int64(rows), int64(hidden)
	if a := l.Attention; a != nil {
		mixer = n * (h + int64(a.NumAttentionHeads+2*a.NumKeyValueHeads)*int64(a.HeadDim))
	} else {
		m := l.Mamba
		mixer = n * (h + 4*int64(m.DInner) + 2*int64(m.DtRank+2*m.DState))
	}
	switch {
	case l.MLP != nil:
		feedForward = n * (h + 2*int64(l.MLP.IntermediateSize))
	case l.MoE != nil:
		m := l.MoE
		picks := n * int64(m.NumExpertsPerTok)
		share := max((picks+int64(m.NumExperts)-1)/int64(m.NumExperts), min(picks, togetherRows))
		feedForward = n*(h+int64(m.NumExperts)) + share*2*(h+int64(m.IntermediateSize))
	}
	return mixer, feedForward
}
