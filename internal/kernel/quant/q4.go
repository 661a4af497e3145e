package quant

import "encoding/binary"

// Q4_0: a scale d, F16, then 32 numbers q of 4 bits in 16 bytes. A value is d·(q−8).
// Q4_1: a scale d and a minimum m, both F16, then the same. A value is d·q + m.
//
// The lower halves of the 16 bytes hold values 0 to 15, the upper halves values 16 to 31.

func dequantizeQ4_0(dst []float32, src []byte) {
	for len(src) >= 18 && len(dst) >= blockLen {
		b, out := (*[18]byte)(src), (*[blockLen]float32)(dst)
		d := F16ToF32(binary.LittleEndian.Uint16(b[:]))
		var level [16]float32
		for q := range level {
			level[q] = d * float32(q-8)
		}
		unpack4(out, &level, (*[16]byte)(b[2:]))
		src, dst = src[18:], dst[blockLen:]
	}
}

func dequantizeQ4_1(dst []float32, src []byte) {
	for len(src) >= 20 && len(dst) >= blockLen {
		b, out := (*[20]byte)(src), (*[blockLen]float32)(dst)
		d := F16ToF32(binary.LittleEndian.Uint16(b[:]))
		m := F16ToF32(binary.LittleEndian.Uint16(b[2:]))
		var level [16]float32
		for q := range level {
			level[q] = float32(d*float32(q)) + m
		}
		unpack4(out, &level, (*[16]byte)(b[4:]))
		src, dst = src[20:], dst[blockLen:]
	}
}

// unpack4 stores the values that the halves of the bytes stand for.
func unpack4(out *[blockLen]float32, level *[16]float32, qs *[16]byte) {
	for j, q := range qs {
		out[j] = level[q&15]
		out[j+16] = level[q>>4]
	}
}

func quantizeQ4_0(dst []byte, x *[blockLen]float32) bool {
	d := peak(x) / -8
	id := inverse(d)
	var q [blockLen]byte
	for j, v := range x {
		q[j] = byte(min(int32(float32(v*id)+8.5), 15))
	}
	pack4(dst[2:18], &q)
	return putF16(dst, d)
}

func quantizeQ4_1(dst []byte, x *[blockLen]float32) bool {
	lo, hi := span(x)
	d := (hi - lo) / 15
	id := inverse(d)
	var q [blockLen]byte
	for j, v := range x {
		q[j] = byte(min(int32(float32((v-lo)*id)+0.5), 15))
	}
	pack4(dst[4:20], &q)
	ok := putF16(dst, d)
	return putF16(dst[2:], lo) && ok
}

// pack4 is the inverse of unpack4 for the numbers themselves. Of larger ones it takes the lower 4 bits.
func pack4(dst []byte, q *[blockLen]byte) {
	for j := range 16 {
		dst[j] = q[j]&15 | q[j+16]<<4
	}
}

// peak returns the value farthest from zero, of several the first. With that one, sign and all, at the end of the range
// that reaches one step farther, all of the range is used.
func peak(x *[blockLen]float32) float32 {
	var top, v float32
	for i, w := range x {
		if a := abs(w); a > top || i == 0 {
			top, v = a, w
		}
	}
	return v
}

// span returns the least and the largest value.
func span(x *[blockLen]float32) (lo, hi float32) {
	lo, hi = x[0], x[0]
	for _, v := range x[1:] {
		lo, hi = min(lo, v), max(hi, v)
	}
	return lo, hi
}
