package quant

import "math"

// lanes is how many sub-blocks of a super-block are fitted side by side.
const lanes = 8

// Lanes are a number for each of eight sub-blocks.
type Lanes [lanes]float32

// Sums are those of the values and of the numbers of each of eight sub-blocks.
type Sums struct {
	X Lanes
	Q [lanes]int32
}

// Range is what numbers a format has, and what is tried to fit values with them.
type Range struct {
	Least, Most float32
	// Offset is added to numbers below zero, so that a conversion, which goes towards zero, becomes one to the nearest.
	Offset float32
	// Steps are how many steps long a sub-block's range of values, or its farthest value, is made: an even number of tries.
	Steps []float32
}

// Loops are those in which rounding to the K formats spends its time. They work on eight sub-blocks at a time, whose
// values lie interleaved: x[8·i+j] is value i of sub-block j. No lane depends on another, each adds its values in
// ascending order and rounds each product before it is added, so that vectors of eight have the bits of plain Go.
// Values are finite.
type Loops struct {
	// Peak returns the bits of the largest magnitude in x, whose length is a multiple of 8. Magnitudes are in the order of
	// their bits, with infinity and then NaN at the end.
	Peak func(x []float32) uint32
	// Interleave stores eight sub-blocks, of a multiple of 8 values, that follow each other in src.
	Interleave func(dst, src []float32)
	// Fit finds the scales d and the minima m, neither of them negative, that make d·q − m with numbers q of r fit x best.
	// It overwrites as many values of work as x has.
	Fit func(d, m *Lanes, x, work []float32, r *Range)
	// Number stores the numbers q of 0 to most nearest to (x + low)·inverse, and sums.
	Number func(q []byte, sums *Sums, x []float32, low, inverse *Lanes, most float32)
	// FitSigned finds the scales d that make d·q with numbers q of r fit x best.
	FitSigned func(d *Lanes, x []float32, r *Range)
	// NumberSigned stores how far the numbers of r nearest to x·inverse are above the least of them.
	NumberSigned func(q []byte, x []float32, inverse *Lanes, r *Range)
	// Error finds the sums of the squares of (q − zero)·step − low − x.
	Error func(e *Lanes, q []byte, x []float32, step, low *Lanes, zero float32)
}

// plain are the loops in plain Go, which say what others compute.
var plain = Loops{peakBits, interleave, fitLanes, numberLanes, fitSignedLanes, numberSignedLanes, errorLanes}

// longest is the length of the longest sub-block.
const longest = 32

func peakBits(x []float32) (top uint32) {
	for _, v := range x {
		top = max(top, math.Float32bits(v)&^(1<<31))
	}
	return top
}

func interleave(dst, src []float32) {
	n := len(src) / lanes
	for j := range lanes {
		for i, v := range src[j*n : (j+1)*n] {
			dst[lanes*i+j] = v
		}
	}
}

// lane copies the values of sub-block j.
func lane(dst *[longest]float32, x []float32, j int) []float32 {
	y := dst[:len(x)/lanes]
	for i := range y {
		y[i] = x[lanes*i+j]
	}
	return y
}

func fitLanes(d, m *Lanes, x, _ []float32, r *Range) {
	var values [longest]float32
	for j := range lanes {
		d[j], m[j] = fit(lane(&values, x, j), r)
	}
}

// fit returns the scale and the minimum for x, which it overwrites.
func fit(x []float32, r *Range) (d, m float32) {
	lo, hi := float32(0), x[0]
	for _, v := range x {
		if v < lo {
			lo = v
		}
		if v > hi {
			hi = v
		}
	}
	width := hi - lo
	if width <= tiny {
		return 0, -lo // all the same, or all zero
	}
	var sum float32
	for i, v := range x {
		x[i] = v - lo
		sum += x[i]
	}
	best, top := float32(math.MaxFloat32), int32(r.Most)
	for _, steps := range r.Steps {
		id := steps / width
		var sq, sqq int32
		var suq float32
		for _, u := range x {
			n := min(int32(float32(u*id)+0.5), top)
			sq += n
			sqq += n * n
			suq += float32(u * float32(n))
		}
		if step, minimum, e := solve(int32(len(x)), lo, sum, suq, sq, sqq); e < best {
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

func numberLanes(q []byte, sums *Sums, x []float32, low, inverse *Lanes, most float32) {
	*sums = Sums{}
	top := int32(most)
	for ; len(x) >= lanes && len(q) >= lanes; x, q = x[lanes:], q[lanes:] {
		for j, v := range (*Lanes)(x) {
			p := float32((v + low[j]) * inverse[j])
			if p < 0 {
				p = 0
			}
			n := min(int32(p+0.5), top)
			q[j] = byte(n)
			sums.X[j] += v
			sums.Q[j] += n
		}
	}
}

func fitSignedLanes(d *Lanes, x []float32, r *Range) {
	var values [longest]float32
	for j := range lanes {
		d[j] = fitSigned(lane(&values, x, j), r)
	}
}

// fitSigned returns the scale for x.
func fitSigned(x []float32, r *Range) (d float32) {
	peak := peakOf(x)
	if abs(peak) <= tiny {
		return 0
	}
	best, rounding := float32(-1), r.Offset+0.5
	least, most, offset := int32(r.Least), int32(r.Most), int32(r.Offset)
	for _, steps := range r.Steps {
		id := steps / peak
		var sqq int32
		var sxq float32
		for _, v := range x {
			n := min(max(int32(float32(v*id)+rounding)-offset, least), most)
			sqq += n * n
			sxq += float32(v * float32(n))
		}
		if sqq == 0 {
			continue
		}
		// The least error is the sum of x² less the gain.
		if gain := float32(sxq*sxq) / float32(sqq); gain > best {
			best, d = gain, sxq/float32(sqq)
		}
	}
	return d
}

// peakOf returns the first value of the largest magnitude.
func peakOf(x []float32) (peak float32) {
	var top float32
	for _, v := range x {
		if a := abs(v); a > top {
			top, peak = a, v
		}
	}
	return peak
}

func numberSignedLanes(q []byte, x []float32, inverse *Lanes, r *Range) {
	rounding, zero := r.Offset+0.5, int32(r.Offset)+int32(r.Least)
	for ; len(x) >= lanes && len(q) >= lanes; x, q = x[lanes:], q[lanes:] {
		for j, v := range (*Lanes)(x) {
			p := float32(v * inverse[j])
			// What is far from all numbers is cut off first: a conversion would overflow.
			if p < r.Least {
				p = r.Least
			}
			if p > r.Most {
				p = r.Most
			}
			q[j] = byte(int32(p+rounding) - zero)
		}
	}
}

func errorLanes(e *Lanes, q []byte, x []float32, step, low *Lanes, zero float32) {
	*e = Lanes{}
	for ; len(x) >= lanes && len(q) >= lanes; x, q = x[lanes:], q[lanes:] {
		for j, v := range (*Lanes)(x) {
			off := float32(step[j]*(float32(q[j])-zero)) - low[j] - v
			e[j] += float32(off * off)
		}
	}
}
