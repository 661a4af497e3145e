package quant

import (
	"encoding/binary"
	"fmt"

	"jamba/tensor"
)

// Q8_0: a scale d, F16, then 32 signed bytes q. A value is d·q.

func dequantizeQ8_0(dst []float32, src []byte) {
	for len(src) >= 34 && len(dst) >= blockLen {
		b, out := (*[34]byte)(src), (*[blockLen]float32)(dst)
		d := F16ToF32(binary.LittleEndian.Uint16(b[:]))
		for j := range out {
			out[j] = float32(int8(b[2+j])) * d
		}
		src, dst = src[34:], dst[blockLen:]
	}
}

func quantizeQ8_0(dst []byte, x *[blockLen]float32) bool {
	var top float32
	for _, v := range x {
		top = max(top, abs(v))
	}
	d := top / 127
	id := inverse(d)
	for j, v := range x {
		// Once round is inlined, arm64 would fuse an unrounded product with the subtraction there.
		dst[2+j] = byte(round(float32(v * id)))
	}
	return putF16(dst, d)
}

// QuantizeRowQ8 stores a row as Q8_0 whose blocks all have one scale, that of the row's largest value: so an output channel
// has one scale, which the format holds exactly. Rows that are no whole blocks and errors are as for Quantize.
func QuantizeRowQ8(dst []byte, src []float32) error {
	checkLen(len(src), tensor.Q8_0, len(dst))
	for i, v := range src {
		if !finite(v) {
			return fmt.Errorf("quant: int8: value %d is %v", i, v)
		}
	}
	var scale [2]byte
	d, ok := superScale(scale[:], largest(src), 127)
	if !ok {
		return fmt.Errorf("quant: int8: the largest value, %v, needs a scale that overflows F16", largest(src))
	}
	id := inverse(d)
	for i := range len(src) / blockLen {
		b := dst[34*i : 34*i+34]
		copy(b, scale[:])
		for j, v := range src[blockLen*i : blockLen*(i+1)] {
			b[2+j] = byte(min(max(round(float32(v*id)), -127), 127))
		}
	}
	return nil
}

// round returns the integer nearest to x, of two equally near ones the one away from zero. x has to be small.
func round(x float32) int32 {
	n := int32(x) // towards zero
	switch frac := x - float32(n); {
	case frac >= 0.5:
		n++
	case frac <= -0.5:
		n--
	}
	return n
}

func abs(x float32) float32 {
	if x < 0 {
		return -x
	}
	return x
}
