// Package state is what sequences remember between two forward passes: for each attention layer keys and values, which
// grow with the sequence, and for each Mamba layer the last inputs of its convolution and the state of its scan, of
// constant size.
//
// An Arena is the memory of many sequences, a State one of them. Keys and values lie in pages, Mamba's states in slots;
// neither is written once another State refers to it, so that a Fork copies nothing. A forward pass reserves what it will
// write before it computes, and commits it when all went well, or rolls it back: a State always is one that some pass left
// complete.
//
// A State cannot be cut back to any position: a Mamba layer keeps no history. To return to a position, keep a Fork of the
// State from there; a pass can leave one at any position on its way.
package state

import (
	"math"
	"math/bits"
	"slices"

	"jamba/internal/kernel"
	"jamba/tensor"
)

// Spec says what one layer remembers: keys and values if KVHeads is positive, else Mamba's states.
type Spec struct {
	KVHeads, HeadDim, Window int          // Window 0: all positions are kept
	DType                    tensor.DType // of keys and values: F32, F16 or Q8_0
	DInner, DState, DConv    int
}

// KVBytes returns the bytes of one position's keys and values.
func (s Spec) KVBytes() int64 {
	_, row := kernel.PageRow(s.DType, s.HeadDim)
	return 2 * int64(s.KVHeads) * int64(row)
}

// SlotBytes returns the bytes of the states of all Mamba layers of one sequence.
func SlotBytes(specs []Spec) int64 {
	var total int64
	for _, s := range specs {
		if s.KVHeads == 0 {
			total = plus(total, 4*int64(s.DConv-1)*int64(s.DInner)+4*int64(kernel.ScanPanels(s.DInner)*kernel.ScanPanel)*int64(s.DState))
		}
	}
	return total
}

// Bytes returns the memory that a sequence of n tokens takes, math.MaxInt64 if it is more than that. A forward pass takes
// SlotBytes in addition, since it keeps the states before it until it is complete.
func Bytes(specs []Spec, n int) int64 {
	total := SlotBytes(specs)
	for _, g := range groups(specs) {
		pages := int64(n)/kernel.PageLen + min(1, int64(n)%kernel.PageLen)
		if g.window > 0 {
			// The window may begin and end within a page.
			pages = min(pages, int64(g.window)/kernel.PageLen+2)
		}
		for _, i := range g.layers {
			total = plus(total, times(pages, kernel.PageLen*specs[i].KVBytes()))
		}
	}
	return total
}

// Pages returns the positions of a page of keys and values, and how many pages of all layers n bytes have room for; 0 if no layer
// keeps any.
func Pages(specs []Spec, n int64) (positions int, pages int64) {
	var size int64
	for _, s := range specs {
		if s.KVHeads > 0 {
			size = plus(size, kernel.PageLen*s.KVBytes())
		}
	}
	if size > 0 {
		pages = n / size
	}
	return kernel.PageLen, pages
}

// group is the attention layers that keep the same positions: those with the same window. Their pages come and go
// together.
type group struct {
	window int
	layers []int
	floats int // of a page of all these layers, if they are kept as float32
	bytes  int // else
}

// groups returns the groups of attention layers, in the order of their first layers.
func groups(specs []Spec) (all []group) {
	for i, s := range specs {
		if s.KVHeads == 0 {
			continue
		}
		at := slices.IndexFunc(all, func(g group) bool { return g.window == s.Window && (g.floats > 0) == (s.DType == tensor.F32) })
		if at < 0 {
			at = len(all)
			all = append(all, group{window: s.Window})
		}
		g := &all[at]
		g.layers = append(g.layers, i)
		if n := int(min(kernel.PageLen*s.KVBytes(), math.MaxInt32)); s.DType == tensor.F32 {
			g.floats += n / 4
		} else {
			g.bytes += n
		}
	}
	return all
}

// size returns the bytes of a page.
func (g *group) size() int64 { return 4*int64(g.floats) + int64(g.bytes) }

// plus and times return a+b and a·b, or math.MaxInt64 if that is less. Neither a nor b is negative.
func plus(a, b int64) int64 { return a + min(b, math.MaxInt64-a) }

func times(a, b int64) int64 {
	if hi, lo := bits.Mul64(uint64(a), uint64(b)); hi == 0 && lo <= math.MaxInt64 {
		return int64(lo)
	}
	return math.MaxInt64
}
