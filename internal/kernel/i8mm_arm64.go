package kernel

import (
	"slices"

	"golang.org/x/sys/cpu"
)

// matrixTiles are the way of many rows of activations with instructions that multiply two rows of eight bytes with two
// others: four rows at a time, with weights arranged for it.
type matrixTiles struct {
	arrange func(dst *int16, w *byte, blocks int) // as bytes
	// tile is a packedTile of four rows in pairs, ldx bytes apart, that adds to dst if it is to; super one of K formats.
	// One of them is nil.
	tile  func(dst *float32, ldd int, x *int16, ldx int, xs *float32, ldxs int, w *int16, ws, wm *float32, blocks int, add bool)
	super func(dst *float32, ldd int, x *int16, ldx int, xs *float32, ldxs int, w *int16, sc *byte, ws, wm *float32, blocks int, add bool)
}

const (
	// matrixFrom is from how many rows on it is taken for worth it to arrange weights first; nothing has been measured.
	matrixFrom = 8
	// matrixRows is how many rows a tile has.
	matrixRows = 4
	// matrixK is how many columns of a panel are arranged at a time.
	matrixK = 512
)

func (*matrixTiles) String() string { return "matrix products" }

func (*matrixTiles) from() int { return matrixFrom }

func (*matrixTiles) pieces(p *packed, _ int) int { return p.count }

func (*matrixTiles) roundedRows(m int) int { return (m + matrixRows - 1) / matrixRows * matrixRows }

// round has pairs of rows share their memory: of each plane of 32 columns, eight of the one and eight of the other in turn.
func (*matrixTiles) round(r *rounded, x []float32, i, _ int, p *packed) {
	e := expansions.Get().(*expanded)
	defer expansions.Put(e)
	k := p.k
	e.weights = slices.Grow(e.weights[:0], k)[:k]
	p.scaling.round(p.tier, e.weights, r.scales[i*k/16:(i+1)*k/16], x[i*k:(i+1)*k])
	const eight = 4 // bytes are half an int16
	to := r.q[i/2*2*k+i%2*eight : (i/2+1)*2*k]
	for at := 0; at < k; at += eight {
		copy(to[2*at:2*at+eight], e.weights[at:])
	}
}

// mul multiplies with the panels [lo, hi).
func (t *matrixTiles) mul(l *packedLoop, lo, hi int) {
	e := expansions.Get().(*expanded)
	defer expansions.Put(e)
	for first := 0; first < l.m; first += rowBlock {
		for panel := lo; panel < hi; panel++ {
			for at := 0; at < l.p.k; at += matrixK {
				t.part(l, e, panel, first, min(first+rowBlock, l.m), at, min(matrixK, l.p.k-at))
			}
		}
	}
}

// part multiplies k columns, from column at on, of the rows [first, end) with a panel.
func (t *matrixTiles) part(l *packedLoop, e *expanded, panel, first, end, at, k int) {
	p, x := l.p, l.x
	rows := p.rows
	n := k / p.sub * rows // scales
	e.scale = slices.Grow(e.scale[:0], n)[:n]
	e.minima = slices.Grow(e.minima[:0], n)[:n]
	e.weights = slices.Grow(e.weights[:0], k*rows/2)[:k*rows/2]
	minima := p.expand(e.scale, e.minima, panel, at)
	t.arrange(&e.weights[0], &p.quants[panel*p.quantBytes(p.k)+p.quantBytes(at)], k/32)
	blocks, columns := k/p.scaling.unit(), min(rows, p.n-panel*rows)
	for i := first; i < end; i += matrixRows {
		dst, ldd, m := l.dst[i*p.n+panel*rows:], p.n, min(matrixRows, end-i)
		edge := m < matrixRows || columns < rows
		if edge { // a tile that reaches beyond dst
			dst, ldd = e.part(matrixRows*rows), rows
			for r := 0; r < m && at > 0; r++ {
				copy(dst[r*ldd:], l.dst[(i+r)*p.n+panel*rows:][:columns])
			}
		}
		q, scales := &x.q[i*p.k+2*at], &x.scales[i*p.k/16+at/16]
		if t.super != nil {
			sc := &p.subScale[(panel*(p.k/p.sub)+at/p.sub)*rows]
			t.super(&dst[0], ldd, q, 4*p.k, scales, p.k/16, &e.weights[0], sc, &e.scale[0], minima, blocks, at > 0)
		} else {
			t.tile(&dst[0], ldd, q, 4*p.k, scales, p.k/16, &e.weights[0], &e.scale[0], minima, blocks, at > 0)
		}
		for r := 0; r < m && edge; r++ {
			copy(l.dst[(i+r)*p.n+panel*rows:][:columns], dst[r*ldd:])
		}
	}
}

// neonI8MM is neonSDOT with another way for many rows.
var neonI8MM = func() table {
	t := neonSDOT
	pack := packSDOT
	for a, many := range map[arithmetic]*matrixTiles{
		i8:  {arrange: arrangeI8NEON, tile: gemmI8MM},
		i8m: {arrange: arrangeI8NEON, tile: gemmI8MMm},
		i4m: {arrange: arrangeI4NEON, tile: gemmI8MMm},
		k4:  {arrange: arrangeI4NEON, super: gemmI8MMKm},
		k5:  {arrange: arrangeI8NEON, super: gemmI8MMKm},
		k6:  {arrange: arrangeI8NEON, super: gemmI8MMK},
	} {
		pack.arithmetic[a].many = many
	}
	t.name, t.pack = "neon+sdot+i8mm", &pack
	t.needs = append(slices.Clip(t.needs), need{"I8MM", cpu.ARM64.HasI8MM})
	t.limits.i8 = func(n int) int { return rounds(n, 24*16, peakI8MM) }
	return t
}()
