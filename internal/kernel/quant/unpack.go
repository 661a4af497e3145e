package quant

import "jamba/tensor"

// Block is a block of a quantized format taken apart, for kernels that compute with the integers themselves.
// Value i is d·S[i/len]·Q[i] + e·M[i/len], where d and e are Scale and Min, fp16 numbers by their bits, and S and M are 1
// where the format has none; len is the length of a sub-block.
type Block struct {
	Q          []int8 // [d.BlockValues()], of INT8 those of a row
	S, M       []int8 // one for each sub-block, K formats only; M is negative
	Scale, Min uint16
}

// Unpack takes the block of bytes src, or the row of INT8, apart. b.Q has to have the length of a block; for K formats S has to have 8 (for
// Q6_K 16) and M 8 elements.
func Unpack(b *Block, d tensor.DType, src []byte) {
	switch d {
	case tensor.INT8:
		b.Scale = le.Uint16(src)
		for i, q := range src[2:] {
			b.Q[i] = int8(q)
		}
	case tensor.Q8_0:
		b.Scale = le.Uint16(src)
		for i, q := range src[2:34] {
			b.Q[i] = int8(q)
		}
	case tensor.Q4_0:
		b.Scale = le.Uint16(src)
		nibbles(b.Q, src[2:18])
	case tensor.Q4_1:
		b.Scale, b.Min = le.Uint16(src), le.Uint16(src[2:])
		nibbles(b.Q, src[4:20])
	case tensor.Q5_0:
		b.Scale = le.Uint16(src)
		nibbles(b.Q, src[6:22])
		addFifth(b.Q, le.Uint32(src[2:]))
		for i := range b.Q[:32] {
			b.Q[i] -= 16
		}
	case tensor.Q5_1:
		b.Scale, b.Min = le.Uint16(src), le.Uint16(src[2:])
		nibbles(b.Q, src[8:24])
		addFifth(b.Q, le.Uint32(src[4:]))
	case tensor.Q4_K, tensor.Q5_K:
		b.Scale, b.Min = le.Uint16(src), le.Uint16(src[2:])
		for i := range 4 {
			s, m, both := src[4+i], src[8+i], src[12+i]
			b.S[i], b.M[i] = int8(s&63), -int8(m&63)
			b.S[i+4], b.M[i+4] = int8(both&15|s>>6<<4), -int8(both>>4|m>>6<<4)
		}
		qs := src[16:144]
		if d == tensor.Q5_K {
			qs = src[48:176]
		}
		for i, q := range qs {
			at := i/32*64 + i%32
			b.Q[at], b.Q[at+32] = int8(q&15), int8(q>>4)
			if d == tensor.Q5_K {
				high := src[16+i%32] >> (i / 32 * 2)
				b.Q[at] |= int8(high & 1 << 4)
				b.Q[at+32] |= int8(high & 2 << 3)
			}
		}
	case tensor.Q6_K:
		b.Scale = le.Uint16(src[208:])
		for i, s := range src[192:208] {
			b.S[i] = int8(s)
		}
		for half := range 2 {
			ql, qh := src[64*half:64*half+64], src[128+32*half:160+32*half]
			for i := range 32 {
				q := b.Q[128*half+i:]
				q[0] = int8(ql[i]&15|qh[i]&3<<4) - 32
				q[32] = int8(ql[i+32]&15|qh[i]>>2&3<<4) - 32
				q[64] = int8(ql[i]>>4|qh[i]>>4&3<<4) - 32
				q[96] = int8(ql[i+32]>>4|qh[i]>>6<<4) - 32
			}
		}
	default:
		panic("quant: Unpack of " + d.String())
	}
}

// nibbles writes the lower halves of 16 bytes, then the upper.
func nibbles(q []int8, src []byte) {
	for i, v := range src {
		q[i], q[i+16] = int8(v&15), int8(v>>4)
	}
}

// addFifth adds the fifth bits, bit i to number i.
func addFifth(q []int8, bits uint32) {
	for i := range 32 {
		q[i] |= int8(bits >> i & 1 << 4)
	}
}
