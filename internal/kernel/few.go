package kernel

import "slices"

// few is the way of few rows of activations: panel by panel, with tiles that widen the weights in registers.
type few struct{}

// rowBlock is how many rows of activations pass a panel before the next: they fit the second cache.
const rowBlock = 96

func (few) pieces(p *packed, _ int) int { return p.count }

func (few) roundedRows(m int) int { return m }

func (few) round(r *rounded, x []float32, i, _ int, p *packed) {
	p.kernels.few.round(r, x[i*p.k:(i+1)*p.k], i, p)
}

// mul multiplies with the panels [lo, hi).
func (few) mul(l *packedLoop, lo, hi int) {
	e := expansions.Get().(*expanded)
	defer expansions.Put(e)
	for first := 0; first < l.m; first += rowBlock {
		for panel := lo; panel < hi; panel++ {
			l.fewRows(e, panel, first, min(first+rowBlock, l.m))
		}
	}
}

// fewRows multiplies the rows [first, end), at most rowBlock, with a panel.
func (l *packedLoop) fewRows(e *expanded, panel, first, end int) {
	p := l.p
	rows := p.rows
	if (panel+1)*rows <= p.n {
		p.kernels.few.panel(l.dst[first*p.n+panel*rows:], p.n, l.x, first, end, p, panel, e)
		return
	}
	// The last panel may have more rows than dst has columns.
	part := e.part(rowBlock * rows)
	p.kernels.few.panel(part, rows, l.x, first, end, p, panel, e)
	for i := first; i < end; i++ {
		copy(l.dst[i*p.n+panel*rows:(i+1)*p.n], part[(i-first)*rows:])
	}
}

// panelTiles multiply with one panel.
type panelTiles interface {
	// rowSize is how many int16 a rounded row of k activations takes.
	rowSize(k int) int
	// round rounds row i of activations, x [K], into r.
	round(r *rounded, x []float32, i int, p *packed)
	// panel computes the rows [first, end) of x times a panel of p into rows of dst, ldd apart; e is working memory.
	panel(dst []float32, ldd int, x *rounded, first, end int, p *packed, panel int, e *expanded)
}

// wordRows are activations as integers of 16 bits in ascending order.
type wordRows struct{}

func (wordRows) rowSize(k int) int { return k }

func (wordRows) round(r *rounded, x []float32, i int, p *packed) { r.put(i*p.k, x, p) }

// scales widens all scales of a panel into e and returns what kernels are to take for minima.
func (p *packed) scales(e *expanded, panel int) *float32 {
	n := p.k / p.sub * p.rows
	e.scale = slices.Grow(e.scale[:0], n)[:n]
	e.minima = slices.Grow(e.minima[:0], n)[:n]
	return p.expand(e.scale, e.minima, panel, 0)
}

// blockTiles are tiles from one row of activations on, for blocks of 32 columns.
type blockTiles struct {
	wordRows
	tiles []packedTile
}

type packedTile = func(dst *float32, ldd int, x *int16, ldx int, xs *float32, ldxs int, w *byte, ws, wm *float32, blocks int)

func (t blockTiles) panel(dst []float32, ldd int, x *rounded, first, end int, p *packed, panel int, e *expanded) {
	k, quants, minima := p.k, p.quants[panel*p.quantBytes(p.k):], p.scales(e, panel)
	for i := first; i < end; i += len(t.tiles) {
		out, xs := dst[(i-first)*ldd:], x.scales[i*k/16:]
		t.tiles[min(len(t.tiles), end-i)-1](&out[0], ldd, &x.q[i*k], 2*k, &xs[0], k/16, &quants[0], &e.scale[0], minima, k/32)
	}
}

// superTiles are blockTiles for K formats.
type superTiles struct {
	wordRows
	tiles []superTile
}

// superTile is a packedTile of a K format, with bytes sc that scale its sub-blocks and floats ws that scale its blocks of
// superHalf columns.
type superTile = func(dst *float32, ldd int, x *int16, ldx int, xs *float32, ldxs int, w, sc *byte, ws, wm *float32, blocks int)

func (t superTiles) panel(dst []float32, ldd int, x *rounded, first, end int, p *packed, panel int, e *expanded) {
	k, quants, sc := p.k, p.quants[panel*p.quantBytes(p.k):], p.subScale[panel*(p.k/p.sub)*p.rows:]
	minima := p.scales(e, panel)
	for i := first; i < end; i += len(t.tiles) {
		out, xs := dst[(i-first)*ldd:], x.scales[i*k/16:]
		t.tiles[min(len(t.tiles), end-i)-1](&out[0], ldd, &x.q[i*k], 2*k, &xs[0], k/16, &quants[0], &sc[0], &e.scale[0], minima, k/superHalf)
	}
}
