package kernel

import "jamba/tensor"

// pageTiles are the kernels of attention that read keys and values of one type as pages hold them. While they read rows,
// they fetch those at ahead, whose bytes lie likewise. They give the bits of dot and gemm with the rows widened.
type pageTiles struct {
	dtype tensor.DType
	// score are the products of 1, 2 and 4 queries [dim] with n keys, a multiple of 16.
	score [3]scoreTile
	// mix are the sums of n weighted values for 1 to 6 queries, 16 values wide.
	mix [6]mixTile
	// wide are those for 1 query and more that are columns values wide.
	wide []wideMixTile
	// scales widens the first fp16 number of n rows, a multiple of 8; nil: the type has no scales.
	scales func(dst *float32, rows *byte, row, n int)
}

type scoreTile = func(dst *float32, ldd int, q *float32, keys, ahead *byte, row, n, dim int)

// mixTile adds values times weights to dst, scales [blocks, PageLen] being those of the values' blocks.
type mixTile = func(dst *float32, ldd int, weights *float32, ldw int, values *byte, scales *float32, ahead *byte, row, n int)

type wideMixTile struct {
	mix     mixTile
	columns int
}

// reads reports whether the kernels have a way for rows of that many values.
func (t *pageTiles) reads(width int) bool { return t != nil && width%16 == 0 }

// products computes those of queries q [n, width] with keys, and with some that are beyond them: their number is rounded
// up to a multiple of 16.
func (t *pageTiles) products(dst, q []float32, rows, ahead []byte, n, keys, width int) {
	_, row := PageRow(t.dtype, width)
	for i := 0; i < n; {
		m, f := 1, t.score[0]
		switch {
		case n-i >= 4:
			m, f = 4, t.score[2]
		case n-i >= 2:
			m, f = 2, t.score[1]
		}
		f(&dst[i*PageLen], PageLen, &q[i*width], &rows[0], &ahead[0], row, (keys+15)&^15, width)
		ahead = rows
		i += m
	}
}

// mixRows is how many values pass all queries before the next: they stay in the first cache.
const mixRows = 128

// sum adds to sums [n, width] the values, each times its weight. scales is memory, wideRows·width.
func (t *pageTiles) sum(sums, weights []float32, rows, ahead []byte, n, values, width int, scales []float32) {
	_, row := PageRow(t.dtype, width)
	for at := 0; at < width && t.scales != nil; at += t.dtype.BlockValues() {
		t.scales(&scales[at/t.dtype.BlockValues()*PageLen], &rows[at/t.dtype.BlockValues()*t.dtype.BlockBytes()], row, (values+7)&^7)
	}
	for k := 0; k < values; k += mixRows {
		some := min(mixRows, values-k)
		for i := 0; i < n; i += len(t.mix) {
			m, fetch := min(len(t.mix), n-i), ahead
			if i > 0 {
				fetch = rows
			}
			for at, columns := 0, 0; at < width; at += columns {
				f := t.mix[m-1]
				if columns = 16; m <= len(t.wide) && width-at >= t.wide[m-1].columns {
					f, columns = t.wide[m-1].mix, t.wide[m-1].columns
				}
				next := &fetch[k*row+at*some*row/width] // each tile has a part fetched
				f(&sums[i*width+at], width, &weights[i*PageLen+k], PageLen, &rows[k*row+t.offset(at)], &scales[at/32*PageLen+k], next, row, some)
			}
		}
	}
}

// offset is where value i of a row lies in it: behind the scale of its block, if there is one.
func (t *pageTiles) offset(i int) int {
	values, bytes := t.dtype.BlockValues(), t.dtype.BlockBytes()
	if t.scales == nil {
		return i / values * bytes
	}
	return i/values*bytes + bytes - values + i%values
}
