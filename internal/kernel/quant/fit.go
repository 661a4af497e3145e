package quant

import (
	"encoding/binary"
	"slices"
)

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
		top = max(top, abs(v))
	}
	return top
}

// quantizeQ4_K and its kin return false if the scale or the minimum overflows F16.
func quantizeQ4_K(dst []byte, x *[superLen]float32) bool {
	var q [superLen]byte
	if ok := fitSuper(dst, &q, x, 15, 21); !ok {
		return false
	}
	packNibbles(dst[16:144], &q)
	return true
}

func quantizeQ5_K(dst []byte, x *[superLen]float32) bool {
	var q [superLen]byte
	if ok := fitSuper(dst, &q, x, 31, 17); !ok {
		return false
	}
	packNibbles(dst[48:176], &q)
	high := dst[16:48]
	clear(high)
	for i, v := range q {
		high[i%32] |= v >> 4 << (i / 32)
	}
	return true
}

// packNibbles stores the lower four bits of the numbers, two sub-blocks in 32 bytes.
func packNibbles(dst []byte, q *[superLen]byte) {
	for i := range dst {
		at := i/32*64 + i%32
		dst[i] = q[at]&15 | q[at+32]<<4
	}
}

// fitSuper stores the first 16 bytes of a Q4_K or Q5_K super-block, and in q its numbers of 0 to top. tries is how many
// scales are tried.
func fitSuper(dst []byte, q *[superLen]byte, x *[superLen]float32, top int32, tries int) bool {
	clear(dst[:16])
	switch peak := largest(x[:]); {
	case peak <= tiny:
		return true // all zero: scales, minima and numbers
	case peak > huge:
		return false
	}
	var scale, minimum [8]float32
	for j := range scale {
		scale[j], minimum[j] = fit(x[32*j:32*j+32], top, tries)
	}
	d, ok := superScale(dst, largest(scale[:]), 63)
	dmin, okMin := superScale(dst[2:], largest(minimum[:]), 63)
	if !ok || !okMin {
		return false
	}
	id, idmin := inverse(d), inverse(dmin)
	for j := range scale {
		sub, numbers := x[32*j:32*j+32], q[32*j:32*j+32]
		s := min(int32(float32(scale[j]*id)+0.5), 63)
		m := min(int32(float32(minimum[j]*idmin)+0.5), 63)
		step := d * float32(s)
		// With the rounded scale another minimum may be the best.
		m = bestMin(numbers, sub, step, dmin, idmin, m, top, 63)
		number(numbers, sub, step, dmin*float32(m), top)
		putScales(dst[4:16], j, byte(s), byte(m))
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

// fit returns the scale d and the minimum m, neither of them negative, that make d·q − m with whole q of 0 to top fit x.
func fit(x []float32, top int32, tries int) (d, m float32) {
	lo, hi := slices.Min(x), slices.Max(x)
	lo = min(lo, 0)
	width := hi - lo
	if width <= tiny {
		return 0, -lo // all the same, or all zero
	}
	var sum float32
	for _, v := range x {
		sum += v - lo
	}
	best := float32(0)
	for i := range tries {
		// From a step more than the range holds, which cuts off the ends, to a step less. Of equals the first, with the
		// largest numbers, is taken.
		id := (float32(top) + float32(0.1*float32(tries/2-i))) / width
		var sq, sqq int32
		var suq float32
		for _, v := range x {
			u := v - lo
			n := min(int32(float32(u*id)+0.5), top)
			sq += n
			sqq += n * n
			suq += float32(u * float32(n))
		}
		step, minimum, e := solve(int32(len(x)), lo, sum, suq, sq, sqq)
		if i == 0 || e < best {
			best, d, m = e, step, minimum
		}
	}
	return d, m
}

// solve returns the d and m, not negative, with the least error of d·q − m for n values u + lo, from the sums of u, u·q,
// q and q², and that error less the sum of u². The values are taken from lo on, since those that differ by little would
// cancel.
func solve(n int32, lo, su, suq float32, sq, sqq int32) (d, m, e float32) {
	count := float32(n)
	// Integers up to 32·32·31² < 2²⁴ are exact.
	if det := float32(n*sqq - sq*sq); det > 0 {
		d = (float32(count*suq) - float32(su*float32(sq))) / det
		minimum := (float32(d*float32(sq)) - su) / count // for u
		if m = minimum - lo; m > 0 && d > 0 {
			// At the least error its derivatives are zero, and so this is what remains of it.
			return d, m, float32(minimum*su) - float32(d*suq)
		}
	}
	// No minimum: u + lo is to be d·q.
	sxq := suq + float32(lo*float32(sq))
	if d = 0; sqq > 0 {
		d = max(sxq/float32(sqq), 0)
	}
	return d, 0, float32(lo*(2*su+float32(count*lo))) + float32(d*float32(float32(d*float32(sqq))-2*sxq))
}

// bestMin returns the multiple of dmin, at most limit, to subtract from multiples of step for the numbers that m gives.
func bestMin(q []byte, x []float32, step, dmin, idmin float32, m, top, limit int32) int32 {
	number(q, x, step, dmin*float32(m), top)
	var sx float32
	var sq int32
	for i, v := range x {
		sx += v
		sq += int32(q[i])
	}
	minimum := (float32(step*float32(sq)) - sx) / float32(len(x))
	return min(int32(max(float32(minimum*idmin), 0)+0.5), limit)
}

// number stores the numbers of 0 to top for which step·q − minimum is nearest to x.
func number(q []byte, x []float32, step, minimum float32, top int32) {
	id := inverse(step)
	for i, v := range x {
		q[i] = byte(min(int32(max(float32((v+minimum)*id), 0)+0.5), top))
	}
}

func quantizeQ6_K(dst []byte, x *[superLen]float32) bool {
	clear(dst[:210])
	switch peak := largest(x[:]); {
	case peak <= tiny:
		return true
	case peak > huge:
		return false
	}
	var scale [16]float32
	var peak float32 // the one of the largest magnitude
	for j := range scale {
		scale[j] = fitSigned((*[16]float32)(x[16*j:]))
		if abs(scale[j]) > abs(peak) {
			peak = scale[j]
		}
	}
	// The range of a signed byte reaches one step farther below zero: the super-block's scale has the other sign.
	d, ok := superScale(dst[208:], abs(peak), 128)
	if !ok {
		return false
	}
	if peak > 0 {
		d = -d
		dst[209] |= 0x80
	}
	id := inverse(d)
	var q [superLen]byte
	for j, v := range scale {
		s := min(max(round(float32(v*id)), -128), 127)
		dst[192+j] = byte(s)
		istep := inverse(d * float32(s))
		for i, v := range x[16*j : 16*j+16] {
			q[16*j+i] = byte(signed(v, istep) + 32)
		}
	}
	for half := range 2 {
		low, high, q := dst[64*half:64*half+64], dst[128+32*half:160+32*half], q[128*half:128*half+128]
		for i := range low {
			low[i] = q[i]&15 | q[i+64]<<4
		}
		for i := range high {
			high[i] = q[i]>>4 | q[i+32]>>4<<2 | q[i+64]>>4<<4 | q[i+96]>>4<<6
		}
	}
	return true
}

// signed returns the number of Q6_K, -32 to 31, that is nearest to v·id, which is not far from that range.
func signed(v, id float32) int32 {
	// The offset makes the conversion, which goes towards zero, one to the nearest.
	const offset = 1 << 8
	return min(max(int32(float32(v*id)+(offset+0.5))-offset, -32), 31)
}

// fitSigned returns the scale d that makes d·q with whole q of −32 to 31 fit x.
func fitSigned(x *[16]float32) (d float32) {
	peak := peakOf(x[:])
	if abs(peak) <= tiny {
		return 0
	}
	best := float32(-1)
	for i := range 19 {
		id := (float32(0.1*float32(i-9)) - 32) / peak
		var sqq int32
		var sxq float32
		for _, v := range x {
			q := signed(v, id)
			sqq += q * q
			sxq += float32(v * float32(q))
		}
		best, d = better(best, d, sxq, sqq)
	}
	return d
}

// peakOf returns the value of the largest magnitude, 0 of none.
func peakOf(x []float32) (peak float32) {
	var top float32
	for _, v := range x {
		if a := abs(v); a > top {
			top, peak = a, v
		}
	}
	return peak
}

// better returns the scale that fits x best with numbers q, given the sums of x·q and q², and its gain if that is more than
// best: the least error is the sum of x² less the gain. Otherwise it returns best and d.
func better(best, d, sxq float32, sqq int32) (float32, float32) {
	if sqq > 0 {
		if gain := float32(sxq*sxq) / float32(sqq); gain > best {
			return gain, sxq / float32(sqq)
		}
	}
	return best, d
}
