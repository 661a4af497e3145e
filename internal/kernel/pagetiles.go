package kernel

import "jamba/tensor"

// pageTiles are the kernels of attention that read keys and values of one type as pages hold them. While they read rows,
// they fetch those at ahead, whose bytes lie likewise. They give the bits that they give with the rows widened.
type pageTiles struct {
	dtype tensor.DType
	keys  keyTiles
	// mix are the sums of n weighted values for 1 to 6 queries, 16 values wide.
	mix [6]mixTile
	// wide are those for 1 query and more that are columns values wide.
	wide []wideMixTile
	// scales widens the first fp16 number of n rows, a multiple of 8; nil: the type has no scales.
	scales func(dst *float32, rows *byte, row, n int)
	// widen makes float32 of values, a multiple of 16, for more queries than mix has; nil: there is no gain in it.
	widen func(dst *float32, rows *byte, values int)
	// widened are mix for those, 16 and 64 values wide.
	widened [2][6]floatMixTile
}

// keyTiles multiply queries with the keys of a page.
type keyTiles interface {
	// order brings query i, whose values are those of row, into the order of products.
	order(q []float32, i int, row []float32)
	// products writes those of queries [n, width] with keys, and with some that are beyond them: their number is rounded up
	// to a multiple of 8 or 16, that of queries to one of 4. wide is memory, wideRows·width.
	products(dst, q []float32, rows, ahead []byte, n, keys, width int, wide []float32)
}

// mixTile adds values times weights to dst, scales [blocks, PageLen] being those of the values' blocks.
type mixTile = func(dst *float32, ldd int, weights *float32, ldw int, values *byte, scales *float32, ahead *byte, row, n int)

// floatMixTile is a mixTile for values of float32.
type floatMixTile = func(dst *float32, ldd int, weights *float32, ldw int, values *float32, row, n int)

type wideMixTile struct {
	mix     mixTile
	columns int
}

// reads reports whether the kernels have a way for rows of that many values.
func (t *pageTiles) reads(width int) bool { return t != nil && width%16 == 0 }

// rowTiles are the products of 1, 2 and 4 queries [dim] with n keys, a multiple of 8, read where they lie.
type rowTiles struct {
	dtype tensor.DType
	tiles [3]scoreTile
}

type scoreTile = func(dst *float32, ldd int, q *float32, keys, ahead *byte, row, n, dim int)

func (t rowTiles) order(q []float32, i int, row []float32) { copy(q[i*len(row):], row) }

func (t rowTiles) products(dst, q []float32, rows, ahead []byte, n, keys, width int, _ []float32) {
	_, row := PageRow(t.dtype, width)
	for i := 0; i < n; {
		m, f := 1, t.tiles[0]
		switch {
		case n-i >= 4:
			m, f = 4, t.tiles[2]
		case n-i >= 2:
			m, f = 2, t.tiles[1]
		}
		f(&dst[i*PageLen], PageLen, &q[i*width], &rows[0], &ahead[0], row, (keys+7)&^7, width)
		ahead = rows
		i += m
	}
}

// quadTiles are the products of 4, 8 and 12 queries [dim/4, 4, 4] with n keys, some of which are widened at a time: they stay
// in the first cache until all queries have met them.
type quadTiles struct {
	dtype tensor.DType
	widen func(dst *float32, rows *byte, values int)
	tiles [3]quadTile
}

// quadTile fetches some of ahead, step bytes further each time.
type quadTile = func(dst, q, keys *float32, n, dim int, ahead *byte, step int)

// wideRows is how many keys or values are widened at a time, of 64 values or less: they stay in the first cache until all
// queries have met them.
const wideRows = 64

// rowsAtOnce is wideRows of width values: a multiple of 16, with as many bytes.
func rowsAtOnce(width int) int { return max(16, min(wideRows, wideRows*64/width&^15)) }

func (t quadTiles) order(q []float32, i int, row []float32) {
	for d := 0; d < len(row); d += 4 {
		copy(q[i&^3*len(row)+4*d+i&3*4:], row[d:d+4])
	}
}

func (t quadTiles) products(dst, q []float32, rows, ahead []byte, n, keys, width int, wide []float32) {
	_, row := PageRow(t.dtype, width)
	for k, atOnce := 0, rowsAtOnce(width); k < keys; k += atOnce {
		some := min(atOnce, (keys-k+15)&^15)
		t.widen(&wide[0], &rows[k*row], some*width)
		for i := 0; i < n; {
			m := min((n-i+3)/4, len(t.tiles))
			t.tiles[m-1](&dst[i*PageLen+k], &q[i*width], &wide[0], some, width, &ahead[k*row], 32*row/width)
			i += 4 * m
		}
	}
}

// mixRows is how many values pass all queries before the next: they stay in the first cache.
const mixRows = 128

// sum adds to sums [n, width] the values, each times its weight. wide is memory, wideRows·width.
func (t *pageTiles) sum(sums, weights []float32, rows, ahead []byte, n, values, width int, wide []float32) {
	_, row := PageRow(t.dtype, width)
	if t.widen != nil && n > len(t.mix) {
		for k, atOnce := 0, rowsAtOnce(width); k < values; k += atOnce {
			some := min(atOnce, values-k)
			t.widen(&wide[0], &rows[k*row], some*width)
			t.sumWide(sums, weights[k:], wide[:some*width], n, some, width)
		}
		return
	}
	scales := wide
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

// sumWide is sum of values [n, width] of float32.
func (t *pageTiles) sumWide(sums, weights, values []float32, n, some, width int) {
	for i := 0; i < n; i += len(t.mix) {
		m := min(len(t.mix), n-i)
		for at, columns := 0, 0; at < width; at += columns {
			f := t.widened[0][m-1]
			if columns = 16; width-at >= 64 {
				f, columns = t.widened[1][m-1], 64
			}
			f(&sums[i*width+at], width, &weights[i*PageLen], PageLen, &values[at], 4*width, some)
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
