package kernel

import (
	"slices"
	"sync"
)

// rounded is activations [m, K] rounded to blocks of 32 integers, or of 128 for K formats, as the integer kernels read
// them.
type rounded struct {
	q      []int16   // [m, K]
	scales []float32 // [m, K/32, 2]: scale and scale·sum of 32; both are in the order of wideAt for wide kernels
}

// expanded is memory for the scales and minima of one panel as float32, each [K/sub, rows], and for its products; or for
// those of the panels of a wide tile, and their weights. Of K formats the scales are those of superHalf columns.
type expanded struct {
	scale, least, products []float32
	weights                []int16
}

func (e *expanded) part(n int) []float32 {
	e.products = slices.Grow(e.products[:0], n)[:n]
	return e.products
}

var (
	roundings  = sync.Pool{New: func() any { return new(rounded) }}
	expansions = sync.Pool{New: func() any { return new(expanded) }}
)

// packKernels are the kernels of packed matrices.
type packKernels struct {
	rows int // of weights that lie side by side in a panel
	// The tiles from one row of activations on, by the weights: 8 bits with a scale for 32 columns, or with a minimum, too;
	// 4 bits with both; K formats of 4, 5 and 6 bits.
	i8, i8m, i4 []packedTile
	k4, k5, k6  []superTile
	// wide are the kernels for many rows of activations; nil: there are none.
	wide *wideKernels
	// round rounds blocks of 32 activations.
	round func(q *int16, xs *float32, x *float32, blocks int)
	// roundK rounds blocks of superHalf activations to integers of at most limit.
	roundK func(q *int16, xs *float32, x *float32, limit float32, blocks int)
	// widen widens n times rows fp16 numbers.
	widen func(dst *float32, src *byte, n int)
	// scalesK multiplies, for each super-block, rows fp16 numbers d with count times rows signed bytes c.
	scalesK func(dst *float32, d, c *byte, count, supers int)
}

// superHalf, half a super-block, is how many columns of a K format the sum of whole products goes over, and a scale of
// activations.
const superHalf = 128

// limit is the largest integer that activations become, such that a sum of products is an int32: superHalf products of
// it, of weights of 4, 5 or 6 bits and of scales of six bits, or of eight in Q6_K.
func (p *packed) limit() float32 {
	switch {
	case p.bits == 4:
		return 1<<14 - 1
	case p.kind == scaleK:
		return 1<<13 - 1
	}
	return 1<<12 - 1
}

// super reports whether the weights are of a K format.
func (p *packed) super() bool { return p.kind == scaleK || p.kind == scaleK6 }

// maxPackRows is the most that rows can be.
const maxPackRows = 16

type packedTile = func(dst *float32, ldd int, x *int16, ldx int, xs *float32, ldxs int, w *byte, ws, wm *float32, blocks int)

// superTile is a packedTile of a K format, with bytes sc that scale its sub-blocks and floats ws that scale its blocks of
// superHalf columns.
type superTile = func(dst *float32, ldd int, x *int16, ldx int, xs *float32, ldxs int, w, sc *byte, ws, wm *float32, blocks int)

// rowBlock is how many rows of activations pass a panel before the next: they fit the second cache.
const rowBlock = 96

// mulPacked is MatMul with a packed matrix.
func mulPacked(dst, x []float32, w *Matrix) {
	p, m := w.packed, len(x)/w.K
	r := roundings.Get().(*rounded)
	defer roundings.Put(r)
	r.round(x, m, w.K, p)
	packedLoops.run(p.panels, 1+(1<<16)/(p.kernels.rows*w.K*max(1, m)), packedLoop{dst, r, w, m})
}

type packedLoop struct {
	dst []float32
	x   *rounded
	w   *Matrix
	m   int
}

var packedLoops loops[packedLoop, *packedLoop]

// Range multiplies with the panels [lo, hi).
func (l *packedLoop) Range(lo, hi int) {
	if l.w.packed.many(l.m) {
		l.wide(lo, hi)
	} else {
		l.narrow(lo, hi)
	}
}

// narrow multiplies with the panels [lo, hi), one at a time.
func (l *packedLoop) narrow(lo, hi int) {
	w, p := l.w, l.w.packed
	rows := p.kernels.rows
	e := expansions.Get().(*expanded)
	defer expansions.Put(e)
	for first := 0; first < l.m; first += rowBlock {
		end := min(first+rowBlock, l.m)
		for panel := lo; panel < hi; panel++ {
			scale, least := p.expand(e, panel, w.K)
			if (panel+1)*rows <= w.N {
				p.tiles(l.dst[first*w.N+panel*rows:], w.N, l.x, first, end, panel, w.K, scale, least)
				continue
			}
			// The last panel may have more rows than dst has columns.
			part := e.part(rowBlock * rows)
			p.tiles(part, rows, l.x, first, end, panel, w.K, scale, least)
			for i := first; i < end; i++ {
				copy(l.dst[i*w.N+panel*rows:(i+1)*w.N], part[(i-first)*rows:])
			}
		}
	}
}

