package quant

// TQ1_0: 256 numbers −1, 0 and 1, five of them in a byte, then a scale d, F16. A byte b holds them as the digits to the
// base of 3 of the fraction b/256: the first is the whole part of 3·b/256, the next that of what remains times 3, and so on.
// 32 bytes hold values 0 to 159, their first digits first, 16 bytes 160 to 239, and 4 bytes of four digits the rest.
// TQ2_0: numbers of −1 to 2 as 2 bits, in the order of Q2_K, then d. A value is d·q in both.

func splitTQ1_0(n *Numbers, src []byte) {
	b := (*[54]byte)(src)
	fill(&n.Scale, F16ToF32(le.Uint16(b[52:])))
	at := 0
	for _, part := range [...]struct{ from, count, digits int }{{0, 32, 5}, {32, 16, 5}, {48, 4, 4}} {
		power := byte(1)
		for range part.digits {
			for _, v := range b[part.from : part.from+part.count] {
				n.Q[at] = byte(uint16(v*power)*3>>8) - 1
				at++
			}
			power *= 3
		}
	}
}

func splitTQ2_0(n *Numbers, src []byte) {
	b := (*[66]byte)(src)
	fill(&n.Scale, F16ToF32(le.Uint16(b[64:])))
	for i := 0; i < 64; i += 8 {
		bits := le.Uint64(b[i:])
		at := i/32*128 + i%32
		for j := range 4 {
			le.PutUint64(n.Q[at+32*j:], less(bits>>(2*j)&every(3), 1))
		}
	}
}

func fill(scales *[superLen / 16]float32, d float32) {
	for i := range scales {
		scales[i] = d
	}
}
