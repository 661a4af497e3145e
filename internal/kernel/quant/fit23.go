package quant

// Of the formats of two and three bits scales are few bits, too, and coarse: so their neighbours are tried as well, each
// with the numbers that it gives.

var (
	rangeQ2_K = Range{Most: 3, Steps: around(3, 25)}
	rangeQ3_K = Range{Least: -4, Most: 3, Offset: 8, Steps: stepsQ3_K()}
)

// stepsQ3_K are 50 steps, a tenth apart: the farthest value is to become a number of about −4, or of about 3.
func stepsQ3_K() []float32 {
	var steps []float32
	for _, first := range []float32{-5.2, 2} {
		for i := range 25 {
			steps = append(steps, float32(0.1*float32(i))+first)
		}
	}
	return steps
}

// quantizeQ2_K is quantizeQ4_K for two bits.
func quantizeQ2_K(s *super, dst []byte) bool {
	const limit = 15
	var scale, minimum float32
	for i := range s.groups {
		g := &s.groups[i]
		s.Fit(&g.d, &g.m, g.x, s.work[:], &rangeQ2_K)
		scale, minimum = max(scale, largest(g.d[:])), max(minimum, largest(g.m[:]))
	}
	d, ok := superScale(dst[80:], scale, limit)
	dmin, okMin := superScale(dst[82:], minimum, limit)
	if !ok || !okMin {
		return false
	}
	for i := range s.groups {
		g := &s.groups[i]
		s.nearby(g, d, dmin, limit)
		for j := range lanes {
			dst[lanes*i+j] = byte(g.s[j] | g.min[j]<<4)
		}
		packPairs(dst[16+32*i:], g.q)
	}
	return true
}

// nearby replaces scales and minima, multiples of d and dmin up to limit, by those with the least errors among the scales'
// neighbours, and for each of these the neighbours of the minimum that is best for the numbers of the one that was fitted. It
// finds the numbers, of 0 to 3.
func (s *super) nearby(g *group, d, dmin float32, limit int32) {
	id, idmin := inverse(d), inverse(dmin)
	var best search
	for i := int32(-1); i <= 1; i++ {
		for j := range lanes {
			g.set(j, min(max(multiple(g.d[j], id)+i, 0), limit), d)
			g.setMin(j, min(multiple(g.m[j], idmin), limit), dmin)
		}
		s.bestMin(g, dmin, idmin, rangeQ2_K.Most, limit)
		middle := g.min
		for i := int32(-1); i <= 1; i++ {
			for j := range lanes {
				g.setMin(j, min(max(middle[j]+i, 0), limit), dmin)
			}
			s.number(g, rangeQ2_K.Most)
			best.try(s, g, 0)
		}
	}
	for j := range lanes {
		g.set(j, best.s[j], d)
		g.setMin(j, best.min[j], dmin)
	}
	s.number(g, rangeQ2_K.Most)
}

// search keeps the scales and minima with the least errors, of equals the first.
type search struct {
	tried  bool
	least  Lanes
	s, min [lanes]int32
}

func (b *search) try(s *super, g *group, zero float32) {
	s.Error(&g.e, g.q, g.x, &g.step, &g.low, zero)
	for j, e := range g.e {
		if !b.tried || e < b.least[j] {
			b.least[j], b.s[j], b.min[j] = e, g.s[j], g.min[j]
		}
	}
	b.tried = true
}

// packPairs stores the lower two bits of a group's numbers, those 32 apart in one byte.
func packPairs(dst, q []byte) {
	for row := range 16 {
		both := quarters(le.Uint64(q[8*row:]))
		dst[row], dst[16+row] = byte(both), byte(both>>8)
	}
}

// quantizeQ3_K is quantizeQ6_K for three bits.
func quantizeQ3_K(s *super, dst []byte) bool {
	const limit = 32
	d, ok := s.fitSigned(dst[108:], &rangeQ3_K, limit)
	if !ok {
		return false
	}
	for i := range s.groups {
		g := &s.groups[i]
		s.nearbySigned(g, d, limit)
		for j := range lanes {
			n, scale := lanes*i+j, g.s[j]+limit
			dst[96+n%8] |= byte(scale&15) << (n / 8 * 4)
			dst[104+n%4] |= byte(scale>>4) << (n / 4 * 2)
		}
		packPairs(dst[32+32*i:], g.q)
		for row := range 16 {
			// The third bits of sub-blocks 0, 2, 4 and 6 are joined in byte 0, those of the others in byte 1.
			third := le.Uint64(g.q[8*row:]) >> 2 & every(1)
			third |= third>>15 | third>>30 | third>>45
			dst[row] |= byte(third&15) << (4 * i)
			dst[16+row] |= byte(third>>8&15) << (4 * i)
		}
	}
	return true
}

// nearbySigned replaces scales, multiples of d from −limit to limit−1, by those with the least errors among their
// neighbours, and finds the numbers.
func (s *super) nearbySigned(g *group, d float32, limit int32) {
	id := inverse(d)
	clear(g.low[:])
	var best search
	for i := int32(-1); i <= 1; i++ {
		for j := range lanes {
			middle := min(max(round(float32(g.d[j]*id)), -limit), limit-1)
			g.set(j, min(max(middle+i, -limit), limit-1), d)
		}
		s.NumberSigned(g.q, g.x, &g.inverse, &rangeQ3_K)
		best.try(s, g, -rangeQ3_K.Least)
	}
	for j := range lanes {
		g.set(j, best.s[j], d)
	}
	s.NumberSigned(g.q, g.x, &g.inverse, &rangeQ3_K)
}
