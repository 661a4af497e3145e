package kernel

import (
	"slices"
	"sync"

	"jamba/kernel/par"
)

// rounded is activations [m, K] rounded to blocks of 32 whole numbers, as the integer kernels read them.
type rounded struct {
	q      []int16   // [m, K]
	scales []float32 // [m, K/32, 2]: scale and scale·sum
}

// expanded is memory for the scales and minima of one panel as float32, each [K/sub, 8].
type expanded struct{ scale, least []float32 }

var (
	roundings  = sync.Pool{New: func() any { return new(rounded) }}
	expansions = sync.Pool{New: func() any { return new(expanded) }}
)

type packedTile = func(dst *float32, ldd int, x *int16, ldx int, xs *float32, ldxs int, w *byte, ws, wm *float32, blocks int)

// The tiles of one to six rows, by the weights: 8 bits with a scale for 32 columns, with a minimum, too, or with a scale
// for 16 columns; 4 bits with both.
var (
	tilesI8    = [7]packedTile{1: gemmI8x1, 2: gemmI8x2, 3: gemmI8x3, 4: gemmI8x4, 5: gemmI8x5, 6: gemmI8x6}
	tilesI8m   = [7]packedTile{1: gemmI8mx1, 2: gemmI8mx2, 3: gemmI8mx3, 4: gemmI8mx4, 5: gemmI8mx5, 6: gemmI8mx6}
	tilesI8b16 = [7]packedTile{1: gemmI8b16x1, 2: gemmI8b16x2, 3: gemmI8b16x3, 4: gemmI8b16x4, 5: gemmI8b16x5, 6: gemmI8b16x6}
	tilesI4    = [7]packedTile{1: gemmI4x1, 2: gemmI4x2, 3: gemmI4x3, 4: gemmI4x4, 5: gemmI4x5, 6: gemmI4x6}
)

// rowBlock is how many rows of activations pass a panel before the next: they fit the second cache.
const rowBlock = 96

// mulPackedAVX2 is MatMul with a packed matrix.
func mulPackedAVX2(dst, x []float32, w *Matrix) {
	p, m, blocks := w.packed, len(x)/w.K, w.K/32
	r := roundings.Get().(*rounded)
	defer roundings.Put(r)
	r.round(x, m, w.K, p)
	par.For(p.panels, 1+(1<<16)/(packRows*w.K*max(1, m)), func(lo, hi int) {
		e := expansions.Get().(*expanded)
		defer expansions.Put(e)
		for first := 0; first < m; first += rowBlock {
			end := min(first+rowBlock, m)
			for panel := lo; panel < hi; panel++ {
				scale, least := p.expand(e, panel, w.K)
				size := p.quantBytes(w.K)
				quants := p.quants[panel*size : (panel+1)*size]
				if (panel+1)*packRows <= w.N {
					p.tiles(dst[first*w.N+panel*packRows:], w.N, r, first, end, quants, scale, least, blocks)
					continue
				}
				// The last panel may have more rows than dst has columns.
				var part [rowBlock * packRows]float32
				p.tiles(part[:], packRows, r, first, end, quants, scale, least, blocks)
				for i := first; i < end; i++ {
					copy(dst[i*w.N+panel*packRows:(i+1)*w.N], part[(i-first)*packRows:])
				}
			}
		}
	})
}

// tiles computes the rows [first, end) of one panel.
func (p *packed) tiles(dst []float32, ldd int, r *rounded, first, end int, quants []byte, scale []float32, least *float32, blocks int) {
	k := 32 * blocks
	tiles := &tilesI8
	switch {
	case p.bits == 4:
		tiles = &tilesI4
	case p.sub == 16:
		tiles = &tilesI8b16
	case least != nil:
		tiles = &tilesI8m
	}
	for i := first; i < end; i += 6 {
		out, xs := dst[(i-first)*ldd:], r.scales[i*blocks*2:]
		tiles[min(6, end-i)](&out[0], ldd, &r.q[i*k], 2*k, &xs[0], 2*blocks, &quants[0], &scale[0], least, blocks)
	}
}

// round rounds x [m, k].
func (r *rounded) round(x []float32, m, k int, p *packed) {
	blocks := k / 32
	r.scales = slices.Grow(r.scales[:0], m*blocks*2)[:m*blocks*2]
	r.q = slices.Grow(r.q[:0], m*k)[:m*k]
	par.For(m, 1+(1<<15)/k, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			xs := r.scales[i*blocks*2 : (i+1)*blocks*2]
			roundAVX2(&r.q[i*k], &xs[0], &x[i*k], blocks)
			if p.kind == scaleOffset {
				// d·(q-8) has the minimum -8·d: the kernel multiplies the scales themselves with this.
				for j := 1; j < len(xs); j += 2 {
					xs[j] *= -8
				}
			}
		}
	})
}

// expand widens the scales of a panel, and the minima if there are any, into e's memory.
func (p *packed) expand(e *expanded, panel, k int) (scale []float32, least *float32) {
	n := k / p.sub
	e.scale = slices.Grow(e.scale[:0], n*packRows)[:n*packRows]
	e.least = slices.Grow(e.least[:0], n*packRows)[:n*packRows]
	half := len(p.scale) / p.panels
	d := p.scale[panel*half : (panel+1)*half]
	supers, size := half/(2*packRows), len(p.sc)/p.panels
	switch p.kind {
	case scaleK:
		scalesKAVX2(&e.scale[0], &d[0], &p.sc[panel*size], n/supers, supers)
		scalesKAVX2(&e.least[0], &p.least[panel*half], &p.mn[panel*size], n/supers, supers)
		return e.scale, &e.least[0]
	case scaleK6:
		scalesKAVX2(&e.scale[0], &d[0], &p.sc[panel*size], n/supers, supers)
		return e.scale, nil
	case scaleMin:
		widenF16AVX2(&e.scale[0], &d[0], n)
		widenF16AVX2(&e.least[0], &p.least[panel*half], n)
		return e.scale, &e.least[0]
	case scaleOffset:
		widenF16AVX2(&e.scale[0], &d[0], n)
		return e.scale, &e.scale[0]
	default:
		widenF16AVX2(&e.scale[0], &d[0], n)
		return e.scale, nil
	}
}
