package kernel

import "slices"

// channelTiles are tiles from one row of activations on for weights with one scale for a row, the arithmetic c8.
//
// A row of activations has one scale, too, and numbers of 16 bits up to digitsMost. So a product is an integer, exact in any order,
// and is made a float once: the sum as float64, which holds it, times the scales' product, rounded to float32. To the integers
// of weights 128 is added, see int8Fours; it is taken off again by the sum of activations.
//
// Kernels with products of bytes have numbers in two digits to the base 256, both signed and at most 127: each 32 columns are
// 32 higher digits and 32 lower ones. Sums of 65536 columns fit an int32, for each digit. Those with products of 16 bits have
// them as they are; a sum is of two columns of four, and those of 512 columns fit an int32. For a row of activations the first
// two of its scales are the scale and, as an int32 by its bits, the sum of its numbers.
type channelTiles struct {
	wordRows
	tiles []channelTile
}

// channelTile multiplies rows of x, ldx bytes apart, with a panel. wide is memory for a float64 for each product.
type channelTile = func(dst *float32, ldd int, x *int16, ldx int, xs *float32, ldxs int, w *byte, ws *float32, wide *float64, blocks int)

func (t channelTiles) panel(dst []float32, ldd int, x *rounded, first, end int, p *packed, panel int, e *expanded) {
	p.scales(e, panel)
	k, quants := p.k, p.quants[panel*p.quantBytes(p.k):]
	e.wide = slices.Grow(e.wide[:0], len(t.tiles)*p.rows)[:len(t.tiles)*p.rows]
	for i := first; i < end; i += len(t.tiles) {
		out, xs := dst[(i-first)*ldd:], x.scales[i*k/16:]
		t.tiles[min(len(t.tiles), end-i)-1](&out[0], ldd, &x.q[i*k], 2*k, &xs[0], k/16, &quants[0], &e.scale[0], &e.wide[0], k/32)
	}
}

// channelMany is the way of many rows of activations: tiles of rows and two panels, which stay in the first cache while the rows
// pass, from the second. Meanwhile the next two are fetched. A last panel without another, or of fewer columns, goes by the way
// of few.
type channelMany struct {
	few
	tiles []channelPair
}

// channelPair is a channelTile with a second panel, second bytes after the first. With each 32 columns step bytes from fetch on
// are brought into the second cache, at most channelPairFetch.
type channelPair = func(dst *float32, ldd int, x *int16, ldx int, xs *float32, ldxs int, w *byte, ws *float32, second int,
	fetch *byte, step, blocks int)

const (
	// channelFrom is from how many rows on two panels at a time are worth it: more than the tiles of few rows have.
	channelFrom = 13
	// channelRows is how many bytes of rounded rows pass two panels before the next, half of a second cache, if there are at least
	// rowBlock rows.
	channelRows = 1 << 20
	// channelPairFetch is how many bytes can be fetched while a tile is multiplied by 32 columns.
	channelPairFetch = 256
)

func (*channelMany) String() string { return "pairs of panels" }

func (*channelMany) from() int { return channelFrom }

func (*channelMany) pieces(p *packed, _ int) int { return (p.count + 1) / 2 }

// mul multiplies with the pairs of panels [lo, hi).
func (c *channelMany) mul(l *packedLoop, lo, hi int) {
	e := expansions.Get().(*expanded)
	defer expansions.Put(e)
	rows := evenly(l.m, max(rowBlock, channelRows/(2*l.p.k)))
	for first := 0; first < l.m; first += rows {
		end := min(first+rows, l.m)
		for panel := 2 * lo; panel < min(2*hi, l.p.count); panel += 2 {
			if (panel+2)*l.p.rows <= l.p.n {
				next := panel + 2
				if next == 2*hi && end < l.m {
					next = 2 * lo
				}
				c.pair(l, e, panel, first, end, l.ahead(next, 2, 0, l.p.k))
				continue
			}
			for one := panel; one < min(panel+2, l.p.count); one++ {
				for i := first; i < end; i += rowBlock {
					l.fewRows(e, one, i, min(i+rowBlock, end))
				}
			}
		}
	}
}

// pair multiplies the rows [first, end) with two panels.
func (c *channelMany) pair(l *packedLoop, e *expanded, panel, first, end int, f fetching) {
	p, k := l.p, l.p.k
	e.scale = slices.Grow(e.scale[:0], 2*p.rows)[:2*p.rows]
	p.tier.fromF16(&e.scale[0], &p.scale[panel*2*p.rows], 2)
	size, most := p.quantBytes(k), len(c.tiles)
	f.spread((end-first+most-1)/most*(k/32), channelPairFetch)
	for i, next := first, 0; i < end; i = next {
		next = i + evenly(end-i, most)
		c.tiles[next-i-1](&l.dst[i*p.n+panel*p.rows], p.n, &l.x.q[i*k], 2*k, &l.x.scales[i*k/16], k/16,
			&p.quants[panel*size], &e.scale[0], size, f.next(k/32), f.step, k/32)
	}
}
