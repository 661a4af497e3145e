package model

import "jamba/internal/kernel"

// Tape is what a forward pass keeps for the backward pass: the layers' activations, each under the name that the
// forward pass computes it by. Its slices are valid until the next pass, and must not be changed.
//
// A tape is filled by the same code as a pass without one, which is why both agree bit for bit: it only keeps what
// would be overwritten.
type Tape struct {
	Spans  []Rows      // the rows of each sequence that has any
	Tokens []int32     // [rows]
	Layers []LayerTape // in the order of the layers
}

// Rows are the rows [Lo, Hi) of a pass.
type Rows struct{ Lo, Hi int }

// LayerTape belongs to one layer. One of Attention and Mamba is set, and one or none of MLP and MoE.
type LayerTape struct {
	X            []float32 // [rows, M], the layer's input
	H            []float32 // [rows, M], its norm: the mixer's input
	Attention    *AttentionTape
	Mamba        *MambaTape
	FeedForwardX []float32 // [rows, M], X + the mixer's output
	MLP          *MLPTape
	MoE          *MoETape
}

// AttentionTape belongs to an attention mixer.
type AttentionTape struct {
	Q        []float32 // [rows, H, D], after rotation
	K        []float32 // [rows, G, D], after rotation
	V        []float32 // [rows, G, D]
	O        []float32 // [rows, H, D]
	Cos, Sin []float32 // [rows, D/2], the rotations; nil: none
}

// MambaTape belongs to a Mamba mixer.
type MambaTape struct {
	XZ     []float32   // [rows, 2E]: the convolution's input, and the gate
	DtBC   []float32   // [rows, R+2S]: dt, B and C before their norms
	Low    []float32   // [rows, R]: dt after its norm
	Scan   kernel.Scan // of all rows, without a state: X is the convolution's output
	States [][]float32 // the scan's state before every kernel.ScanChunk rows of each sequence

	Conv     []float32 // [W, E]
	ConvBias []float32 // [E], nil: none
}

// MLPTape belongs to an MLP, or to the rows of an expert.
type MLPTape struct {
	H        []float32 // [rows, M], the input
	Gate, Up []float32 // [rows, I]
	Act      []float32 // [rows, I], silu(Gate)·Up
}

// MoETape belongs to a mixture of experts.
type MoETape struct {
	H       []float32    // [rows, M], the input
	Probs   []float32    // [rows, experts], the router's probabilities
	Picks   []Pick       // [rows, k]
	Experts []ExpertTape // [experts]
}

// ExpertTape belongs to one expert.
type ExpertTape struct {
	Picks []int     // which of the picks are for it, ascending; pick i belongs to row i/k
	MLP   MLPTape   // of these rows
	Y     []float32 // [len(Picks), M], its output before it is weighted
}

// begin makes t ready for a pass.
func (t *Tape) begin(p *Pass) {
	t.Spans, t.Tokens = t.Spans[:0], t.Tokens[:0]
	for _, s := range p.spans {
		t.Spans = append(t.Spans, Rows{s.lo, s.hi})
		t.Tokens = append(t.Tokens, s.Tokens...)
	}
	t.Layers = make([]LayerTape, len(p.m.blocks))
}
