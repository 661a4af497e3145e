package quant

import (
	"math"

	"jamba/tensor"
)

// F8_E4M3: a sign, four bits of exponent with a bias of 7, three of fraction; no infinities, NaN is all bits set but for
// the sign (OCP's E4M3, torch's float8_e4m3fn).
// F8_E5M2: the upper byte of an F16.

var valuesE4M3, valuesE5M2 = func() (e4m3, e5m2 [256]float32) {
	for b := range e4m3 {
		exponent, fraction := b>>3&15, float64(b&7)/8
		v := math.Ldexp(1+fraction, exponent-7)
		switch {
		case b&127 == 127:
			v = math.NaN()
		case exponent == 0:
			v = math.Ldexp(fraction, -6)
		}
		if b>>7 == 1 {
			v = math.Copysign(v, -1)
		}
		e4m3[b], e5m2[b] = float32(v), F16ToF32(uint16(b)<<8)
	}
	return e4m3, e5m2
}()

func dequantizeE4M3(dst []float32, src []byte) { lookUpF8(dst, &valuesE4M3, src) }
func dequantizeE5M2(dst []float32, src []byte) { lookUpF8(dst, &valuesE5M2, src) }

func lookUpF8(dst []float32, values *[256]float32, src []byte) {
	for i, b := range src {
		dst[i] = values[b]
	}
}

// Values stores in dst values of t, which lie one after the other, from value at on, a whole block of the type: scales, if
// there are any, are applied. It panics if t does not have them.
func Values(dst []float32, t tensor.Tensor, at int) {
	values, bytes := t.DType.BlockValues(), t.DType.BlockBytes()
	Dequantize(dst, t.DType, t.Data[at/values*bytes:(at+len(dst))/values*bytes])
	if t.Scales != nil {
		Scale(dst, t.Scales, t.Shape[0], t.Shape[1], at)
	}
}

// Scale multiplies values of a matrix [n, k], those from value at on in the order of rows, by their scales.
func Scale(dst []float32, s *tensor.Scales, n, k, at int) {
	rows, columns := n/s.Rows, k/s.Columns
	for len(dst) > 0 {
		row, column := at/k, at%k
		part := dst[:min(len(dst), columns-column%columns)]
		f := s.Values[row/rows*s.Columns+column/columns]
		for i := range part {
			part[i] *= f
		}
		switch s.Rounded {
		case tensor.BF16:
			for i, v := range part {
				part[i] = math.Float32frombits(uint32(F32ToBF16(v)) << 16)
			}
		case tensor.F16:
			for i, v := range part {
				part[i] = F16ToF32(F32ToF16(v))
			}
		}
		at += len(part)
		dst = dst[len(part):]
	}
}
