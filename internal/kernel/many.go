package kernel

import (
	"slices"
	"unsafe"

	"jamba/internal/kernel/par"
	"jamba/tensor"
)

// manyTiles are the kernels of products of many rows, which give the same bits as dot.
type manyTiles struct {
	// tile writes, or adds, the products of tiles of that many rows of x, as packX leaves them, with a panel of that many
	// columns, rows of w, to rows of dst, ldd apart. A tile's next part follows each values on, the next tile size values on.
	// sums is working memory for each tile. Meanwhile weights may be fetched, k bytes with each of tiles·lanes parts.
	tile func(dst []float32, ldd int, x []float32, each, size int, panel []float32, tiles, k int, sums []float32, add bool, next ahead)
	// packX brings the rows of a tile of x, or fewer, ldx apart, into a tile: as many parts as lanes, part(k) values, which
	// lie each values apart. Rows that are not there are of no matter.
	packX func(tile []float32, each int, x []float32, ldx, rows, k int)
	// pack brings rows of w, ldw apart, into a panel, from value at of each of its parts on, see place. What is not brought there is of
	// no matter.
	pack func(panel []float32, at int, w []float32, ldw, rows, k int)
	// packHalf is pack of a panel's rows of type F16 or BF16; it returns false if it has no way for these sizes.
	packHalf func(panel []float32, d tensor.DType, w []byte, ldw, rows, k int) bool
	// block is how far dot runs along k before it adds to dst.
	block int

	manySizes

	// cached is how many values of panels stay in the second cache while all rows pass.
	cached int
	// from is from how many rows on it is worth it to bring the operands of a product into another order first: with
	// weights of float32, with those of 16 bits, with coded ones, and with blocks, which are widened row by row.
	from manyFrom
}

// manyFrom is from how many rows on something is worth it, by the type of the weights.
type manyFrom struct{ floats, halves, coded, blocks int }

// ahead is memory to be fetched: some bytes from there on, as many stride bytes further on, and so on. Without any it is one
// line again and again.
type ahead struct {
	from   *byte
	stride int
}

// manySizes are the sizes of manyTiles.
type manySizes struct {
	lanes         int // interleaved sums that dot has
	rows, columns int // of a tile
	sums          int // working memory of a tile, in floats
	gap           int // floats after each part of a panel and of all tiles, lest all parts fall into one set of the first cache
}

const (
	// fewOutputs is up to how many rows of w, as routers and adapters have, another order of x costs more than it gains.
	fewOutputs = 48
	// manyAtOnce is how many tiles pass one of the parts of a panel before the next.
	manyAtOnce = 4
	// manyPart is how many rows of x are brought into another order at a time: of a block that is 8 MB.
	manyPart = 2040
	// packedRows is how many rows are brought into another order at a time.
	packedRows = 8
)

// steps is how many values of k each of the sums of dot has at most.
func (t *manySizes) steps(k int) int { return (k + t.lanes - 1) / t.lanes }

// panel is the size of a panel: [lanes, ceil(k/lanes), columns], by k%lanes first, a gap after each part.
func (t *manySizes) panel(k int) int { return t.lanes * (t.steps(k)*t.columns + t.gap) }

// place is where in each part of a panel column k of a row lies: k is a multiple of the lanes, and row one of packedRows.
func (t *manySizes) place(row, k int) int { return k/t.lanes*t.columns + row }

// part is the size of one of the parts of a tile of x, [ceil(k/lanes), rows], by k%lanes, with what packX overwrites beyond,
// filled up to whole lines of the cache. The same parts of all tiles follow each other.
func (t *manySizes) part(k int) int { return (t.steps(k)*t.rows + packedRows - t.rows + 15) &^ 15 }

