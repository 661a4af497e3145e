package train

import (
	"jamba/internal/kernel"
	"jamba/model"
)

// Memory is what a training takes, in bytes.
type Memory struct {
	Weights     int64 // the parameters
	Gradients   int64
	Moments     int64 // AdamW's
	Activations int64 // the tape
	Backward    int64 // gradients of activations, the logits of some rows
	Scratch     int64 // kernels' sums and copies, about
}

// Total adds up all parts.
func (m Memory) Total() int64 {
	return m.Weights + m.Gradients + m.Moments + m.Activations + m.Backward + m.Scratch
}

// Memory predicts what training takes for batches of that many sequences of a length, each one document, if experts get
// equal shares. Activations grow with the rows alone, those of the scan with its chunks, and nothing with the length
// squared.
func (t *Trainer) Memory(sequences, length int) Memory {
	var m Memory
	for _, p := range t.Params {
		m.Weights += 4 * int64(len(p.Value))
		if p.Weight != nil {
			m.Weights += int64(p.Weight.Bytes()) // in pages of the file
		}
		m.Gradients += 4 * int64(len(p.Grad))
	}
	m.Moments = 2 * m.Gradients
	c := &t.model.Config
	rows, hidden := sequences*length, c.HiddenSize
	var tape, scratch, low int
	for _, p := range t.Params {
		if a := p.Adapter; a != nil {
			low = max(low, a.Out+2*a.R) // what is added to a product, and its inner values, forth and back
		}
	}
	fixed := 0 // of the tape, whatever the rows
	for _, l := range c.Layers {
		perRow, perState := sizes(l, hidden)
		tape += perRow
		fixed += perState * sequences * (1 + (length+kernel.ScanChunk-1)/kernel.ScanChunk) // and the state itself
		if a := l.Attention; a != nil {
			scratch = max(scratch, 2*rows*a.NumAttentionHeads*a.HeadDim)
			fixed += sequences * ((length + kernel.PageLen - 1) / kernel.PageLen) * kernel.PageLen * 2 * a.NumKeyValueHeads * a.HeadDim
		} else {
			groups := min(16, kernel.ScanPanels(l.Mamba.DInner))
			scratch = max(scratch, 2*groups*rows*l.Mamba.DState)
		}
	}
	// The residual, what a part adds to it, and the gradient of the residual.
	m.Activations = 4 * int64(rows*(tape+2*hidden)+fixed)
	m.Backward = 4 * int64(backwardSize(c, rows))
	m.Scratch = 4 * int64(scratch+rows*low)
	return m
}

// sizes returns the floats that a layer's tape takes for a row, and for a chunk of the scan.
func sizes(l model.Layer, hidden int) (row, chunk int) {
	row = 2 * hidden
	if a := l.Attention; a != nil {
		row += 2 * (a.NumAttentionHeads + a.NumKeyValueHeads) * a.HeadDim
		if a.RoPE != nil {
			row += a.HeadDim
		}
	} else {
		m := l.Mamba
		row += 5*m.DInner + 2*m.DtRank + 4*m.DState
		chunk = kernel.ScanPanels(m.DInner) * kernel.ScanPanel * m.DState
	}
	switch {
	case l.MLP != nil:
		row += 2*hidden + 3*l.MLP.IntermediateSize
	case l.MoE != nil:
		row += 2*hidden + 2*l.MoE.NumExperts + l.MoE.NumExpertsPerTok*(2*hidden+3*l.MoE.IntermediateSize)
	}
	return row, chunk
}

// backwardSize returns the floats that a backward pass over that many rows takes, if experts get equal shares.
func backwardSize(c *model.Config, rows int) int {
	peak := min(rows, headRows) * (4*c.HiddenSize + c.VocabSize)
	for _, l := range c.Layers {
		peak = max(peak, rows*backSize(l, c.HiddenSize))
	}
	return rows*c.HiddenSize + peak
}

// backSize returns the floats that a layer's backward pass takes for a row at most.
func backSize(l model.Layer, hidden int) int {
	mixer, feedForward := 0, 0
	if a := l.Attention; a != nil {
		mixer = 2 * (a.NumAttentionHeads + a.NumKeyValueHeads) * a.HeadDim
	} else {
		mixer = 5*l.Mamba.DInner + 4*l.Mamba.DState + 2*l.Mamba.DtRank
	}
	switch {
	case l.MLP != nil:
		feedForward = 3 * l.MLP.IntermediateSize
	case l.MoE != nil:
		share := float64(l.MoE.NumExpertsPerTok) / float64(l.MoE.NumExperts)
		feedForward = l.MoE.NumExperts + l.MoE.NumExpertsPerTok + int(share*float64(2*hidden+3*l.MoE.IntermediateSize))
	}
	return hidden + max(mixer, feedForward)
}
