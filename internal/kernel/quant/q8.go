package quant

import "encoding/binary"

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
