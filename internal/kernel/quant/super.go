package quant

import (
	"math"
	"sync"
)

// super is where a super-block is rounded.
type super struct {
	*Loops
	groups  []group
	x, work [superLen]float32
	q       [superLen]byte
	memory  [superLen / 16 / lanes]group
}

// group is eight sub-blocks of a super-block.
type group struct {
	x []float32 // their values, interleaved
	q []byte    // their numbers
	// d and m are the scales and minima that fit x best; s and min are what is stored for them, multiples of a
	// scale of the super-block's, and step and low what these stand for.
	d, m      Lanes
	s, min    [lanes]int32
	step, low Lanes
	inverse   Lanes // of step
	sums      Sums
	e         Lanes // their errors
}

var allSupers = sync.Pool{New: func() any { return new(super) }}

// supers returns the function that calls quantize for each super-block of a K format with sub-blocks of that many values.
// dst holds zeros. quantize returns false if the super-block's scale or minimum overflows F16.
func supers(sub int, quantize func(s *super, dst []byte) bool) func(l *Loops, dst []byte, src []float32) error {
	return func(l *Loops, dst []byte, src []float32) error {
		n := len(src) / superLen
		if n == 0 {
			return nil
		}
		s := allSupers.Get().(*super)
		defer allSupers.Put(s)
		s.prepare(l, sub)
		clear(dst)
		size := len(dst) / n
		for i := range n {
			x := src[i*superLen : (i+1)*superLen]
			peak := math.Float32frombits(l.Peak(x))
			if !finite(peak) {
				return notFinite(x, i*superLen)
			}
			if peak <= tiny {
				continue // all zero: scales, minima and numbers
			}
			for g := range s.groups {
				at := g * lanes * sub
				l.Interleave(s.groups[g].x, x[at:at+lanes*sub])
			}
			if peak > huge || !quantize(s, dst[i*size:(i+1)*size]) {
				return overflows(i*superLen, superLen)
			}
		}
		return nil
	}
}

func (s *super) prepare(l *Loops, sub int) {
	s.Loops, s.groups = l, s.memory[:superLen/(lanes*sub)]
	for g := range s.groups {
		from, to := g*lanes*sub, (g+1)*lanes*sub
		s.groups[g].x, s.groups[g].q = s.x[from:to], s.q[from:to]
	}
}

// set sets what the stored scale of sub-block j, a multiple of d, stands for.
func (g *group) set(j int, s int32, d float32) {
	g.s[j], g.step[j] = s, d*float32(s)
	g.inverse[j] = inverse(g.step[j])
}

// setMin is set for the minimum, a multiple of dmin.
func (g *group) setMin(j int, m int32, dmin float32) { g.min[j], g.low[j] = m, dmin*float32(m) }

// number finds the numbers of 0 to most for the steps and minima of g.
func (s *super) number(g *group, most float32) {
	s.Number(g.q, &g.sums, g.x, &g.low, &g.inverse, most)
}

// bestMin replaces the minima by the multiples of dmin, at most limit, that are best for the numbers they give.
func (s *super) bestMin(g *group, dmin, idmin, most float32, limit int32) {
	s.number(g, most)
	n := float32(len(g.x) / lanes)
	for j := range lanes {
		m := (float32(g.step[j]*float32(g.sums.Q[j])) - g.sums.X[j]) / n
		g.setMin(j, min(multiple(max(m, 0), idmin), limit), dmin)
	}
}

// multiple returns what is nearest to x of the multiples of a number with the inverse id, none of them negative.
func multiple(x, id float32) int32 { return int32(float32(x*id) + 0.5) }
