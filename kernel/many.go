package kernel

import (
	"slices"

	"jamba/kernel/par"
)

// manyRows is from how many rows on it is worth it to bring the weights of a product into another order first.
const manyRows = 24

// widenedRows is manyRows for weights that have to be widened, too: with BF16 a dense model gained 7 % at 256
// rows; one whose experts have 64 rows each seemed slower (not measured in turn).
const widenedRows = 192

// manyTiles are the kernels of products of many rows, which give the same bits as dot.
type manyTiles struct {
	// tile writes, or adds, the products of m rows of x, ldx apart, at most productRows, with a panel of productColumns
	// rows of w, to rows of dst, ldd apart. sums is working memory of manySums.
	tile func(dst []float32, ldd int, x []float32, ldx int, panel []float32, m, k int, sums []float32, add bool)
	// pack brings rows of w, at most productColumns, ldw apart, into a panel of manyPanel(k) values, the
	// rest of which is of no matter.
	pack func(panel, w []float32, ldw, rows, k int)
	// block is how far dot runs along k before it adds to dst.
	block int
}

// manySums is the working memory of a tile.
const manySums = 8 * productRows * productColumns

// manyPanel is the size of a panel: [8, ceil(k/8), productColumns], by k%8 first.
func manyPanel(k int) int { return (k + 7) / 8 * 8 * productColumns }

// matMulMany is MatMul for many rows. Weights that are not float32 are widened on the way into panels. Some panels of w are made at a time, which stay in the second
// cache while all rows pass, each of which stays in the first for all of them.
func matMulMany(dst, x []float32, w *Matrix, m int) {
	const cached = 1 << 15 // values, half of a second cache of 256 KB
	panels := (w.N + productColumns - 1) / productColumns
	panel := manyPanel(min(w.K, active.many.block))
	per := max(1, cached/panel)
	groups := (panels + per - 1) / per
	// All threads get the same number of groups; few groups are cut by rows, too.
	groups = min(panels, (groups+par.Threads()-1)/par.Threads()*par.Threads())
	parts := 1
	for groups*parts < 2*par.Threads() && parts*4*manyRows < m {
		parts++
	}
	manyLoops.run(groups*parts, 1+(1<<16)/(1+w.N*w.K*m/(groups*parts)), manyLoop{dst, x, w, m, panels, groups, parts, panel})
}

type manyLoop struct {
	dst, x                          []float32
	w                               *Matrix
	m, panels, groups, parts, panel int
}

var manyLoops loops[manyLoop, *manyLoop]

// Range computes the groups of panels [lo, hi), part by part of the rows.
func (l *manyLoop) Range(lo, hi int) {
	s := scratches.Get().(*[]float32)
	defer scratches.Put(s)
	most := (l.panels + l.groups - 1) / l.groups
	work := manySums + manyEdges + productColumns*active.many.block
	size := work + most*l.panel
	*s = slices.Grow((*s)[:0], size)[:size]
	for i := lo; i < hi; i++ {
		group, part := i/l.parts, i%l.parts
		manyGroup(l.dst, l.x, l.w, group*l.panels/l.groups, (group+1)*l.panels/l.groups, part*l.m/l.parts, (part+1)*l.m/l.parts, (*s)[work:], (*s)[:work])
	}
}

// manyEdges is the working memory of a tile at the end of w.
const manyEdges = productRows * productColumns

// manyGroup computes the rows [row, end) of the panels [first, last).
func manyGroup(dst, x []float32, w *Matrix, first, last, row, end int, packed, work []float32) {
	sums, edge, wide := work[:manySums], work[manySums:manySums+manyEdges], work[manySums+manyEdges:]
	for at := 0; at < w.K; at += active.many.block {
		k := min(active.many.block, w.K-at)
		size := manyPanel(k)
		for p := first; p < last; p++ {
			n := p * productColumns
			rows := min(productColumns, w.N-n)
			panel := packed[(p-first)*size : (p-first+1)*size]
			if w.f32 != nil {
				active.many.pack(panel, w.f32[n*w.K+at:(n+rows)*w.K], w.K, rows, k)
				continue
			}
			for r := range rows {
				w.widen(wide[r*k:(r+1)*k], n+r, at)
			}
			active.many.pack(panel, wide[:rows*k], k, rows, k)
		}
		for i := row; i < end; i += productRows {
			m := min(productRows, end-i)
			for p := first; p < last; p++ {
				n, panel := p*productColumns, packed[(p-first)*size:(p-first+1)*size]
				if columns := w.N - n; columns < productColumns {
					manyEdge(dst[i*w.N+n:], w.N, columns, x[i*w.K+at:], w.K, panel, m, k, sums, edge, at > 0)
					continue
				}
				active.many.tile(dst[i*w.N+n:], w.N, x[i*w.K+at:], w.K, panel, m, k, sums, at > 0)
			}
		}
	}
}

// manyEdge is a tile of a panel of less than productColumns rows of w.
func manyEdge(dst []float32, ldd, columns int, x []float32, ldx int, panel []float32, m, k int, sums, out []float32, add bool) {
	for r := 0; r < m && add; r++ {
		copy(out[r*productColumns:], dst[r*ldd:r*ldd+columns])
	}
	active.many.tile(out, productColumns, x, ldx, panel, m, k, sums, add)
	for r := range m {
		copy(dst[r*ldd:r*ldd+columns], out[r*productColumns:])
	}
}
