// Package quant converts rows of weights between float32 and the types that checkpoints store them in: the half
// precisions F16 and BF16, floats of eight bits, and ggml's block formats.
//
// A block holds a fixed number of values as small integers with a scale, and in some formats a minimum, that they
// share. The legacy formats Q8_0 to Q5_1 have blocks of 32 values; the K formats have super-blocks of 256, whose 8 or
// 16 sub-blocks have scales that are small integers themselves. Each file of this package describes its formats.
//
// Everything here is plain Go and the definition that faster code is tested against. Results are bit-equal to those of
// the Python package gguf, on every architecture: products are rounded explicitly before they are added to, because a
// compiler may fuse the two otherwise.
package quant

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"jamba/tensor"
)

// format is how a type is read and written.
type format struct {
	dequantize func(dst []float32, src []byte)
	quantize   func(l *Loops, dst []byte, src []float32) error // nil: it is only read
}

// formats are the types. Those that are taken apart into integers are read by splitters.
var formats = [...]format{
	tensor.F32:     {dequantizeF32, whole(quantizeF32)},
	tensor.F16:     {dequantizeF16, whole(quantizeF16)},
	tensor.BF16:    {dequantizeBF16, whole(quantizeBF16)},
	tensor.Q8_0:    {dequantizeQ8_0, blocks(quantizeQ8_0)},
	tensor.Q4_0:    {dequantizeQ4_0, blocks(quantizeQ4_0)},
	tensor.Q4_1:    {dequantizeQ4_1, blocks(quantizeQ4_1)},
	tensor.Q5_0:    {dequantizeQ5_0, blocks(quantizeQ5_0)},
	tensor.Q5_1:    {dequantizeQ5_1, blocks(quantizeQ5_1)},
	tensor.Q4_K:    {dequantizeQ4_K, supers(32, quantizeQ4_K)},
	tensor.Q5_K:    {dequantizeQ5_K, supers(32, quantizeQ5_K)},
	tensor.Q6_K:    {dequantizeQ6_K, supers(16, quantizeQ6_K)},
	tensor.Q2_K:    {nil, supers(16, quantizeQ2_K)},
	tensor.Q3_K:    {nil, supers(16, quantizeQ3_K)},
	tensor.F8_E4M3: {dequantizeE4M3, nil},
	tensor.F8_E5M2: {dequantizeE5M2, nil},
	tensor.INT8:    {dequantizeInt8, whole(quantizeInt8)},
}

// Dequantize stores in dst the values of src, a row (or several, they follow each other without a gap) of type d; of INT8
// exactly one row.
// It panics if src does not have exactly the bytes that len(dst) values take, or if d is no type.
func Dequantize(dst []float32, d tensor.DType, src []byte) {
	checkLen(len(dst), d, len(src))
	if int(d) < len(formats) && formats[d].dequantize != nil {
		formats[d].dequantize(dst, src)
	} else if !Split(dst, d, src, dequantizeNumbers) {
		panic(fmt.Sprintf("quant: cannot dequantize %v", d))
	}
}

// Quantizes reports whether Quantize can write the type d: all but the block formats with tables of values and floats of
// eight bits, which are only read.
func Quantizes(d tensor.DType) bool { return int(d) < len(formats) && formats[d].quantize != nil }

// Quantize stores in dst the values of src as type d. The blocks of the legacy formats get the scale that their largest
// value asks for, those of the K formats scales and minima that fit all values by least squares.
//
// It is an error if a value is NaN or infinite and d is a block format, or too large for d, so that it would become
// infinite; or if d is only read. After an error dst holds no usable values.
// It panics if dst does not have exactly the bytes that len(src) values take, or if d is no type.
func Quantize(dst []byte, d tensor.DType, src []float32) error { return plain.Quantize(dst, d, src) }

// Quantize is the function of that name, with l for the loops of plain Go.
func (l *Loops) Quantize(dst []byte, d tensor.DType, src []float32) error {
	checkLen(len(src), d, len(dst))
	if !Quantizes(d) {
		return fmt.Errorf("quant: %v: quantizing to this type is not supported", d)
	}
	if err := formats[d].quantize(l, dst, src); err != nil {
		return fmt.Errorf("quant: %v: %w", d, err)
	}
	return nil
}

// whole returns quantize for a type that has no blocks.
func whole(quantize func(dst []byte, src []float32) error) func(l *Loops, dst []byte, src []float32) error {
	return func(_ *Loops, dst []byte, src []float32) error { return quantize(dst, src) }
}

func dequantizeF32(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

func quantizeF32(dst []byte, src []float32) error {
	for i, x := range src {
		binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(x))
	}
	return nil
}

func checkLen(values int, d tensor.DType, bytes int) {
	want, err := d.RowBytes(values)
	if err != nil {
		panic("quant: " + err.Error())
	}
	if bytes != want {
		panic(fmt.Sprintf("quant: %d values of %v take %d bytes, have %d", values, d, want, bytes))
	}
}

// blockLen is the number of values in a block of the legacy formats.
const blockLen = 32

// blocks returns the function that calls quantize for each block of a legacy format. quantize returns false if the block's
// scale or minimum overflows F16.
func blocks(quantize func(dst []byte, x *[blockLen]float32) bool) func(l *Loops, dst []byte, src []float32) error {
	return func(l *Loops, dst []byte, src []float32) error {
		n := len(src) / blockLen
		for i := range n {
			x, size := (*[blockLen]float32)(src[i*blockLen:]), len(dst)/n
			if !finite(math.Float32frombits(l.Peak(x[:]))) {
				return notFinite(x[:], i*blockLen)
			}
			if !quantize(dst[i*size:][:size], x) {
				return overflows(i*blockLen, blockLen)
			}
		}
		return nil
	}
}

// notFinite returns the error of the first of the values from at on that is not finite.
func notFinite(x []float32, at int) error {
	i := slices.IndexFunc(x, func(v float32) bool { return !finite(v) })
	return fmt.Errorf("value %d is %v", at+i, x[i])
}

func overflows(at, n int) error {
	return fmt.Errorf("values %d to %d need a scale or minimum that overflows F16", at, at+n-1)
}

func finite(x float32) bool { return math.Float32bits(x)&0x7f800000 != 0x7f800000 }

// inverse returns what to multiply values with to divide them by the scale d: 0 if that overflows, for then d is 0 once
// it is stored and so are the values.
func inverse(d float32) float32 {
	if id := 1 / d; d != 0 && finite(id) {
		return id
	}
	return 0
}

// putF16 stores x and returns whether it is still finite.
func putF16(dst []byte, x float32) bool {
	h := F32ToF16(x)
	binary.LittleEndian.PutUint16(dst, h)
	return h&0x7c00 != 0x7c00
}
