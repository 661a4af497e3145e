package quant

import "encoding/binary"

// superLen is the number of values in a super-block, which the K formats are made of.
const superLen = 256

// Q4_K: a scale d and a scale of the minima dmin, both F16, 12 bytes with the scales s and the minima m of 8 sub-blocks
// of 32 values, 6 bits each, then 256 numbers q of 4 bits in 128 bytes. A value is (d·s)·q − dmin·m.
// Of each 32 bytes the lower halves hold one sub-block and the upper halves the next.

func dequantizeQ4_K(dst []float32, src []byte) {
	for len(src) >= 144 && len(dst) >= superLen {
		b, out := (*[144]byte)(src), (*[superLen]float32)(dst)
		scale, minimum := ScalesQ4K((*[16]byte)(b[:]))
		for i := range 4 {
			qs := (*[32]byte)(b[16+32*i:])
			lower, upper := (*[32]float32)(out[64*i:]), (*[32]float32)(out[64*i+32:])
			lo, hi := levels(scale[2*i], minimum[2*i]), levels(scale[2*i+1], minimum[2*i+1])
			for j, q := range qs {
				lower[j] = lo[q&15]
				upper[j] = hi[q>>4]
			}
		}
		src, dst = src[144:], dst[superLen:]
	}
}

// Q5_K: as Q4_K, but with 32 bytes before the lower four bits: bit i of byte j is the fifth bit of value j of
// sub-block i.

func dequantizeQ5_K(dst []float32, src []byte) {
	for len(src) >= 176 && len(dst) >= superLen {
		b, out := (*[176]byte)(src), (*[superLen]float32)(dst)
		scale, minimum := ScalesQ4K((*[16]byte)(b[:]))
		high := (*[32]byte)(b[16:])
		for i := range 4 {
			qs := (*[32]byte)(b[48+32*i:])
			lower, upper := (*[32]float32)(out[64*i:]), (*[32]float32)(out[64*i+32:])
			d0, m0, d1, m1 := scale[2*i], minimum[2*i], scale[2*i+1], minimum[2*i+1]
			for j, q := range qs {
				h := high[j] >> (2 * i)
				lower[j] = float32(d0*float32(int32(q&15|h&1<<4))) - m0
				upper[j] = float32(d1*float32(int32(q>>4|h&2<<3))) - m1
			}
		}
		src, dst = src[176:], dst[superLen:]
	}
}

// ScalesQ4K returns d·s and dmin·m of the 8 sub-blocks from the first 16 bytes of a Q4_K or Q5_K super-block.
// Of the 12 bytes that hold s and m, the first four have s₀ to s₃ in their lower 6 bits, the next four m₀ to m₃.
// The others are put together from the 4 bits in each half of the last four bytes and the 2 upper bits of the rest.
func ScalesQ4K(b *[16]byte) (scale, minimum [8]float32) {
	d := F16ToF32(binary.LittleEndian.Uint16(b[:]))
	dmin := F16ToF32(binary.LittleEndian.Uint16(b[2:]))
	for i := range 4 {
		s, m, both := b[4+i], b[8+i], b[12+i]
		scale[i] = d * float32(int32(s&63))
		minimum[i] = dmin * float32(int32(m&63))
		scale[i+4] = d * float32(int32(both&15|s>>6<<4))
		minimum[i+4] = dmin * float32(int32(both>>4|m>>6<<4))
	}
	return scale, minimum
}

// levels returns d·q − m for all numbers of 4 bits.
func levels(d, m float32) (level [16]float32) {
	for q := range level {
		level[q] = float32(d*float32(q)) - m
	}
	return level
}

// Q6_K: 256 times the lower 4 bits in 128 bytes, the upper 2 bits in 64 bytes, the scales s of 16 sub-blocks of 16
// values as signed bytes, then a scale d, F16. A value is (d·s)·(q−32).
// Each half of the super-block, 128 values, has 64 bytes of lower bits, of which the lower halves are values 0 to 63 and
// the upper halves values 64 to 127, and 32 bytes of upper bits, in which bits 2i and 2i+1 belong to values 32i to 32i+31.

func dequantizeQ6_K(dst []float32, src []byte) {
	for len(src) >= 210 && len(dst) >= superLen {
		b, out := (*[210]byte)(src), (*[superLen]float32)(dst)
		d := F16ToF32(binary.LittleEndian.Uint16(b[208:]))
		for half := range 2 {
			low, high := (*[64]byte)(b[64*half:]), (*[32]byte)(b[128+32*half:])
			s, v := (*[8]byte)(b[192+8*half:]), (*[128]float32)(out[128*half:])
			for k := range 2 { // the sub-blocks of 16 in 32 values
				d0 := d * float32(int8(s[k]))
				d1 := d * float32(int8(s[2+k]))
				d2 := d * float32(int8(s[4+k]))
				d3 := d * float32(int8(s[6+k]))
				for j := 16 * k; j < 16*k+16; j++ {
					a, c, h := low[j], low[j+32], high[j]
					v[j] = d0 * float32(int32(a&15|h&3<<4)-32)
					v[j+32] = d1 * float32(int32(c&15|h>>2&3<<4)-32)
					v[j+64] = d2 * float32(int32(a>>4|h>>4&3<<4)-32)
					v[j+96] = d3 * float32(int32(c>>4|h>>6<<4)-32)
				}
			}
		}
		src, dst = src[210:], dst[superLen:]
	}
}

// ScalesQ6K returns d·s of the 16 sub-blocks of a Q6_K super-block.
func ScalesQ6K(b *[210]byte) (scale [16]float32) {
	d := F16ToF32(binary.LittleEndian.Uint16(b[208:]))
	for i, s := range b[192:208] {
		scale[i] = d * float32(int8(s))
	}
	return scale
}
