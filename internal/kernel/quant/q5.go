package quant

import "encoding/binary"

// Q5_0: a scale d, F16, 32 bits with the fifth bits, the least significant one for value 0, then 32 times the lower 4
// bits in the order of Q4_0. A value is d·(q−16).
// Q5_1: a scale d and a minimum m, both F16, then the same. A value is d·q + m.

func dequantizeQ5_0(dst []float32, src []byte) {
	for len(src) >= 22 && len(dst) >= blockLen {
		b, out := (*[22]byte)(src), (*[blockLen]float32)(dst)
		d := F16ToF32(binary.LittleEndian.Uint16(b[:]))
		high := binary.LittleEndian.Uint32(b[2:])
		for j := range 16 {
			q := b[6+j]
			out[j] = d * float32(int32(q&15|fifth(high, j))-16)
			out[j+16] = d * float32(int32(q>>4|fifth(high, j+16))-16)
		}
		src, dst = src[22:], dst[blockLen:]
	}
}

func dequantizeQ5_1(dst []float32, src []byte) {
	for len(src) >= 24 && len(dst) >= blockLen {
		b, out := (*[24]byte)(src), (*[blockLen]float32)(dst)
		d := F16ToF32(binary.LittleEndian.Uint16(b[:]))
		m := F16ToF32(binary.LittleEndian.Uint16(b[2:]))
		high := binary.LittleEndian.Uint32(b[4:])
		for j := range 16 {
			q := b[8+j]
			out[j] = float32(d*float32(int32(q&15|fifth(high, j)))) + m
			out[j+16] = float32(d*float32(int32(q>>4|fifth(high, j+16)))) + m
		}
		src, dst = src[24:], dst[blockLen:]
	}
}

// fifth returns bit j of high as the fifth bit of a number.
func fifth(high uint32, j int) byte { return byte(high>>(j&31)&1) << 4 }

func quantizeQ5_0(dst []byte, x *[blockLen]float32) bool {
	d := peak(x) / -16
	id := inverse(d)
	var q [blockLen]byte
	for j, v := range x {
		q[j] = byte(min(int32(float32(v*id)+16.5), 31))
	}
	pack5(dst[2:22], &q)
	return putF16(dst, d)
}

func quantizeQ5_1(dst []byte, x *[blockLen]float32) bool {
	lo, hi := span(x)
	d := (hi - lo) / 31
	id := inverse(d)
	var q [blockLen]byte
	for j, v := range x {
		q[j] = byte(min(int32(float32((v-lo)*id)+0.5), 31))
	}
	pack5(dst[4:24], &q)
	ok := putF16(dst, d)
	return putF16(dst[2:], lo) && ok
}

// pack5 stores the fifth bits and then the lower four.
func pack5(dst []byte, q *[blockLen]byte) {
	var high uint32
	for j, v := range q {
		high |= uint32(v>>4) << j
	}
	binary.LittleEndian.PutUint32(dst, high)
	pack4(dst[4:], q)
}
