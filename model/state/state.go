// Package state is what a sequence remembers between two forward passes: keys and values for each attention layer,
// growing with the sequence, and for each Mamba layer the last inputs of its convolution and the state of its scan, of
// constant size.
//
// A State can be copied and reset but not cut back: a Mamba layer keeps no history. To return to an earlier position,
// keep a Clone of it.
package state

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"

	"jamba/kernel"
	"jamba/tensor"
)

// Spec says what one layer remembers: keys and values if KVHeads is positive, else Mamba's states.
type Spec struct {
	KVHeads, HeadDim, Window int          // Window 0: all positions are kept
	DType                    tensor.DType // of keys and values: F32, F16 or Q8_0
	DInner, DState, DConv    int
}

// State is the memory of one sequence. It is not safe for concurrent use.
type State struct {
	Layers []Layer
	pos    int
	broken bool
}

// Layer is the memory of one layer; exactly one of the two is set.
type Layer struct {
	KV  *KV
	SSM *SSM
}

// SSM is the memory of a Mamba layer.
type SSM struct {
	Conv []float32 // [d_conv-1, d_inner], the last inputs of the convolution, oldest first
	H    []float32 // [panels, d_state, kernel.ScanPanel], see kernel.Scan
}

// New returns the state of an empty sequence.
func New(specs []Spec) *State {
	s := &State{Layers: make([]Layer, len(specs))}
	for i, spec := range specs {
		if spec.KVHeads > 0 {
			s.Layers[i].KV = &KV{heads: spec.KVHeads, dim: spec.HeadDim, window: spec.Window, dtype: spec.DType}
		} else {
			s.Layers[i].SSM = &SSM{Conv: make([]float32, (spec.DConv-1)*spec.DInner), H: make([]float32, kernel.ScanPanels(spec.DInner)*kernel.ScanPanel*spec.DState)}
		}
	}
	return s
}

// Pos returns the number of tokens that the state has seen.
func (s *State) Pos() int { return s.pos }

// Advance moves on by n tokens, once every layer has stored them.
func (s *State) Advance(n int) { s.pos += n }

// Break marks the state as unusable, after a forward pass that stopped half way.
func (s *State) Break() { s.broken = true }

// Broken reports whether a forward pass over the state stopped half way; Reset makes it usable again.
func (s *State) Broken() bool { return s.broken }

// Reset makes s the state of an empty sequence again.
func (s *State) Reset() {
	s.pos, s.broken = 0, false
	for _, l := range s.Layers {
		if l.KV != nil {
			l.KV.pages = nil
		} else {
			clear(l.SSM.Conv)
			clear(l.SSM.H)
		}
	}
}

// Fill makes s the state of a sequence of n tokens that was never computed, with random content: a benchmark's way to a
// depth. Pages that s has are used again.
func (s *State) Fill(n int, r *rand.Rand) {
	s.pos, s.broken = 0, false
	for _, l := range s.Layers {
		if l.KV != nil {
			l.KV.fill(n, r)
			continue
		}
		for _, x := range [][]float32{l.SSM.Conv, l.SSM.H} {
			for i := range x {
				x[i] = r.Float32() - 0.5
			}
		}
	}
	s.Advance(n)
}

// Clone returns a copy of s that shares no memory with it.
func (s *State) Clone() *State {
	c := &State{Layers: make([]Layer, len(s.Layers)), pos: s.pos, broken: s.broken}
	for i, l := range s.Layers {
		if l.KV != nil {
			c.Layers[i].KV = l.KV.clone()
		} else {
			c.Layers[i].SSM = &SSM{Conv: slices.Clone(l.SSM.Conv), H: slices.Clone(l.SSM.H)}
		}
	}
	return c
}

// KVBytes returns the bytes of one position's keys and values.
func (s Spec) KVBytes() int64 {
	_, row := kernel.PageRow(s.DType, s.HeadDim)
	return 2 * int64(s.KVHeads) * int64(row)
}

// Bytes returns the memory that a sequence of n tokens takes, math.MaxInt64 if it is more than that.
func Bytes(specs []Spec, n int) int64 {
	var total int64
	for _, s := range specs {
		if s.KVHeads == 0 {
			total = plus(total, 4*int64(s.DInner)*int64(s.DConv-1+s.DState))
			continue
		}
		pages := int64(n)/kernel.PageLen + min(1, int64(n)%kernel.PageLen)
		if s.Window > 0 {
			// The window may begin and end within a page.
			pages = min(pages, int64(s.Window)/kernel.PageLen+2)
		}
		total = plus(total, times(pages, kernel.PageLen*s.KVBytes()))
	}
	return total
}

// plus and times return a+b and a·b, or math.MaxInt64 if that is less. Neither a nor b is negative.
func plus(a, b int64) int64 { return a + min(b, math.MaxInt64-a) }

func times(a, b int64) int64 {
	if hi, lo := bits.Mul64(uint64(a), uint64(b)); hi == 0 && lo <= math.MaxInt64 {
		return int64(lo)
	}
	return math.MaxInt64
}
