package quant

// The IQ formats of two and three bits store groups of eight or four magnitudes as the number of a point in a grid, and
// signs apart. Of seven signs that are stored the eighth follows: the number of minus signs is even. All have a scale d,
// F16, and 256 values in a super-block.

// IQ2_XXS: d, then for each 32 values four bytes with the points of eight values and a word with four times seven signs and
// a scale s of four bits. A value is d·(s+½)/4·grid, with the sign.

func splitIQ2_XXS(n *Numbers, src []byte) {
	b, g := (*[66]byte)(src), gridsOf()
	d := F16ToF32(le.Uint16(b[:]))
	for i := range 8 {
		points, word := b[2+8*i:6+8*i], le.Uint32(b[6+8*i:])
		scale := d * (0.5 + float32(word>>28)) * 0.25
		n.Scale[2*i], n.Scale[2*i+1] = scale, scale
		for j, p := range points {
			le.PutUint64(n.Q[32*i+8*j:], g.signed(g.iq2xxs[p], sevenSigns(word>>(7*j))))
		}
	}
}

// IQ2_XS: d, then for each eight values a word of two bytes, nine bits a point and seven signs, then for each 16 values a
// scale s of four bits. A value is as in IQ2_XXS.

func splitIQ2_XS(n *Numbers, src []byte) {
	b, g := (*[74]byte)(src), gridsOf()
	halfScales(n, F16ToF32(le.Uint16(b[:])), (*[8]byte)(b[66:]))
	for i := range 32 {
		word := uint32(le.Uint16(b[2+2*i:]))
		le.PutUint64(n.Q[8*i:], g.signed(g.iq2xs[word&511], sevenSigns(word>>9)))
	}
}

// IQ2_S: d, then the lower eight bits of the points of eight values, eight signs for each, the upper two bits of the points,
// and for each 16 values a scale s of four bits. A value is as in IQ2_XXS.

func splitIQ2_S(n *Numbers, src []byte) {
	b, g := (*[82]byte)(src), gridsOf()
	halfScales(n, F16ToF32(le.Uint16(b[:])), (*[8]byte)(b[74:]))
	for i := range 32 {
		p := uint32(b[2+i]) | uint32(b[66+i/4]>>(i%4*2)&3)<<8
		le.PutUint64(n.Q[8*i:], g.signed(g.iq2s[p], b[34+i]))
	}
}

// halfScales stores the scales of IQ2_XS and IQ2_S, two in a byte.
func halfScales(n *Numbers, d float32, scales *[8]byte) {
	for i, s := range scales {
		n.Scale[2*i] = d * (0.5 + float32(s&15)) * 0.25
		n.Scale[2*i+1] = d * (0.5 + float32(s>>4)) * 0.25
	}
}

// IQ3_XXS: d, then the points of four values, a byte each, and for each 32 values a word with four times seven signs and a
// scale s of four bits. A value is d·(s+½)/2·grid, with the sign.

func splitIQ3_XXS(n *Numbers, src []byte) {
	b, g := (*[98]byte)(src), gridsOf()
	d := F16ToF32(le.Uint16(b[:]))
	for i := range 8 {
		points, word := (*[8]byte)(b[2+8*i:]), le.Uint32(b[66+4*i:])
		scale := d * (0.5 + float32(word>>28)) * 0.5
		n.Scale[2*i], n.Scale[2*i+1] = scale, scale
		for j := range 4 {
			q := uint64(g.iq3xxs[points[2*j]]) | uint64(g.iq3xxs[points[2*j+1]])<<32
			le.PutUint64(n.Q[32*i+8*j:], g.signed(q, sevenSigns(word>>(7*j))))
		}
	}
}

// IQ3_S: d, then the lower eight bits of the points of four values, their ninth bits, eight signs for each eight values, and
// for each 32 values a scale s of four bits. A value is d·(2s+1)·grid, with the sign.

func splitIQ3_S(n *Numbers, src []byte) {
	b, g := (*[110]byte)(src), gridsOf()
	d := F16ToF32(le.Uint16(b[:]))
	for i := range 8 {
		scale := d * float32(1+2*(b[106+i/2]>>(i%2*4)&15))
		n.Scale[2*i], n.Scale[2*i+1] = scale, scale
		points, ninth := (*[8]byte)(b[2+8*i:]), uint32(b[66+i])
		for j := range 4 {
			q := uint64(g.iq3s[uint32(points[2*j])|ninth>>(2*j)&1<<8]) | uint64(g.iq3s[uint32(points[2*j+1])|ninth>>(2*j+1)&1<<8])<<32
			le.PutUint64(n.Q[32*i+8*j:], g.signed(q, b[74+4*i+j]))
		}
	}
}

// The formats of one bit have grids of −1, 0 and 1 for eight values, to which an eighth is added or from which it is taken,
// so that their integers are eight times the sum.

// IQ1_S: d, then the lower eight bits of the points, and for each 32 values a word of two bytes: the upper three bits of four
// points, a scale s of three bits, and the sign of the eighth. A value is d·(2s+1)·(grid ± ⅛).

func splitIQ1_S(n *Numbers, src []byte) {
	b, g := (*[50]byte)(src), gridsOf()
	d := F16ToF32(le.Uint16(b[:]))
	for i := range 8 {
		word := uint32(le.Uint16(b[34+2*i:]))
		scale := d * float32(2*(word>>12&7)+1) * 0.125
		n.Scale[2*i], n.Scale[2*i+1] = scale, scale
		for j := range 4 {
			p := uint32(b[2+4*i+j]) | word>>(3*j)&7<<8 | word>>15<<11
			le.PutUint64(n.Q[32*i+8*j:], g.iq1[p])
		}
	}
}

// IQ1_M: the lower eight bits of the points, for each the upper three bits and the sign of the eighth, and four words of two
// bytes with four scales s of three bits, each for 16 values, whose upper four bits are, the first lowest, d. A value is as
// in IQ1_S.

func splitIQ1_M(n *Numbers, src []byte) {
	b, g := (*[56]byte)(src), gridsOf()
	var half uint16
	for i := range 4 {
		half |= le.Uint16(b[48+2*i:]) >> 12 << (4 * i)
	}
	d := F16ToF32(half)
	for i := range n.Scale {
		s := le.Uint16(b[48+i/4*2:]) >> (i % 4 * 3) & 7
		n.Scale[i] = d * float32(2*s+1) * 0.125
	}
	for i := range 32 {
		high := uint32(b[32+i/2]) >> (i % 2 * 4) & 15
		le.PutUint64(n.Q[8*i:], g.iq1[uint32(b[i])|high<<8])
	}
}
