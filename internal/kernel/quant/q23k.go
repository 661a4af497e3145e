package quant

// Q2_K: 16 bytes with the scales s (lower halves) and the minima m (upper halves) of 16 sub-blocks of 16 values, 256
// numbers q of 2 bits in 64 bytes, then a scale d and a scale of the minima dmin, both F16. A value is (d·s)·q − dmin·m.
// Of each 32 bytes the lowest two bits hold values 0 to 31, the next two 32 to 63 and so on.

func splitQ2_K(n *Numbers, src []byte) {
	b := (*[84]byte)(src)
	d, dmin := F16ToF32(le.Uint16(b[80:])), F16ToF32(le.Uint16(b[82:]))
	for i, both := range b[:16] {
		n.Scale[i] = d * float32(both&15)
		n.Minimum[i] = dmin * float32(both>>4)
	}
	for i := 0; i < 64; i += 8 {
		bits := le.Uint64(b[16+i:])
		at := i/32*128 + i%32
		for j := range 4 {
			le.PutUint64(n.Q[at+32*j:], bits>>(2*j)&every(3))
		}
	}
}

// Q3_K: 32 bytes in which bit i of byte j is the third bit of value 32i+j, the lower two bits as in Q2_K, 12 bytes with
// the scales s of 16 sub-blocks, 6 bits each, then a scale d, F16. A value is (d·(s−32))·(q−4).
// The lower four bits of the scales are in the halves of 8 bytes, first the lower ones; the upper two bits in the 4 bytes
// after them, the lowest of all four first.

func splitQ3_K(n *Numbers, src []byte) {
	b := (*[110]byte)(src)
	d := F16ToF32(le.Uint16(b[108:]))
	for i := range n.Scale {
		low := b[96+i%8] >> (i / 8 * 4) & 15
		high := b[104+i%4] >> (i / 4 * 2) & 3
		n.Scale[i] = d * float32(int(low|high<<4)-32)
	}
	for i := 0; i < 64; i += 8 {
		bits, third := le.Uint64(b[32+i:]), le.Uint64(b[i%32:])>>(i/32*4)
		at := i/32*128 + i%32
		for j := range 4 {
			q := bits>>(2*j)&every(3) | third>>j&every(1)<<2
			le.PutUint64(n.Q[at+32*j:], less(q, 4))
		}
	}
}
