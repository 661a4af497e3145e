package kernel

import "slices"

// channelUnits are the way of many rows of activations with weights that have one scale for a row on tile units, see
// channelTiles: digits of activations by the bytes of weights as they lie in panels.
//
// Digits are in the order [tiles of rows, K/64, 2, 16, 64]: of 64 columns the higher ones of tileRows rows, then the lower.
// Where there are 32 columns at the end, the last are [2, 16, 32]. The scales and sums of a tile's rows are its first.
type channelUnits struct {
	inTiles
	multiply channelKernel
	// split brings a row of digits, so many blocks of 32 columns, into that order, but for 32 at the end.
	split func(dst, q *int16, blocks int)
}

// channelKernel multiplies a tile of rows of activations, blocks of 32 columns x, with panels, ldw bytes apart, and adds to
// sums, [panels, 2, 16, 16], what the first columns begin; with the last columns it writes the products to rows of dst, ldd
// apart. xs and ws are scales. With each 64 columns, step bytes from fetch on are brought into the second cache, at most
// channelTileFetch.
type channelKernel = func(dst *float32, ldd int, x *int16, xs *float32, w *byte, ldw int, ws *float32, sums *int32, fetch *byte, step, blocks, panels int, first, last bool)

const (
	// channelTileFrom is from how many rows on tiles are worth it: one that is full.
	channelTileFrom = 16
	// channelTileK is how many columns are multiplied at a time: those of a tile of rows are two thirds of the first cache.
	channelTileK = 1024
	// channelTileBlock is how many bytes of panels, at most tilePanels, all rows pass: half of a second cache.
	channelTileBlock = 1 << 20
	// channelTileFetch is how many bytes can be fetched while tileRows rows are multiplied by 64 columns.
	channelTileFetch = 512
)

func (*channelUnits) from() int { return channelTileFrom }

func (c *channelUnits) round(r *rounded, x []float32, i, m int, p *packed) {
	if i >= c.tiled(m) {
		few{}.round(r, x, i, m, p)
		return
	}
	e := expansions.Get().(*expanded)
	defer expansions.Put(e)
	e.weights = slices.Grow(e.weights[:0], p.k)[:p.k]
	row, k := i%tileRows, p.k&^63
	planes, scales := r.q[(i-row)*p.k:], r.scales[(i-row)*p.k/16:]
	p.scaling.round(p.tier, e.weights, scales[2*row:2*row+2], x[i*p.k:(i+1)*p.k])
	c.split(&planes[row*32], &e.weights[0], k/32)
	if k < p.k {
		digits, last := e.weights[k:], planes[k*tileRows+row*16:]
		copy(last[:16], digits[:16])
		copy(last[tileRows*16:], digits[16:])
	}
}

// mul multiplies with the panels [lo, hi), some at a time.
func (c *channelUnits) mul(l *packedLoop, lo, hi int) {
	e := expansions.Get().(*expanded)
	defer expansions.Put(e)
	some := max(1, min(tilePanels, channelTileBlock/l.p.quantBytes(l.p.k)))
	for first := lo; first < hi; first += some {
		last := min(first+some, hi)
		// Meanwhile the panels after these are fetched.
		c.panels(l, e, first, last, fetching{p: l.p, panel: last, last: min(last+some, hi), k: l.p.k})
		if whole := c.tiled(l.m); whole < l.m {
			for panel := first; panel < last; panel++ {
				l.fewRows(e, panel, whole, l.m)
			}
		}
	}
}

// panels multiplies with the panels [first, last).
func (c *channelUnits) panels(l *packedLoop, e *expanded, first, last int, f fetching) {
	p, count := l.p, last-first
	e.scale = slices.Grow(e.scale[:0], count*p.rows)[:count*p.rows]
	e.sums = slices.Grow(e.sums[:0], count*2*tileRows*tileRows)[:count*2*tileRows*tileRows]
	p.tier.fromF16(&e.scale[0], &p.scale[first*2*p.rows], count)
	size, columns := p.quantBytes(p.k), min(count*p.rows, p.n-first*p.rows)
	f.spread(c.tiled(l.m)/tileRows*count*(p.k/64), channelTileFetch)
	for i := 0; i < c.tiled(l.m); i += tileRows {
		rows, out := min(tileRows, l.m-i), l.dst[i*p.n+first*p.rows:]
		dst, ldd := out, p.n
		edge := rows < tileRows || columns < count*p.rows
		if edge { // a tile that reaches beyond dst
			ldd = count * p.rows
			dst = e.part(tileRows * ldd)
		}
		for at := 0; at < p.k; at += channelTileK {
			k := min(channelTileK, p.k-at)
			fetch := f.next(k / 64 * count)
			c.multiply(&dst[0], ldd, &l.x.q[i*p.k+at*tileRows], &l.x.scales[i*p.k/16], &p.quants[first*size+p.quantBytes(at)], size,
				&e.scale[0], &e.sums[0], fetch, f.step, k/32, count, at == 0, at+k == p.k)
		}
		for r := 0; r < rows && edge; r++ {
			copy(out[r*p.n:][:columns], dst[r*ldd:])
		}
	}
}
