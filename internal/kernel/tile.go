package kernel

import "slices"

// tileUnits are the way of many rows of activations on tile units: tiles of tileRows rows and a panel. Activations are
// planes of bytes, see tileKernel.
type tileUnits struct {
	multiply tileKernel
	// split takes apart n blocks of a row of integers, of unit columns, into planes.
	split func(dst, q *int16, n int)
	unit  int
	// widen brings weights into the order of tiles, in parts of at most columns: a third of the first cache.
	widen   widener
	columns int
}

// tileKernel multiplies tiles of rows of activations, whose planes and scales x and xs follow each other, with a panel of
// weights in the order of tiles, and writes, or adds, the products to rows of dst, ldd apart. blocks are those that have a
// scale. sums is working memory of tileSums. With each block, step bytes from fetch on are brought into the second cache, at
// most tileFetch for 32 columns. Planes are, for each unit of columns, the higher bytes of tileRows rows and
// then the lower.
type tileKernel = func(dst *float32, ldd int, x *int16, xs *float32, w *int16, ws, wm *float32, sums *int32, fetch *byte, step, blocks, tiles int, add bool)

const (
	tileRows = 16
	// tileSums is the working memory of a tile: twice sums of three planes.
	tileSums = 2 * 3 * tileRows * tileRows
	// tileFrom is from how many rows on tiles are worth it: two tiles, the second of which is partly empty.
	tileFrom = 22
	// tileBlock is how many rows pass the weights of a panel before the next: a few times as many bytes of x as a second
	// cache has would be read from memory.
	tileBlock = 256
	// tileFetch is how many bytes can be fetched while tileRows rows are multiplied by 32 columns.
	tileFetch = 256
	// tileCall is how many columns of tiles a call multiplies, at about two nanoseconds: it has to end soon.
	tileCall = 1 << 13
)

func (*tileUnits) from() int { return tileFrom }

func (*tileUnits) roundedRows(m int) int { return (m + tileRows - 1) &^ (tileRows - 1) }

func (t *tileUnits) round(r *rounded, x []float32, i, m int, p *packed) {
	e := expansions.Get().(*expanded)
	defer expansions.Put(e)
	e.weights = slices.Grow(e.weights[:0], p.k)[:p.k]
	e.scale = slices.Grow(e.scale[:0], p.k/16)[:p.k/16]
	p.scaling.round(p.tier, e.weights, e.scale, x[i*p.k:(i+1)*p.k])
	row := i % tileRows
	for at := 0; at < p.k; at += t.columns {
		k := min(t.columns, p.k-at)
		to := t.at(m, p.k, i-row, at)
		t.split(&r.q[to+row*t.unit/2], &e.weights[at], k/t.unit)
		for j, s := range e.scale[at/16 : (at+k)/16] {
			r.scales[to/16+(j/2*tileRows+row)*2+j%2] = s
		}
	}
}

// at is where the columns from at on, a multiple of t.columns, of the tile from row i on of m rounded activations are, in
// the order [K/columns, tiles, ...]: what calls read follows in memory. Scales are in the same order, [16, 2] for each 32
// columns.
func (t *tileUnits) at(m, k, i, at int) int {
	return at*t.roundedRows(m) + i*min(t.columns, k-at)
}

// mul multiplies with one panel after the other.
func (t *tileUnits) mul(l *packedLoop, lo, hi int) {
	e := expansions.Get().(*expanded)
	defer expansions.Put(e)
	for first := 0; first < l.m; first += tileBlock {
		for at := 0; at < l.p.k; at += t.columns {
			for panel := lo; panel < hi; panel++ {
				t.panel(l, e, panel, first, min(first+tileBlock, l.m), at, min(t.columns, l.p.k-at))
			}
		}
	}
}

// panel multiplies k columns of the rows [first, end) from column at on with a panel.
func (t *tileUnits) panel(l *packedLoop, e *expanded, panel, first, end, at, k int) {
	p, x := l.p, l.x
	n := k / p.sub * p.rows // scales
	e.scale = slices.Grow(e.scale[:0], n)[:n]
	e.minima = slices.Grow(e.minima[:0], n)[:n]
	e.weights = slices.Grow(e.weights[:0], k*p.rows)[:k*p.rows]
	e.sums = slices.Grow(e.sums[:0], tileSums)[:tileSums]
	minima := p.expand(e.scale, e.minima, panel, at)
	t.widen.widen(e.weights, p, panel, at, k)
	// While they are multiplied, those of the next panel are fetched.
	next := p.quants[min(panel+1, p.count-1)*p.quantBytes(p.k)+p.quantBytes(at):]
	left := p.quantBytes(k)
	blocks, columns := k/p.scaling.unit(), min(p.rows, p.n-panel*p.rows)
	for i := first; i < end; {
		q := t.at(l.m, p.k, i, at)
		dst, ldd, tiles := l.dst[i*p.n+panel*p.rows:], p.n, min((end-i)/tileRows, max(1, tileCall/k))
		rows := tiles * tileRows
		edge := tiles == 0 || columns < p.rows
		if edge { // a tile that reaches beyond dst
			tiles, rows = 1, min(tileRows, end-i)
			dst, ldd = e.part(tileRows*p.rows), p.rows
			for r := 0; r < rows && at > 0; r++ {
				copy(dst[r*ldd:], l.dst[(i+r)*p.n+panel*p.rows:][:columns])
			}
		}
		step := min(tileFetch*p.scaling.unit()/32, (left/(tiles*blocks)+63)&^63)
		t.multiply(&dst[0], ldd, &x.q[q], &x.scales[q/16], &e.weights[0], &e.scale[0], minima, &e.sums[0], &next[0], step, blocks, tiles, at > 0)
		fetched := min(left, step*tiles*blocks)
		next, left = next[min(fetched, len(next)-1):], left-fetched
		for r := 0; r < rows && edge; r++ {
			copy(l.dst[(i+r)*p.n+panel*p.rows:][:columns], dst[r*ldd:])
		}
		i += rows
	}
}
