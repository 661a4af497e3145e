package quant

import "fmt"

// INT8: a scale d for the whole row, an output channel of the matrix, as F16, then signed bytes q from -127 to 127. A value
// is d·q.

func dequantizeInt8(dst []float32, src []byte) { DequantizeInt8(dst, src, 0) }

// DequantizeInt8 stores in dst values of a row of INT8, from value at on.
func DequantizeInt8(dst []float32, row []byte, at int) {
	d, q := F16ToF32(le.Uint16(row)), row[2+at:]
	for i := range dst {
		dst[i] = float32(int8(q[i])) * d
	}
}

// quantizeInt8 rounds the scale first, so that no value lies beyond 127 of it, and then the values.
func quantizeInt8(dst []byte, src []float32) error {
	for i, v := range src {
		if !finite(v) {
			return fmt.Errorf("value %d is %v", i, v)
		}
	}
	d, ok := superScale(dst, largest(src), 127)
	if !ok {
		return fmt.Errorf("the largest value, %v, needs a scale that overflows F16", largest(src))
	}
	id := inverse(d)
	for i, v := range src {
		dst[2+i] = byte(min(max(round(float32(v*id)), -127), 127))
	}
	return nil
}
