package kernel

import (
	"slices"
	"sync"

	"jamba/tensor"
)

// packBF16Tiles is packHalf for weights of BF16 with rows of whole tiles.
func packBF16Tiles(w *halves) *tiledHalves {
	if w.dtype != tensor.BF16 || w.k%tileStep != 0 {
		return nil
	}
	return &tiledHalves{*w, mulBF16Tiles}
}

// mulBF16Tiles is weights.mul on tile units. A row of dst has the same bits for any number of rows: all of them go this way.
func mulBF16Tiles(dst, x []float32, w *halves, m int) {
	pairs := tilePairs.Get().(*[]uint16)
	defer tilePairs.Put(pairs)
	// Rows that fill up the last tile stay what they are: no other row depends on them.
	size := (m + tileRows - 1) / tileRows * tileRows * w.k * 2
	*pairs = slices.Grow((*pairs)[:0], size)[:size]
	l := bf16Loop{dst: dst, x: x, pairs: *pairs, w: w, m: m}
	bf16Splits.run(m, 1+(1<<15)/w.k, bf16Split{l})
	bf16Loops.run((w.n+tileRows-1)/tileRows, 1+(1<<16)/(tileRows*w.k*max(1, m)), l)
}

const (
	// tileStep is how many columns of BF16 a tile has.
	tileStep = 32
	// tileGroup is how many panels of 16 weight rows are multiplied at a time.
	tileGroup = 4
)

var (
	tilePairs  = sync.Pool{New: func() any { return new([]uint16) }}
	bf16Loops  loops[bf16Loop, *bf16Loop]
	bf16Splits loops[bf16Split, *bf16Split]
	tileCopies = sync.Pool{New: func() any { return new(tileCopy) }}
)

// tileCopy is working memory: weights in the order of tiles, [panels, K/32, 16, 32], sums, and outputs at the edge.
type tileCopy struct {
	weights   []byte
	sums, out []float32
}

// bf16Loop multiplies with the weights.
type bf16Loop struct {
	dst, x []float32
	pairs  []uint16 // [M/16, K/32, 2, 16, 16, 2]
	w      *halves
	m      int
}

// bf16Split takes rows of x apart.
type bf16Split struct{ bf16Loop }

// Range takes apart the rows [lo, hi).
func (l *bf16Split) Range(lo, hi int) {
	for i := lo; i < hi; i++ {
		k := l.w.k
		splitBF16AMX(&l.pairs[(i-i%tileRows)*k*2+i%tileRows*2], &l.x[i*k], k/tileStep)
	}
}

// Range multiplies with the panels [lo, hi).
func (l *bf16Loop) Range(lo, hi int) {
	c := tileCopies.Get().(*tileCopy)
	defer tileCopies.Put(c)
	w, row := l.w, 2*l.w.k // bytes
	c.sums = slices.Grow(c.sums[:0], tileGroup*tileRows*tileRows)[:tileGroup*tileRows*tileRows]
	c.weights = slices.Grow(c.weights[:0], tileGroup*tileRows*row)[:tileGroup*tileRows*row]
	for panel := lo; panel < hi; {
		f, count := tileBF16x4AMX, tileGroup
		if hi-panel < tileGroup || (panel+tileGroup)*tileRows > w.n {
			f, count = tileBF16x1AMX, 1
		}
		first := panel * tileRows
		columns := min(count*tileRows, w.n-first)
		weights, ldw, step := w.data[first*row:], row, 2*tileStep
		if l.m > tileRows || columns < count*tileRows {
			// Several tiles of x read them again, or rows are missing.
			for r := range columns {
				packBF16AMX(&c.weights[r/tileRows*tileRows*row+r%tileRows*2*tileStep], &weights[r*row], row/(2*tileStep))
			}
			weights, ldw, step = c.weights, 2*tileStep, tileRows*2*tileStep
		}
		// Meanwhile the next rows are fetched.
		next, steps := min(first+columns, w.n-1)*row, w.k/tileStep
		end := min(next+tileGroup*tileRows*row, min(hi*tileRows, w.n)*row)
		ahead := min(count*tileRows*64, (max(0, end-next)/((l.m+tileRows-1)/tileRows*steps)+63)&^63)
		for i := 0; i < l.m; i += tileRows {
			rows := min(tileRows, l.m-i)
			dst, ldd := l.dst[i*w.n+first:], w.n
			if columns < count*tileRows {
				c.out = slices.Grow(c.out[:0], tileRows*tileRows)[:tileRows*tileRows]
				dst, ldd = c.out, tileRows
			}
			f(&dst[0], ldd, &l.pairs[i*w.k*2], &weights[0], ldw, step, tileRows*row, &c.sums[0], &w.data[next], ahead, steps, rows)
			next = min(next+ahead*steps, len(w.data)-1)
			for r := 0; r < rows && columns < count*tileRows; r++ {
				copy(l.dst[(i+r)*w.n+first:][:columns], dst[r*ldd:])
			}
		}
		panel += count
	}
}
