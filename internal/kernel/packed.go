package kernel

import (
	"fmt"
	"slices"
	"sync"
)

// packed are panels and the kernels that multiply by them, whatever tier is in use later.
type packed struct {
	*panels
	tier    *packKernels
	kernels *integerKernels
	exact   weights // what rows are read from
	from    int     // from how many rows of activations on products go by kernels.many; never: there is no such way
}

// newPacked returns p with the kernels for its layout and the choice for them that is in use now.
func newPacked(p *panels, k *packKernels, kernels *integerKernels, exact weights) *packed {
	return &packed{panels: p, tier: k, kernels: kernels, exact: exact, from: k.from(p.arithmetic)}
}

func (p *packed) row(dst []float32, n int) { p.exact.row(dst, n) }

func (p *packed) product(dst, x []float32, add bool) { p.exact.product(dst, x, add) }

func (*packed) pack(*packKernels, *Slab) *packed { return nil }

func (*packed) integer() bool { return true }

func (p *packed) raw() []byte { return p.exact.raw() }

// way is how a product of activations with packed weights goes. All ways give the same bits.
type way interface {
	// roundedRows is how many rows of activations there has to be memory for, for m of them.
	roundedRows(m int) int
	// round rounds row i of activations x [m, K] into r, in the order in which mul reads them.
	round(r *rounded, x []float32, i, m int, p *packed)
	// pieces is how many pieces of about the same work a product of m rows with p has.
	pieces(p *packed, m int) int
	// mul computes the pieces [lo, hi).
	mul(l *packedLoop, lo, hi int)
}

// manyWay is a way of many rows of activations, and what it is called.
type manyWay interface {
	way
	fmt.Stringer
	// from is from how many rows of activations on it is taken where that has not been measured.
	from() int
}

// way is how products of m rows go.
func (p *packed) way(m int) way {
	if m >= p.from {
		return p.kernels.many
	}
	return few{}
}

// rounded is activations [m, K] rounded to integers, as the kernels read them: in blocks of the layout's unit.
type rounded struct {
	q      []int16   // [m, K], or as many pairs of bytes, or see digitTiles
	scales []float32 // [m, K/32, 2]: scale and scale·sum of 32; of c8 see channelTiles
}

// expanded is memory for the scales and minima of one panel as float32, each [K/sub, rows], and for its products; or for
// those of the panels of a wide tile, and their weights. Of K formats the scales are those of superHalf columns.
type expanded struct {
	scale, minima, products []float32
	weights                 []int16   // or as many pairs of bytes
	sums                    []int32   // of tile units
	wide                    []float64 // sums of channelTiles
}

func (e *expanded) part(n int) []float32 {
	e.products = slices.Grow(e.products[:0], n)[:n]
	return e.products
}

var (
	roundings  = sync.Pool{New: func() any { return new(rounded) }}
	expansions = sync.Pool{New: func() any { return new(expanded) }}
)

func (p *packed) enter(r *region, dst, x []float32, m int) { r.integers(dst, x, p, m) }

type packedLoop struct {
	dst  []float32
	x    *rounded
	p    *packed
	way  way
	m    int
	next *packed // what is multiplied after p; nil: nothing
}

// ahead is what is to be fetched before some panels from that one on are multiplied, at most k columns from column at on. Those after
// the last are the first of the next product.
func (l *packedLoop) ahead(panel, panels, at, k int) fetching {
	p := l.p
	if panel >= p.count {
		if l.next == nil {
			return fetching{p: p}
		}
		p, panel, at = l.next, 0, 0
	}
	return fetching{p: p, panel: panel, last: min(panel+panels, p.count), at: at, k: min(k, p.k-at)}
}

// Range computes the pieces [lo, hi).
func (l *packedLoop) Range(lo, hi int) { l.way.mul(l, lo, hi) }

type roundLoop struct {
	r   *rounded
	x   []float32
	m   int
	p   *packed
	way way
}

// Range rounds the rows [lo, hi).
func (l *roundLoop) Range(lo, hi int) {
	for i := lo; i < hi; i++ {
		l.way.round(l.r, l.x, i, l.m, l.p)
	}
}

// put rounds x, some columns of a row, to the integers from to on.
func (r *rounded) put(to int, x []float32, p *packed) {
	end := to + len(x)
	p.scaling.round(p.tier, r.q[to:end], r.scales[to/16:end/16], x)
}

// expand widens the scales of a panel from column at on, the beginning of a block of the type, for as many columns as
// scale has room for with one for each sub-block, and the minima if there are any. Of K formats the scales are those of
// superHalf columns, the first of scale. It returns what the kernels are to take for minima.
func (p *packed) expand(scale, minima []float32, panel, at int) *float32 {
	values := p.k / p.blocks // of a block
	subs := values / p.sub
	from := (panel*p.blocks + at/values) * 2 * p.rows
	s := panelScales{scale: p.scale[from:], blocks: len(scale) / p.rows / subs, subs: subs, rows: p.rows}
	if len(p.min) > 0 {
		s.min = p.min[from:]
	}
	if len(p.subMin) > 0 {
		s.subMin = p.subMin[(panel*(p.k/p.sub)+at/p.sub)*p.rows:]
	}
	return p.scaling.expand(p.tier, scale, minima, s)
}
