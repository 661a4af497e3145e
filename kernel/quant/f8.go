package quant

import (
	"math"
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
