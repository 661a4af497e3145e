package kernel

import "slices"

// tileUnits are the way of many rows of activations on tile units: tiles of tileRows rows and a panel. Activations are
// planes of bytes, see tileKernel.
type tileUnits struct {
	inTiles
	multiply tileKernel
	// split takes apart n blocks of a row of integers, of unit columns, into planes.
	split func(dst, q *int16, n int)
	unit  int
	// widen brings weights into the order of tiles, in parts of at most columns: a third of the first cache.
	widen   widener
	columns int
}

// tileKernel multiplies a tile of rows of activations, whose planes and scales are x and xs, with panels of weights in the
// order of tiles, one after the other, and writes, or adds, the products to rows of dst, ldd apart. blocks are those of a
// panel that have a scale. sums is working memory of tileSums. With each block, step bytes from fetch on are brought into
// the second cache, at most tileFetch for 32 columns. Planes are, for each unit of columns, the higher bytes of tileRows
// rows and then the lower.
type tileKernel = func(dst *float32, ldd int, x *int16, xs *float32, w *int16, ws, wm *float32, sums *int32, fetch *byte, step, blocks, panels int, add bool)

const (
	tileRows = 16
	// tileSums is the working memory of a tile: twice sums of three planes.
	tileSums = 2 * 3 * tileRows * tileRows
	// tileFrom is from how many rows on tiles are worth it whatever the format.
	tileFrom = 24
	// tileRest is how many rows beyond whole tiles take the way of few rows: more are another tile.
	tileRest = 6
	// tilePanels is how many panels are brought into the order of tiles before all rows pass them: of 1024 columns they
	// are a small part of a second cache.
	tilePanels = 8
	// tileFetch is how many bytes can be fetched while tileRows rows are multiplied by 32 columns.
	tileFetch = 256
	// tileCall is how many columns of panels a call multiplies, at about two nanoseconds: it has to end soon.
	tileCall = 1 << 13
)

// inTiles is how rows of activations are put in tiles.
type inTiles struct{}

func (inTiles) pieces(p *packed, _ int) int { return p.count }

func (inTiles) String() string { return "tile units" }

// tiled is how many of m rows are multiplied on tiles, those included that fill up the last.
func (inTiles) tiled(m int) int {
	if rest := m % tileRows; rest <= tileRest {
		return m - rest
	}
	return (m + tileRows - 1) &^ (tileRows - 1)
}

func (t inTiles) roundedRows(m int) int { return max(m, t.tiled(m)) }

func (*tileUnits) from() int { return tileFrom }

func (t *tileUnits) round(r *rounded, x []float32, i, m int, p *packed) {
	if i >= t.tiled(m) {
		few{}.round(r, x, i, m, p)
		return
	}
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
	return at*t.tiled(m) + i*min(t.columns, k-at)
}

// mul multiplies with the panels [lo, hi), some at a time.
func (t *tileUnits) mul(l *packedLoop, lo, hi int) {
	e := expansions.Get().(*expanded)
	defer expansions.Put(e)
	whole := t.tiled(l.m) // none of a few rows, if the choice gives them to tile units
	for first := lo; first < hi; first += tilePanels {
		for at := 0; at < l.p.k && whole > 0; at += t.columns {
			t.panels(l, e, first, min(first+tilePanels, hi), hi, at)
		}
		if whole < l.m {
			for panel := first; panel < min(first+tilePanels, hi); panel++ {
				l.fewRows(e, panel, whole, l.m)
			}
		}
	}
}

// panels multiplies some columns from column at on with the panels [first, last). Until hi there are more.
func (t *tileUnits) panels(l *packedLoop, e *expanded, first, last, hi, at int) {
	p, k := l.p, min(t.columns, l.p.k-at)
	unit := p.scaling.unit()
	n, scales := k/p.sub*p.rows, k/unit*p.rows // of a panel
	e.scale = slices.Grow(e.scale[:0], tilePanels*n)[:tilePanels*n]
	e.minima = slices.Grow(e.minima[:0], tilePanels*n)[:tilePanels*n]
	e.weights = slices.Grow(e.weights[:0], tilePanels*k*p.rows)[:tilePanels*k*p.rows]
	e.sums = slices.Grow(e.sums[:0], tileSums)[:tileSums]
	var minima [tilePanels]*float32
	size := t.unit * k / 64 * p.rows // of the weights of a panel in the order of tiles
	for panel := first; panel < last; panel++ {
		i := panel - first
		minima[i] = p.expand(e.scale[i*scales:i*scales+n], e.minima[i*n:(i+1)*n], panel, at)
		t.widen.widen(e.weights[i*size:], p, panel, at, k)
	}
	f := fetching{p: p, panel: first, last: last, at: at + t.columns}
	if f.at >= p.k {
		f = fetching{p: p, panel: last, last: min(last+tilePanels, hi)}
	}
	f.k = min(t.columns, p.k-f.at)
	blocks := k / unit
	f.spread(t.tiled(l.m)/tileRows*(last-first)*blocks, tileFetch*unit/32)
	for i := 0; i < t.tiled(l.m); i += tileRows {
		q, rows := t.at(l.m, p.k, i, at), min(tileRows, l.m-i)
		for panel := first; panel < last; {
			count := min(last-panel, max(1, tileCall/k))
			columns := min(count*p.rows, p.n-panel*p.rows)
			out := l.dst[i*p.n+panel*p.rows:]
			dst, ldd := out, p.n
			edge := rows < tileRows || columns < count*p.rows
			if edge { // a tile that reaches beyond dst
				ldd = count * p.rows
				dst = e.part(tileRows * ldd)
				for r := 0; r < rows && at > 0; r++ {
					copy(dst[r*ldd:], out[r*p.n:][:columns])
				}
			}
			j := panel - first
			fetch := f.next(count * blocks)
			t.multiply(&dst[0], ldd, &l.x.q[q], &l.x.scales[q/16], &e.weights[j*size], &e.scale[j*scales], minima[j], &e.sums[0], fetch, f.step, blocks, count, at > 0)
			for r := 0; r < rows && edge; r++ {
				copy(out[r*p.n:][:columns], dst[r*ldd:])
			}
			panel += count
		}
	}
}

// fetching is what products fetch meanwhile: k columns from column at on of the panels [panel, last) of p, step bytes at a
// time.
type fetching struct {
	p           *packed
	panel, last int
	at, k, step int
	done        int // bytes of panel
}

func (f *fetching) bytes() int { return (f.last - f.panel) * f.p.quantBytes(f.k) }

// spread sets how much is fetched at a time, whole lines of the cache, to be through after so many steps, or at most so many bytes.
func (f *fetching) spread(steps, most int) {
	steps = max(1, steps)
	f.step = min(most, ((f.bytes()+steps-1)/steps+63)&^63)
}

// next is where the next steps begin.
func (f *fetching) next(steps int) *byte {
	if f.panel >= f.last {
		f.step = 0
		return &f.p.quants[0]
	}
	from := &f.p.quants[f.panel*f.p.quantBytes(f.p.k)+f.p.quantBytes(f.at)+f.done]
	f.done += steps * f.step
	for size := f.p.quantBytes(f.k); f.done >= size && f.panel < f.last; f.panel++ {
		f.done = max(0, f.done-size)
		if f.k < f.p.k {
			f.done = 0
		}
	}
	return from
}