// mulMany is mulFloat for many rows. Of both operands a block along k is brought into the order in which tiles read it,
// of x for all threads together. Weights that are not float32 are widened on the way into panels. Some panels of w are
// made at a time, which stay in the second cache while all rows pass.
func mulMany(dst, x []float32, w floatWeights, m int) {
	N, K := w.shape()
	t := active.many
	panels := (N + t.columns - 1) / t.columns
	per := max(1, t.cached/t.panel(min(K, t.block)))
	groups := (panels + per - 1) / per
	// All threads get the same number of groups; few groups are cut by rows, too.
	groups = min(panels, (groups+par.Threads()-1)/par.Threads()*par.Threads())
	order := scratches.Get().(*[]float32)
	defer scratches.Put(order)
	for row := 0; row < m; row += manyPart {
		rows := min(manyPart, m-row)
		tiles := (rows + t.rows - 1) / t.rows
		parts := 1
		for groups*parts < 2*par.Threads() && parts*4*t.from.floats < rows {
			parts++
		}
		for at := 0; at < K; at += t.block {
			k := min(t.block, K-at)
			size := t.lanes * (tiles*t.part(k) + t.gap)
			*order = slices.Grow((*order)[:0], size)[:size]
			l := manyLoop{dst: dst[row*N:], x: x[row*K:], tiles: *order, w: w, n: N, ldx: K, m: rows, at: at, k: k, panels: panels, groups: groups, parts: parts}
			manyPacks.run(tiles, 1+(1<<14)/(t.rows*k), manyPack{l})
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
	t := active.many
	each, size := l.layout()
	for tile := lo; tile < hi; tile++ {
		i := tile * t.rows
		t.packX(l.tiles[tile*size:], each, l.x[i*l.ldx+l.at:], l.ldx, min(t.rows, l.m-i), l.k)
	}
}

// Range computes the groups of panels [lo, hi), part by part of the rows.
func (l *manyLoop) Range(lo, hi int) {
	s := scratches.Get().(*[]float32)
	defer scratches.Put(s)
	t := active.many
	panels := (l.panels + l.groups - 1) / l.groups
	work := manyAtOnce*t.sums + t.rows*t.columns + t.columns*l.k
	size := work + panels*t.panel(l.k)
	*s = slices.Grow((*s)[:0], size)[:size]
	tiles := (l.m + t.rows - 1) / t.rows
	for i := lo; i < hi; i++ {
		group, part := i/l.parts, i%l.parts
		l.group(group*l.panels/l.groups, (group+1)*l.panels/l.groups, part*tiles/l.parts, (part+1)*tiles/l.parts, (*s)[work:], (*s)[:work])
	}
}

// group computes the tiles [tile, end) of the panels [first, last).
func (l *manyLoop) group(first, last, tile, end int, order, work []float32) {
	t := active.many
	sums, edge, wide := work[:manyAtOnce*t.sums], work[manyAtOnce*t.sums:], work[manyAtOnce*t.sums+t.rows*t.columns:]
	size := t.panel(l.k)
	for p := first; p < last; p++ {
		n := p * t.columns
		l.w.panel(order[(p-first)*size:(p-first+1)*size], n, min(t.columns, l.n-n), l.at, l.k, wide)
	}
	each, next := l.layout()
	begin := tile
	for tile < end {
		// Whole tiles by whole panels, and what is left one by one.
		n := max(1, min(manyAtOnce, end-tile, l.m/t.rows-tile))
		rows := min(n*t.rows, l.m-tile*t.rows)
		for p := first; p < last; p++ {
			panel, columns := order[(p-first)*size:(p-first+1)*size], min(t.columns, l.n-p*t.columns)
			dst := l.dst[tile*t.rows*l.n+p*t.columns:]
			if columns == t.columns && rows == n*t.rows {
				t.tile(dst, l.n, l.tiles[tile*next:], each, next, panel, n, l.k, sums, l.at > 0, l.ahead(p+last-first, (tile-begin)/manyAtOnce))
				continue
			}
			for i := range n {
				l.edge(dst[i*t.rows*l.n:], min(t.rows, rows-i*t.rows), columns, l.tiles[(tile+i)*next:], panel, sums, edge)
			}
		}
		tile += n
	}
}

// edge is a tile of which not all rows or columns are there.
func (l *manyLoop) edge(dst []float32, rows, columns int, x, panel, sums, out []float32) {
	t := active.many
	out = out[:t.rows*t.columns]
	add, ldd := l.at > 0, l.n
	for r := 0; r < rows && add; r++ {
		copy(out[r*t.columns:], dst[r*ldd:r*ldd+columns])
	}
	each, size := l.layout()
	t.tile(out, t.columns, x, each, size, panel, 1, l.k, sums, add, l.ahead(l.panels, 0))
	for r := range rows {
		copy(dst[r*ldd:r*ldd+columns], out[r*t.columns:])
	}
}

// layout returns how far it is in tiles from one part to the next, and from one tile to the next.
func (l *manyLoop) layout() (each, size int) {
	size = active.many.part(l.k)
	return len(l.tiles) / active.many.lanes, size
}

// ahead is what call i of the tiles that a panel passes fetches of the weights of panel p: k bytes of each row, those after
// what call i-1 fetches.
func (l *manyLoop) ahead(p, i int) ahead {
	if n := p * active.many.columns; n < l.n {
		rows, size := l.w.from(n)
		if at := l.at*size/l.ldx + i*l.k; i*l.ldx < size && at < len(rows) {
			return ahead{&rows[at], size}
		}
	}
	return ahead{(*byte)(unsafe.Pointer(&l.x[0])), 0}
}
