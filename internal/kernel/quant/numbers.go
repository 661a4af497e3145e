package quant

import (
	"encoding/binary"
	"sync"

	"jamba/tensor"
)

// Numbers is a block taken apart, of a format whose values are small integers with a scale: value i is
// Scale[i/16]·Q[i] − Minimum[i/16], the product rounded first. Blocks of 32 values use the first of each.
//
// All formats of less than four bits and those with tables of values are read this way: what differs between them is how
// the numbers are stored, and that is taken apart eight numbers at a time, in the bytes of a word.
type Numbers struct {
	Q              [superLen]byte // signed
	Scale, Minimum [superLen / 16]float32
}

var le = binary.LittleEndian

// splitters take a block apart. Those of formats without minima leave Minimum alone.
var splitters = [...]func(n *Numbers, src []byte){
	tensor.Q2_K:    splitQ2_K,
	tensor.Q3_K:    splitQ3_K,
	tensor.IQ4_NL:  splitIQ4_NL,
	tensor.IQ4_XS:  splitIQ4_XS,
	tensor.IQ3_XXS: splitIQ3_XXS,
	tensor.IQ3_S:   splitIQ3_S,
	tensor.IQ2_XXS: splitIQ2_XXS,
	tensor.IQ2_XS:  splitIQ2_XS,
	tensor.IQ2_S:   splitIQ2_S,
	tensor.IQ1_S:   splitIQ1_S,
	tensor.IQ1_M:   splitIQ1_M,
	tensor.MXFP4:   splitMXFP4,
	tensor.TQ1_0:   splitTQ1_0,
	tensor.TQ2_0:   splitTQ2_0,
}

var allNumbers = sync.Pool{New: func() any { return new(Numbers) }}

// Split calls use with each block of src, a row or several of type d, taken apart, and the values dst that it stands for.
// It returns false if d is no such format.
func Split(dst []float32, d tensor.DType, src []byte, use func(dst []float32, n *Numbers)) bool {
	if int(d) >= len(splitters) || splitters[d] == nil {
		return false
	}
	split, values, bytes := splitters[d], d.BlockValues(), d.BlockBytes()
	n := allNumbers.Get().(*Numbers)
	defer allNumbers.Put(n)
	clear(n.Minimum[:])
	for len(dst) >= values {
		split(n, src[:bytes:bytes])
		use(dst[:values:values], n)
		dst, src = dst[values:], src[bytes:]
	}
	return true
}

// dequantizeNumbers stores the values of a block.
func dequantizeNumbers(dst []float32, n *Numbers) {
	for i := 0; i < len(dst); i += 16 {
		scale, minimum, q, out := n.Scale[i/16], n.Minimum[i/16], (*[16]byte)(n.Q[i:]), (*[16]float32)(dst[i:])
		for j, v := range q {
			out[j] = float32(scale*float32(int8(v))) - minimum
		}
	}
}

// every returns a word with that byte eight times.
func every(b byte) uint64 { return uint64(b) * 0x0101_0101_0101_0101 }

// less subtracts a byte from eight numbers of 0 to 127.
func less(x uint64, b byte) uint64 { return ((x | every(0x80)) - every(b)) ^ every(0x80) }
