package kernel

import (
	"slices"

	"jamba/internal/kernel/par"
	"jamba/tensor"
)

// manyRows is from how many rows on it is worth it to bring the operands of a product into another order first: with
// weights of float32, with those of 16 bits (64 rows gain a fifth), and with blocks, which are widened row by row.
const (
	manyRows    = 24
	halfRows    = 48
	widenedRows = 192
)

// manyTiles are the kernels of products of many rows, which give the same bits as dot.
type manyTiles struct {
	// tile writes, or adds, the products of tiles of productRows rows of x, as packX leaves them, with a panel of
	// productColumns rows of w, to rows of dst, ldd apart. sums is working memory of manySums for each tile.
	tile func(dst []float32, ldd int, x []float32, each int, panel []float32, tiles, k int, sums []float32, add bool)
	// packX brings productRows rows of x, or fewer, ldx apart, into a tile of eight parts of manyTile(k) values, each
	// values apart. Rows that are not there are of no matter.
	packX func(tile []float32, each int, x []float32, ldx, rows, k int)
	// pack brings rows of w, at most productColumns, ldw apart, into a panel of manyPanel(k) values, the
	// rest of which is of no matter.
	pack func(panel, w []float32, ldw, rows, k int)
	// packHalf is pack with weights of type F16 or BF16; it returns false if it has no way for these sizes.
	packHalf func(panel []float32, d tensor.DType, w []byte, ldw, rows, k int) bool
	// block is how far dot runs along k before it adds to dst.
	block int
}

const (
	// manySums is the working memory of a tile.
	manySums = 8 * productRows * productColumns
	// manyAtOnce is how many tiles pass one of the eight parts of a panel before the next.
	manyAtOnce = 4
	// manyPart is how many rows of x are brought into another order at a time: of a block that is 8 MB.
	manyPart = 2040
)

// manyPanel is the size of a panel: [8, ceil(k/8), productColumns], by k%8 first.
func manyPanel(k int) int { return (k + 7) / 8 * 8 * productColumns }

// manyTile is the size of one of the eight parts of a tile of x, [ceil(k/8), productRows], by k%8, followed by two values
// more and filled up to whole lines of the cache. The same parts of all tiles follow each other.
func manyTile(k int) int { return ((k+7)/8*productRows + 2 + 15) &^ 15 }

// mulMany is mulFloat for many rows. Of both operands a block along k is brought into the order in which tiles read it,
// of x for all threads together. Weights that are not float32 are widened on the way into panels. Some panels of w are
// made at a time, which stay in the second cache while all rows pass.
func mulMany(dst, x []float32, w floatWeights, m int) {
	N, K := w.shape()
	const cached = 1 << 15 // values, half of a second cache of 256 KB
	panels := (N + productColumns - 1) / productColumns
	panel := manyPanel(min(K, active.many.block))
	per := max(1, cached/panel)
	groups := (panels + per - 1) / per
	// All threads get the same number of groups; few groups are cut by rows, too.
	groups = min(panels, (groups+par.Threads()-1)/par.Threads()*par.Threads())
	order := scratches.Get().(*[]float32)
	defer scratches.Put(order)
	for row := 0; row < m; row += manyPart {
		rows := min(manyPart, m-row)
		tiles := (rows + productRows - 1) / productRows
		parts := 1
		for groups*parts < 2*par.Threads() && parts*4*manyRows < rows {
			parts++
		}
		for at := 0; at < K; at += active.many.block {
			k := min(active.many.block, K-at)
			size := 8 * tiles * manyTile(k)
			*order = slices.Grow((*order)[:0], size)[:size]
			l := manyLoop{dst: dst[row*N:], x: x[row*K:], tiles: *order, w: w, n: N, ldx: K, m: rows, at: at, k: k, panels: panels, groups: groups, parts: parts}
			manyPacks.run(tiles, 1+(1<<14)/(productRows*k), manyPack{l})
			manyLoops.run(groups*parts, 1+(1<<16)/(1+N*k*rows/(groups*parts)), l)
		}
	}
}