// tiles computes the rows [first, end) of one panel.
func (p *packed) tiles(dst []float32, ldd int, r *rounded, first, end, panel, k int, scale []float32, least *float32) {
	size := p.quantBytes(k)
	quants := p.quants[panel*size : (panel+1)*size]
	if p.super() {
		p.superTiles(dst, ldd, r, first, end, panel, k, quants, scale, least)
		return
	}
	tiles := p.kernels.i8
	switch {
	case p.bits == 4:
		tiles = p.kernels.i4
	case least != nil:
		tiles = p.kernels.i8m
	}
	for i := first; i < end; i += len(tiles) {
		out, xs := dst[(i-first)*ldd:], r.scales[i*k/16:]
		tiles[min(len(tiles), end-i)-1](&out[0], ldd, &r.q[i*k], 2*k, &xs[0], k/16, &quants[0], &scale[0], least, k/32)
	}
}

// superTiles is tiles for a K format.
func (p *packed) superTiles(dst []float32, ldd int, r *rounded, first, end, panel, k int, quants []byte, scale []float32, least *float32) {
	tiles := p.kernels.k6
	switch {
	case p.bits == 4:
		tiles = p.kernels.k4
	case p.kind == scaleK:
		tiles = p.kernels.k5
	}
	size := len(p.sc) / p.panels
	sc := p.sc[panel*size : (panel+1)*size]
	for i := first; i < end; i += len(tiles) {
		out, xs := dst[(i-first)*ldd:], r.scales[i*k/16:]
		tiles[min(len(tiles), end-i)-1](&out[0], ldd, &r.q[i*k], 2*k, &xs[0], k/16, &quants[0], &sc[0], &scale[0], least, k/superHalf)
	}
}

// round rounds x [m, k].
func (r *rounded) round(x []float32, m, k int, p *packed) {
	blocks, rows := k/32, m
	if p.many(m) {
		rows = (m + productRows - 1) / productRows * productRows
	}
	r.scales = slices.Grow(r.scales[:0], rows*blocks*2)[:rows*blocks*2]
	r.q = slices.Grow(r.q[:0], rows*k)[:rows*k]
	roundLoops.run(m, 1+(1<<15)/k, roundLoop{r, x, m, k, p})
}

type roundLoop struct {
	r    *rounded
	x    []float32
	m, k int
	p    *packed
}

var roundLoops loops[roundLoop, *roundLoop]

// Range rounds the rows [lo, hi).
func (l *roundLoop) Range(lo, hi int) {
	step := l.k
	if l.p.many(l.m) {
		step = wideK
	}
	for i := lo; i < hi; i++ {
		for at := 0; at < l.k; at += step {
			to, n := i*l.k+at, min(step, l.k-at)
			if l.p.many(l.m) {
				to = wideAt(l.m, l.k, i, at)
			}
			xs := l.r.scales[to/16 : (to+n)/16]
			if l.p.super() {
				l.p.kernels.roundK(&l.r.q[to], &xs[0], &l.x[i*l.k+at], l.p.limit(), n/superHalf)
				continue
			}
			l.p.kernels.round(&l.r.q[to], &xs[0], &l.x[i*l.k+at], n/32)
			if l.p.kind == scaleOffset {
				// d·(q-8) has the minimum -8·d: the kernel multiplies the scales themselves with this.
				for j := 1; j < len(xs); j += 2 {
					xs[j] *= -8
				}
			}
		}
	}
}

// expand widens the scales of a panel, and the minima if there are any, into e's memory.
func (p *packed) expand(e *expanded, panel, k int) (scale []float32, least *float32) {
	n := k / p.sub * p.kernels.rows
	e.scale = slices.Grow(e.scale[:0], n)[:n]
	e.least = slices.Grow(e.least[:0], n)[:n]
	return e.scale, p.expandTo(e.scale, e.least, panel, k, 0)
}

// expandTo widens the scales of a panel from column at on, the beginning of a block of the type, for as many columns as
// scale has room for with one for each sub-block, and the minima if there are any. Of K formats the scales are those of
// superHalf columns, the first of scale. It returns what the kernels are to take for minima.
func (p *packed) expandTo(scale, least []float32, panel, k, at int) *float32 {
	rows, size, half := p.kernels.rows, len(p.sc)/p.panels, len(p.scale)/p.panels
	n := len(scale) / rows
	values := k / p.blocks // of a block
	from := panel*half + at/values*2*rows
	d := p.scale[from : (panel+1)*half]
	subs := values / p.sub // of a super-block
	switch p.kind {
	case scaleK:
		p.expandHalves(scale, d, n/subs)
		p.kernels.scalesK(&least[0], &p.least[from], &p.mn[panel*size+at/p.sub*rows], subs, n/subs)
		return &least[0]
	case scaleK6:
		p.expandHalves(scale, d, n/subs)
		return nil
	case scaleMin:
		p.kernels.widen(&scale[0], &d[0], n)
		p.kernels.widen(&least[0], &p.least[from], n)
		return &least[0]
	case scaleOffset:
		p.kernels.widen(&scale[0], &d[0], n)
		return &scale[0]
	default:
		p.kernels.widen(&scale[0], &d[0], n)
		return nil
	}
}

// expandHalves widens the scales of so many super-blocks, twice each.
func (p *packed) expandHalves(scale []float32, d []byte, supers int) {
	rows := p.kernels.rows
	p.kernels.widen(&scale[0], &d[0], supers)
	for i := supers - 1; i >= 0; i-- {
		one := scale[i*rows : (i+1)*rows]
		copy(scale[(2*i+1)*rows:], one)
		copy(scale[2*i*rows:], one)
	}
}
