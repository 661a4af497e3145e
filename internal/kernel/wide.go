package kernel

import "slices"

// wideTiles are the way of many rows of activations: tiles of productRows rows, or one less, and some panels, whose weights are
// widened to 16 bits first. Of 20 rows or more no tile has rows to spare.
type wideTiles struct {
	tiles [2]wideTile // of productRows-1 rows and of productRows
	// widen widens weights.
	widen widener
	wideShape
}

// wideShape says how wide tiles go through a product.
type wideShape struct {
	// panels is how many a tile has.
	panels int
	// columns is how many of a tile's panels are widened at a time, whole blocks of all types. Each time outputs are read and
	// written once more.
	columns int
	// rows is how many rows pass them at most before the next, whole tiles: so many columns of theirs are half of a second cache.
	rows int
}

var (
	// twoPanels is the shape with AVX2: columns are half of the first cache.
	twoPanels = wideShape{2, 512, 32 * productRows}
	// fourPanels is the shape with AVX-512, with two and a half times the first cache: weights come from the second as fast as
	// tiles take them, and with half as many columns they lose 3 to 6 %.
	fourPanels = wideShape{4, 1024, 43 * productRows}
)

// wideTile is a packedTile with the scales of further panels, and the minima, second bytes after those of the one before. With each
// 32 columns, step bytes from fetch on are brought into the second cache, at most wideFetch. work is memory of wideWork.
type wideTile = func(dst *float32, ldd int, x *int16, ldx int, xs *float32, ldxs int, w *int16, ws, wm *float32, second int,
	fetch *byte, step, blocks int, add bool, work *float32)

// wideFetch is how many bytes can be fetched while a tile is multiplied by 32 columns.
const wideFetch = 256

// wideFrom is from how many rows on it is worth it to widen weights first.
const wideFrom = 48

// wideWork is how much memory a tile of panels of that many rows needs, in floats.
func (w *wideTiles) wideWork(rows int) int { return productRows*w.panels*rows + 16 }

func (*wideTiles) String() string { return "wide tiles" }

func (*wideTiles) from() int { return wideFrom }

func (*wideTiles) roundedRows(m int) int { return (m + productRows - 1) / productRows * productRows }

// pieces are so many panels for a block of rows, and the blocks follow each other: a product of few panels, as that which makes
// dt, B and C, has pieces for all threads, and a thread's share has few blocks, which stay in its second cache.
func (w *wideTiles) pieces(p *packed, m int) int {
	blocks, _ := w.blocks(m)
	return blocks * w.groups(p)
}

// groups is how many times a product takes so many panels at once.
func (w *wideTiles) groups(p *packed) int { return (p.count + w.panels - 1) / w.panels }

// blocks is into how many blocks m rows are cut, and how many rows all have but the last, whole tiles.
func (w *wideTiles) blocks(m int) (n, rows int) {
	n = (m + w.rows - 1) / w.rows
	return n, w.roundedRows((m + n - 1) / n)
}

func (w *wideTiles) round(r *rounded, x []float32, i, m int, p *packed) {
	for at := 0; at < p.k; at += w.columns {
		r.put(w.at(m, p.k, i, at), x[i*p.k+at:i*p.k+min(at+w.columns, p.k)], p)
	}
}

// at is where the columns from at on, a multiple of w.columns, of row i of m rounded activations are, in the order
// [K/columns, rows, columns]: what a tile reads follows in memory. Scales are in the same order.
func (w *wideTiles) at(m, k, i, at int) int { return at*w.roundedRows(m) + i*min(w.columns, k-at) }

