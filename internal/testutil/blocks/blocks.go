// Package blocks makes random weights for tests.
package blocks

import (
	"encoding/binary"
	"math"
	"math/rand/v2"

	"jamba/internal/kernel/quant"
	"jamba/tensor"
)

// halves are where a block of a type has fp16 numbers, its scale and its minimum; 0 alone for types that are not here.
var halves = map[tensor.DType][]int{
	tensor.Q4_1: {0, 2}, tensor.Q5_1: {0, 2}, tensor.Q4_K: {0, 2}, tensor.Q5_K: {0, 2}, tensor.Q6_K: {208},
	tensor.Q2_K: {80, 82}, tensor.Q3_K: {108}, tensor.TQ1_0: {52}, tensor.TQ2_0: {64},
}

// Random returns so many blocks of random bits of type d, or numbers of a plain type, whose scales are normal with that
// standard deviation: so their values are finite.
func Random(r *rand.Rand, d tensor.DType, count int, deviation float64) []byte {
	all := make([]byte, count*d.BlockBytes())
	for i := range all {
		all[i] = byte(r.Uint32())
	}
	scale := func() float32 { return float32(r.NormFloat64() * deviation) }
	for i := range count {
		b := all[i*d.BlockBytes():][:d.BlockBytes()]
		switch d {
		case tensor.INT8: // numbers of a row, whose scale is left to the caller
		case tensor.F32:
			binary.LittleEndian.PutUint32(b, math.Float32bits(scale()))
		case tensor.BF16:
			binary.LittleEndian.PutUint16(b, quant.F32ToBF16(scale()))
		case tensor.F8_E4M3, tensor.F8_E5M2:
			b[0] = b[0]&0x80 | byte(r.IntN(0x48)) // up to 3 or 4
		case tensor.MXFP4: // a power of two
			b[0] = byte(128 + math.Ilogb(deviation) - r.IntN(4))
		case tensor.IQ1_M: // spread over the upper halves of four words
			h := quant.F32ToF16(scale())
			for j := range 4 {
				b[49+2*j] = b[49+2*j]&15 | byte(h>>(4*j)&15<<4)
			}
		default:
			at, ok := halves[d]
			if !ok {
				at = []int{0}
			}
			for _, i := range at {
				binary.LittleEndian.PutUint16(b[i:], quant.F32ToF16(scale()))
			}
		}
	}
	return all
}
