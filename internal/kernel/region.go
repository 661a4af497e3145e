package kernel

import (
	"slices"
	"sync"

	"jamba/internal/kernel/par"
)

// region is products that do not depend on each other, computed as one list of tasks over all cores: their activations are
// rounded first, those that several have in common once, then come the panels of all of them.
type region struct {
	rounds []roundLoop
	packed []packedLoop
	floats []matMulLoop
	list   par.List
}

var regions = sync.Pool{New: func() any { return new(region) }}

// Grains in multiply-adds with 8-bit weights: a thread is worth waking for some ten thousand.
const (
	productGrain = 1 << 16
	roundGrain   = 1 << 15 // in values
	floatCost    = 4       // of a multiply-add in float32
	readCost     = 3       // of reading a weight
)

// integers adds dst = x·wᵀ with packed weights.
func (r *region) integers(dst, x []float32, p *packed, m int) {
	way := p.way(m)
	if n := len(r.packed); n > 0 {
		r.packed[n-1].next = p
	}
	r.packed = append(r.packed, packedLoop{dst: dst, x: r.rounded(x, m, p, way), p: p, way: way, m: m})
}

// rounded returns memory in which the region leaves x [m, K] as the kernels of p read it. Products of the same x, next to
// each other, share it.
func (r *region) rounded(x []float32, m int, p *packed, way way) *rounded {
	if n := len(r.rounds); n > 0 {
		last := &r.rounds[n-1]
		if q := last.p; &last.x[0] == &x[0] && last.m == m && last.way == way && q.k == p.k && q.layout == p.layout && q.tier == p.tier {
			return last.r
		}
	}
	to := roundings.Get().(*rounded)
	to.grow(way.roundedRows(m), p)
	r.rounds = append(r.rounds, roundLoop{to, x, m, p, way})
	return to
}

// floating adds dst = x·wᵀ in float32.
func (r *region) floating(dst, x []float32, w floatWeights, m int) {
	n, _ := w.shape()
	r.floats = append(r.floats, matMulLoop{dst, x, w, m, n})
}

// run computes the products.
func (r *region) run() {
	for i := range r.rounds {
		l := &r.rounds[i]
		r.list.Add(l.m, l.p.k, l)
	}
	r.list.Run(roundGrain)
	for i := range r.packed {
		l := &r.packed[i]
		n := l.way.pieces(l.p, l.m)
		r.list.Add(n, (l.p.count*l.p.rows*l.p.k*(l.m+readCost)+n-1)/n, l)
	}
	for i := range r.floats {
		l := &r.floats[i]
		_, k := l.w.shape()
		n := l.pieces()
		r.list.Add(n, (l.panels()*active.panel*k*(l.m+readCost)*floatCost+n-1)/n, l)
	}
	r.list.Run(productGrain)
}

// free gives r back, which then holds on to nothing.
func (r *region) free() {
	for i := range r.rounds {
		roundings.Put(r.rounds[i].r)
	}
	clear(r.rounds)
	clear(r.packed)
	clear(r.floats)
	r.rounds, r.packed, r.floats = r.rounds[:0], r.packed[:0], r.floats[:0]
	regions.Put(r)
}

// grow makes room for that many rows of activations for products with p.
func (r *rounded) grow(rows int, p *packed) {
	scales, integers := rows*p.k/16, rows*p.kernels.few.rowSize(p.k)
	r.scales = slices.Grow(r.scales[:0], scales)[:scales]
	r.q = slices.Grow(r.q[:0], integers)[:integers]
}