func (w *wideTiles) mul(l *packedLoop, lo, hi int) {
	e := expansions.Get().(*expanded)
	defer expansions.Put(e)
	groups := w.groups(l.p)
	_, rows := w.blocks(l.m)
	for lo < hi {
		block := lo / groups
		first, end := block*rows, min((block+1)*rows, l.m)
		last := min((block+1)*groups, hi)
		from, to := (lo-block*groups)*w.panels, (last-block*groups)*w.panels
		for at := 0; at < l.p.k; at += w.columns {
			for panel := from; panel < to; panel += w.panels {
				next, column := panel+w.panels, at
				switch {
				case next == to && at+w.columns < l.p.k:
					next, column = from, at+w.columns
				case next == to && last < hi:
					next, column = 0, 0 // another block of rows
				case next == to:
					column = 0 // of the panels after these
				}
				f := l.ahead(next, w.panels, column, w.columns)
				w.group(l, e, panel, l.p.count-1, first, end, at, min(w.columns, l.p.k-at), f)
			}
		}
		lo = last
	}
}

// group multiplies k columns of the rows [first, end) from column at on with the panels of a tile, or with the last one several
// times.
func (w *wideTiles) group(l *packedLoop, e *expanded, panel, last, first, end, at, k int, f fetching) {
	p, x := l.p, l.x
	rows := p.rows
	n, size := k/p.sub*rows, k*rows // scales and weights of a panel
	e.scale = slices.Grow(e.scale[:0], w.panels*n)[:w.panels*n]
	e.minima = slices.Grow(e.minima[:0], w.panels*n)[:w.panels*n]
	e.weights = slices.Grow(e.weights[:0], w.panels*size)[:w.panels*size]
	var minima *float32
	for i := range w.panels {
		some := p.expand(e.scale[i*n:(i+1)*n], e.minima[i*n:(i+1)*n], min(panel+i, last), at)
		if i == 0 {
			minima = some
		}
		w.widen.widen(e.weights[i*rows*2:], p, min(panel+i, last), at, k)
	}
	blocks, columns, whole := k/p.scaling.unit(), min((min(panel+w.panels-1, last)+1)*rows, p.n)-panel*rows, w.panels*rows
	work := e.part(productRows*whole + w.wideWork(rows))
	f.spread((end-first+productRows-1)/productRows*(k/32), wideFetch)
	for i, next := first, 0; i < end; i = next {
		next = i + evenly(end-i, productRows)
		q := w.at(l.m, p.k, i, at)
		dst, ldd, m := l.dst[i*p.n+panel*rows:], p.n, next-i
		edge := m < productRows-1 || columns < whole
		if edge { // a tile that reaches beyond dst
			dst, ldd = work, whole
			for r := 0; r < m && at > 0; r++ {
				copy(dst[r*ldd:], l.dst[(i+r)*p.n+panel*rows:][:columns])
			}
		}
		w.tiles[max(0, m-productRows+1)](&dst[0], ldd, &x.q[q], 2*k, &x.scales[q/16], k/16, &e.weights[0], &e.scale[0], minima, 4*n,
			f.next(k/32), f.step, blocks, at > 0, &work[productRows*whole])
		for r := 0; r < m && edge; r++ {
			copy(l.dst[(i+r)*p.n+panel*rows:][:columns], dst[r*ldd:])
		}
	}
}

// widener widens the integers of k columns of a panel of p, from column at on, into one of so many vectors of dst.
type widener interface {
	widen(dst []int16, p *packed, panel, at, k int)
}

// blockWidener is a widener of blocks of 32 columns.
type blockWidener func(dst *int16, w *byte, blocks int)

func (f blockWidener) widen(dst []int16, p *packed, panel, at, k int) {
	f(&dst[0], &p.quants[panel*p.quantBytes(p.k)+p.quantBytes(at)], k/32)
}

// superWidener is one of K formats, which multiplies by the bytes sc that scale sub-blocks.
type superWidener func(dst *int16, w, sc *byte, blocks int)

func (f superWidener) widen(dst []int16, p *packed, panel, at, k int) {
	sc := p.subScale[(panel*(p.k/p.sub)+at/p.sub)*p.rows:]
	f(&dst[0], &p.quants[panel*p.quantBytes(p.k)+p.quantBytes(at)], &sc[0], k/32)
}
