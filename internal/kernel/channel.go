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

// channelMany is the way of many rows of activations: tiles of channelRows rows and two panels. Those rows stay in the first
// cache while some panels pass, which stay in the second. What no tile fits goes by the way of few.
type channelMany struct {
	few
	tile func(dst *float32, ldd int, x *int16, ldx int, xs *float32, ldxs int, w *byte, ws *float32, second, blocks int)
}

const (
	// channelRows is how many rows a tile has.
	channelRows = 6
	// channelFrom is from how many rows on two panels at a time are worth it: more than the tiles of few rows have.
	channelFrom = 13
	// channelBlock is how many bytes of panels pass the rows: a quarter of a second cache.
	channelBlock = 1 << 19
)

func (*channelMany) String() string { return "pairs of panels" }

func (*channelMany) from() int { return channelFrom }

func (*channelMany) pieces(p *packed, _ int) int { return (p.count + 1) / 2 }

// mul multiplies with the pairs of panels [lo, hi).
func (c *channelMany) mul(l *packedLoop, lo, hi int) {
	lo, hi = 2*lo, min(2*hi, l.p.count)
	e := expansions.Get().(*expanded)
	defer expansions.Put(e)
	some := max(1, channelBlock/(2*l.p.quantBytes(l.p.k))) * 2
	for first := lo; first < hi; first += some {
		for i := 0; i < l.m; i += channelRows {
			end := min(i+channelRows, l.m)
			for panel := first; panel < min(first+some, hi); panel += 2 {
				if end-i == channelRows && panel+2 <= hi && (panel+2)*l.p.rows <= l.p.n {
					c.pair(l, e, panel, i)
					continue
				}
				for one := panel; one < min(panel+2, hi); one++ {
					l.fewRows(e, one, i, end)
				}
			}
		}
	}
}

// pair multiplies channelRows rows, from row i on, with two panels.
func (c *channelMany) pair(l *packedLoop, e *expanded, panel, i int) {
	p, k := l.p, l.p.k
	e.scale = slices.Grow(e.scale[:0], 2*p.rows)[:2*p.rows]
	p.tier.fromF16(&e.scale[0], &p.scale[panel*2*p.rows], 2)
	size := p.quantBytes(k)
	c.tile(&l.dst[i*p.n+panel*p.rows], p.n, &l.x.q[i*k], 2*k, &l.x.scales[i*k/16], k/16, &p.quants[panel*size], &e.scale[0], size, k/32)
}
