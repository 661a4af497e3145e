package quant

import "encoding/binary"

// What a K format stores is found in two steps: for each sub-block the scale, and the minimum, that fit its values best
// by least squares, then, once these are rounded to what the super-block holds, the numbers nearest to the values.
//
// The numbers that a scale gives and the scale that fits these numbers best depend on each other. So several scales are
// tried, those with which the largest value comes near the end of the range; for the numbers that each of them gives,
// the best scale is known in closed form, and so is its error. All values count the same: without knowing what the
// weights will be multiplied with, the sum of squares is what the product's error depends on.

// tiny is half of the smallest number that F16 holds: no smaller value is told from zero by any format.
const tiny = 0x1p-25

// huge is more than the largest value that a K format can hold, 65504·128·32, and its square is far from infinite.
const huge = 1e9

// largest returns the largest magnitude.
func largest(x []float32) (top float32) {
	for _, v := range x {
		if a := abs(v); a > top {
			top = a
		}
	}
	return top
}

// around returns n steps, a tenth apart, from more than most, which cuts off the ends of a sub-block's range, to less. Of
// equals the first, with the largest numbers, is taken. An odd number becomes even by the last once more.
func around(most float32, n int) []float32 {
	steps := make([]float32, n+n%2)
	for i := range steps {
		steps[i] = most + float32(0.1*float32(n/2-min(i, n-1)))
	}
	return steps
}

// negative returns the steps with the other sign.
func negative(steps []float32) []float32 {
	for i := range steps {
		steps[i] = -steps[i]
	}
	return steps
}

var (
	rangeQ4_K = Range{Most: 15, Steps: around(15, 21)}
	rangeQ5_K = Range{Most: 31, Steps: around(31, 17)}
	// Towards the end of the range that reaches one step farther below zero.
	rangeQ6_K = Range{Least: -32, Most: 31, Offset: 256, Steps: negative(around(32, 19))}
)

// quantizeQ4_K and its kin return false if the scale or the minimum overflows F16.
func quantizeQ4_K(s *super, dst []byte) bool {
	if !s.fitMinima(dst, &rangeQ4_K) {
		return false
	}
	packNibbles(dst[16:144], &s.q)
	return true
}

func quantizeQ5_K(s *super, dst []byte) bool {
	if !s.fitMinima(dst, &rangeQ5_K) {
		return false
	}
	packNibbles(dst[48:176], &s.q)
	for i := range 32 {
		// The product gathers the lowest bits of eight bytes in the highest byte.
		dst[16+i] = byte(le.Uint64(s.q[8*i:]) >> 4 & every(1) * 0x0102_0408_1020_4080 >> 56)
	}
	return true
}

// packNibbles stores the lower four bits of the numbers, two sub-blocks in 32 bytes.
func packNibbles(dst []byte, q *[superLen]byte) {
	dst = dst[:128]
	for i := range 32 {
		both := le.Uint64(q[8*i:]) & every(15)
		both |= both >> 4
		dst[i], dst[32+i], dst[64+i], dst[96+i] = byte(both), byte(both>>16), byte(both>>32), byte(both>>48)
	}
}

// fitMinima stores the first 16 bytes of a Q4_K or Q5_K super-block and finds its numbers.
func (s *super) fitMinima(dst []byte, r *Range) bool {
	const limit = 63
	g := &s.groups[0]
	s.Fit(&g.d, &g.m, g.x, s.work[:], r)
	d, ok := superScale(dst, largest(g.d[:]), limit)
	dmin, okMin := superScale(dst[2:], largest(g.m[:]), limit)
	if !ok || !okMin {
		return false
	}
	id, idmin := inverse(d), inverse(dmin)
	for j := range lanes {
		g.set(j, min(multiple(g.d[j], id), limit), d)
		g.setMin(j, min(multiple(g.m[j], idmin), limit), dmin)
	}
	// With the rounded scales other minima may be the best.
	s.bestMin(g, dmin, idmin, r.Most, limit)
	s.number(g, r.Most)
	for j := range lanes {
		putScales(dst[4:16], j, byte(g.s[j]), byte(g.min[j]))
	}
	return true
}

// superScale stores the F16 number that most/steps becomes, so large that most is still within steps of it: below 2⁻¹⁴
// rounding to nearest can be off by half. It returns its value, and false if it overflows.
func superScale(dst []byte, peak, steps float32) (float32, bool) {
	h := F32ToF16(peak / steps)
	if F16ToF32(h)*(steps+0.5) < peak {
		h++
	}
	binary.LittleEndian.PutUint16(dst, h)
	return F16ToF32(h), h&0x7c00 != 0x7c00
}

// putScales stores scale and minimum j of a super-block; see ScalesQ4K. The bytes are zero at first.
func putScales(b []byte, j int, s, m byte) {
	if j < 4 {
		b[j] |= s
		b[j+4] |= m
		return
	}
	b[j+4] = s&15 | m<<4
	b[j-4] |= s >> 4 << 6
	b[j] |= m >> 4 << 6
}

func quantizeQ6_K(s *super, dst []byte) bool {
	const limit = 128
	d, ok := s.fitSigned(dst[208:], &rangeQ6_K, limit)
	if !ok {
		return false
	}
	id := inverse(d)
	for i := range s.groups {
		g := &s.groups[i]
		for j := range lanes {
			g.set(j, min(max(round(float32(g.d[j]*id)), -limit), limit-1), d)
			dst[192+lanes*i+j] = byte(g.s[j])
		}
		s.NumberSigned(g.q, g.x, &g.inverse, &rangeQ6_K)
		for row := range 16 {
			q := le.Uint64(g.q[8*row:])
			low := uint32(q&every(15)) | uint32(q>>32&every(15))<<4
			for j := range 4 {
				dst[64*i+16*j+row] = byte(low >> (8 * j))
			}
			high := quarters(q >> 4)
			dst[128+32*i+row], dst[128+32*i+16+row] = byte(high), byte(high>>8)
		}
	}
	return true
}

// fitSigned finds the scales of a format without minima and stores that of the super-block, limit steps of which hold the
// farthest of them. The range of what is stored reaches one step farther below zero.
func (s *super) fitSigned(dst []byte, r *Range, limit float32) (d float32, ok bool) {
	var peak float32 // the one of the largest magnitude
	for i := range s.groups {
		g := &s.groups[i]
		s.FitSigned(&g.d, g.x, r)
		if p := peakOf(g.d[:]); abs(p) > abs(peak) {
			peak = p
		}
	}
	d, ok = superScale(dst, abs(peak), limit)
	if peak > 0 {
		d = -d
		dst[1] |= 0x80
	}
	return d, ok
}

// quarters joins the lowest two bits of bytes 0, 2, 4 and 6 in byte 0, those of the others in byte 1.
func quarters(q uint64) uint64 {
	q &= every(3)
	return q | q>>14 | q>>28 | q>>42
}
