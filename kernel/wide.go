package kernel

import "slices"

// wideKernels are the kernels of packed matrices for many rows of activations: tiles of productRows rows and two panels,
// whose weights are widened to 16 bits first. They give the bits of the packed tiles.
type wideKernels struct {
	// The tiles by the weights: with a scale for 32 columns, or with a minimum, too; the same for K formats.
	plain, min, k, kmin wideTile
	// i8 and i4 widen blocks of 32 columns of a panel of so many bits into every other vector of dst, and fetch what lies
	// ahead bytes after them.
	i8, i4 func(dst *int16, w *byte, ahead, blocks int)
	// k4, k5 and k6 do so for K formats and multiply by the bytes that scale sub-blocks.
	k4, k5, k6 func(dst *int16, w, sc *byte, ahead, blocks int)
}

// wideTile is a packedTile with the scales of the second panel, and the minima, second bytes after those of the first.
type wideTile = func(dst *float32, ldd int, x *int16, ldx int, xs *float32, ldxs int, w *int16, ws, wm *float32, second, blocks int, add bool)

const (
	// wideFrom is from how many rows on it is worth it to widen weights first: with 32 rows, the last tile of which is
	// partly empty, it is not.
	wideFrom = 48
	// wideK is how many columns of two panels are widened at a time, whole blocks of all types: half of the first cache.
	wideK = 512
	// wideBlock is how many rows pass them before the next: so many columns of theirs are half of a second cache.
	wideBlock = 32 * productRows
)

// many reports whether products with m rows of activations go by wide tiles.
func (p *packed) many(m int) bool { return p.kernels.wide != nil && m >= wideFrom }

// wideAt is where wide tiles have the columns from at on, a multiple of wideK, of row i of m rounded activations, in the
// order [K/wideK, tiles, productRows, wideK]: what a tile reads follows in memory. Scales are in the same order.
func wideAt(m, k, i, at int) int {
	rows := (m + productRows - 1) / productRows * productRows
	return at*rows + i*min(wideK, k-at)
}

// wide multiplies with the panels [lo, hi), two at a time.
func (l *packedLoop) wide(lo, hi int) {
	e := expansions.Get().(*expanded)
	defer expansions.Put(e)
	for first := 0; first < l.m; first += wideBlock {
		for at := 0; at < l.w.K; at += wideK {
			for panel := lo; panel < hi; panel += 2 {
				l.pair(e, panel, min(panel+1, hi-1), first, min(first+wideBlock, l.m), at, min(wideK, l.w.K-at))
			}
		}
	}
}

// pair multiplies k columns of the rows [first, end) from column at on with two panels, or with the last one twice.
func (l *packedLoop) pair(e *expanded, panel, other, first, end, at, k int) {
	w, p, x := l.w, l.w.packed, l.x
	rows, kernels := p.kernels.rows, p.kernels.wide
	n := k / p.sub * rows // scales of a panel
	e.scale = slices.Grow(e.scale[:0], 2*n)[:2*n]
	e.least = slices.Grow(e.least[:0], 2*n)[:2*n]
	e.weights = slices.Grow(e.weights[:0], 2*k*rows)[:2*k*rows]
	least := p.expandTo(e.scale[:n], e.least[:n], panel, w.K, at)
	p.expandTo(e.scale[n:], e.least[n:], other, w.K, at)
	p.widen(e.weights, panel, w.K, at, k)
	p.widen(e.weights[rows*2:], other, w.K, at, k)
	tile, blocks := kernels.plain, k/32
	switch {
	case p.super() && least != nil:
		tile, blocks = kernels.kmin, k/superHalf
	case p.super():
		tile, blocks = kernels.k, k/superHalf
	case least != nil:
		tile = kernels.min
	}
	columns := min((other+1)*rows, w.N) - panel*rows
	for i := first; i < end; i += productRows {
		q := wideAt(l.m, w.K, i, at)
		dst, ldd, m := l.dst[i*w.N+panel*rows:], w.N, min(productRows, end-i)
		edge := m < productRows || columns < 2*rows
		if edge { // a tile that reaches beyond dst
			dst, ldd = e.part(productRows*2*rows), 2*rows
			for r := 0; r < m && at > 0; r++ {
				copy(dst[r*ldd:], l.dst[(i+r)*w.N+panel*rows:][:columns])
			}
		}
		tile(&dst[0], ldd, &x.q[q], 2*k, &x.scales[q/16], k/16, &e.weights[0], &e.scale[0], least, 4*n, blocks, at > 0)
		for r := 0; r < m && edge; r++ {
			copy(l.dst[(i+r)*w.N+panel*rows:][:columns], dst[r*ldd:])
		}
	}
}

// widen widens k columns of a panel of rows of K values, from column at on, into every other vector of dst.
func (p *packed) widen(dst []int16, panel, K, at, k int) {
	rows, kernels, size := p.kernels.rows, p.kernels.wide, p.quantBytes(K)
	quants := p.quants[panel*size+p.quantBytes(at):]
	if !p.super() {
		widen := kernels.i8
		if p.bits == 4 {
			widen = kernels.i4
		}
		widen(&dst[0], &quants[0], 2*size, k/32)
		return
	}
	widen := kernels.k6
	switch {
	case p.bits == 4:
		widen = kernels.k4
	case p.kind == scaleK:
		widen = kernels.k5
	}
	sc := p.sc[panel*(len(p.sc)/p.panels)+at/p.sub*rows:]
	widen(&dst[0], &quants[0], &sc[0], 2*size, k/32)
}