// manyLoop is a block of the product, from column at of x and w on.
type manyLoop struct {
	dst, x, tiles         []float32
	w                     floatWeights
	n, ldx                int // rows and columns of w
	m, at, k              int
	panels, groups, parts int
}

// manyPack brings x into tiles.
type manyPack struct{ manyLoop }

var (
	manyLoops loops[manyLoop, *manyLoop]
	manyPacks loops[manyPack, *manyPack]
)

// Range makes the tiles [lo, hi).
func (l *manyPack) Range(lo, hi int) {
	size := manyTile(l.k)
	for t := lo; t < hi; t++ {
		i := t * productRows
		active.many.packX(l.tiles[t*size:], len(l.tiles)/8, l.x[i*l.ldx+l.at:], l.ldx, min(productRows, l.m-i), l.k)
	}
}

// Range computes the groups of panels [lo, hi), part by part of the rows.
func (l *manyLoop) Range(lo, hi int) {
	s := scratches.Get().(*[]float32)
	defer scratches.Put(s)
	panels := (l.panels + l.groups - 1) / l.groups
	work := manyAtOnce*manySums + manyEdges + productColumns*l.k
	size := work + panels*manyPanel(l.k)
	*s = slices.Grow((*s)[:0], size)[:size]
	tiles := (l.m + productRows - 1) / productRows
	for i := lo; i < hi; i++ {
		group, part := i/l.parts, i%l.parts
		l.group(group*l.panels/l.groups, (group+1)*l.panels/l.groups, part*tiles/l.parts, (part+1)*tiles/l.parts, (*s)[work:], (*s)[:work])
	}
}

// manyEdges is the working memory of a tile at the end of w or x.
const manyEdges = productRows * productColumns

// group computes the tiles [tile, end) of the panels [first, last).
func (l *manyLoop) group(first, last, tile, end int, order, work []float32) {
	const sums = manyAtOnce * manySums
	edge, wide := work[sums:sums+manyEdges], work[sums+manyEdges:]
	size := manyPanel(l.k)
	for p := first; p < last; p++ {
		n := p * productColumns
		l.w.panel(order[(p-first)*size:(p-first+1)*size], n, min(productColumns, l.n-n), l.at, l.k, wide)
	}
	each := manyTile(l.k)
	for tile < end {
		// Whole tiles by whole panels, and what is left one by one.
		n := max(1, min(manyAtOnce, end-tile, l.m/productRows-tile))
		rows := min(n*productRows, l.m-tile*productRows)
		for p := first; p < last; p++ {
			panel, columns := order[(p-first)*size:(p-first+1)*size], min(productColumns, l.n-p*productColumns)
			dst := l.dst[tile*productRows*l.n+p*productColumns:]
			if columns == productColumns && rows == n*productRows {
				active.many.tile(dst, l.n, l.tiles[tile*each:], len(l.tiles)/8, panel, n, l.k, work[:sums], l.at > 0)
				continue
			}
			for t := range n {
				l.edge(dst[t*productRows*l.n:], min(productRows, rows-t*productRows), columns, l.tiles[(tile+t)*each:], panel, work[:sums], edge)
			}
		}
		tile += n
	}
}

// edge is a tile of less than productRows rows or less than productColumns columns.
func (l *manyLoop) edge(dst []float32, rows, columns int, x, panel, sums, out []float32) {
	add, ldd := l.at > 0, l.n
	for r := 0; r < rows && add; r++ {
		copy(out[r*productColumns:], dst[r*ldd:r*ldd+columns])
	}
	active.many.tile(out, productColumns, x, len(l.tiles)/8, panel, 1, l.k, sums, add)
	for r := range rows {
		copy(dst[r*ldd:r*ldd+columns], out[r*productColumns:])
	}
}
