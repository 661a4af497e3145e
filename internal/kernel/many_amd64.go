package kernel

import "jamba/tensor"

var (
	sizesAVX2   = manySizes{lanes: 8, rows: productRows, columns: productColumns, sums: 8 * productRows * productColumns}
	sizesAVX512 = manySizes{lanes: 16, rows: 8, columns: 48, sums: 4 * 8 * 48, gap: 16}

	manyAVX2 = manyTiles{
		tile: dotManyAVX2Tiles, packX: packManyAVX2Tile, pack: packManyAVX2Rows, packHalf: packManyAVX2Half, block: kBlock,
		manySizes: sizesAVX2,
		cached:    1 << 15, // half of 256 KB
		from:      manyFrom{24, 48, 48, 192},
	}
	manyAVX512 = manyTiles{
		tile: dotManyAVX512Tiles, packX: packManyAVX512Tile, pack: packManyAVX512Rows, packHalf: packManyAVX512Half, block: kBlock,
		manySizes: sizesAVX512,
		cached:    1 << 16, // a quarter of 1 MB
		from:      manyFrom{32, 24, 40, 192},
	}
)

func dotManyAVX2Tiles(dst []float32, ldd int, x []float32, each, size int, panel []float32, tiles, k int, sums []float32, add bool, _ ahead) {
	sizesAVX2.check(dst, ldd, x, each, size, panel, tiles, k, sums)
	dotManyAVX2(&dst[0], ldd, &x[0], each, size, &panel[0], k, &sums[0], tiles, add)
}

func dotManyAVX512Tiles(dst []float32, ldd int, x []float32, each, size int, panel []float32, tiles, k int, sums []float32, add bool, next ahead) {
	sizesAVX512.check(dst, ldd, x, each, size, panel, tiles, k, sums)
	dotManyAVX512(&dst[0], ldd, &x[0], each, size, &panel[0], sizesAVX512.steps(k), &sums[0], tiles, add, next.from, next.stride)
}

// check asserts that there is what a tile reads and writes.
func (t *manySizes) check(dst []float32, ldd int, x []float32, each, size int, panel []float32, tiles, k int, sums []float32) {
	_, _ = dst[(tiles*t.rows-1)*ldd+t.columns-1], x[(t.lanes-1)*each+(tiles-1)*size+t.part(k)-1]
	_, _ = panel[t.panel(k)-1], sums[tiles*t.sums-1]
}

func packManyAVX2Tile(tile []float32, each int, x []float32, ldx, rows, k int) {
	whole := 0 // of k, for which there are six rows
	if rows == productRows && k >= 8 {
		whole = k &^ 7
		src, to := x[:(productRows-1)*ldx+whole], tile[:7*each+sizesAVX2.part(k)]
		packManyXAVX2(&to[0], each, &src[0], ldx, whole/8)
	}
	for r := range rows {
		for i := whole; i < k; i++ {
			tile[i%8*each+i/8*productRows+r] = x[r*ldx+i]
		}
	}
}

func packManyAVX2Rows(panel []float32, at int, w []float32, ldw, rows, k int) {
	packManyRows(packManyF32AVX2, panel, at, w, ldw, rows, k, 1)
	each := len(panel) / 8
	for r := range rows {
		for i := whole(rows, r, k); i < k; i++ {
			panel[i%8*each+i/8*productColumns+at+r] = w[r*ldw+i]
		}
	}
}

// packManyAVX2Half is packManyAVX2Rows for weights of type F16 or BF16, if there are whole tiles of them.
func packManyAVX2Half(panel []float32, d tensor.DType, w []byte, ldw, rows, k int) bool {
	if rows%8 != 0 || k%8 != 0 {
		return false
	}
	f := packManyF16AVX2
	if d == tensor.BF16 {
		f = packManyBF16AVX2
	}
	packManyRows(f, panel, 0, w, ldw, rows, k, 2)
	return true
}

// whole is how many columns of row r of so many packManyRows brings into a panel.
func whole(rows, r, k int) int {
	if r >= rows&^7 {
		return 0
	}
	return k &^ 7
}

// packManyRows packs whole tiles of eight rows by eight columns. An element of w, as f counts them, takes size elements
// of the slice.
func packManyRows[W any](f func(dst *float32, each int, w *W, ldw int, n int), panel []float32, at int, w []W, ldw, rows, k, size int) {
	for c := 0; c+8 <= rows && k >= 8; c += 8 {
		src := w[c*ldw*size : ((c+7)*ldw+k&^7)*size]
		f(&panel[at+c], len(panel)/8, &src[0], ldw, k/8)
	}
}

func packManyAVX512Tile(tile []float32, each int, x []float32, ldx, rows, k int) {
	t := &sizesAVX512
	if rows < t.rows {
		packManyAVX512Rest(tile, each, t.rows, x, ldx, rows, k)
		return
	}
	src, to := x[:(rows-1)*ldx+k], tile[:15*each+t.part(k)]
	packManyXAVX512(&to[0], each, &src[0], ldx, k)
}

func packManyAVX512Rows(panel []float32, at int, w []float32, ldw, rows, k int) {
	packManyAVX512(packManyF32AVX512, panel, at, w, ldw, rows, k, 1)
	if c := rows &^ 7; c < rows {
		packManyAVX512Rest(panel[at+c:], len(panel)/16, sizesAVX512.columns, w[c*ldw:], ldw, rows-c, k)
	}
}

// packManyAVX512Half is packManyAVX512Rows for weights of type F16 or BF16, if there are whole tiles of them.
func packManyAVX512Half(panel []float32, d tensor.DType, w []byte, ldw, rows, k int) bool {
	if rows%packedRows != 0 {
		return false
	}
	f := packManyF16AVX512
	if d == tensor.BF16 {
		f = packManyBF16AVX512
	}
	packManyAVX512(f, panel, 0, w, ldw, rows, k, 2)
	return true
}

// packManyAVX512 packs whole tiles of eight rows, some columns of all of them at a time: their part of the panel stays in
// the first cache. An element of w, as f counts them, takes size elements of the slice.
func packManyAVX512[W any](f func(dst *float32, each int, w *W, ldw int, n int), panel []float32, at int, w []W, ldw, rows, k, size int) {
	const atOnce = 128
	for i := 0; i < k; i += atOnce {
		n := min(atOnce, k-i)
		for c := 0; c+packedRows <= rows; c += packedRows {
			src := w[(c*ldw+i)*size : ((c+packedRows-1)*ldw+i+n)*size]
			f(&panel[at+i/16*sizesAVX512.columns+c], len(panel)/16, &src[0], ldw, n)
		}
	}
}

// packManyAVX512Rest brings rows, less than packedRows, into the order of manyAVX512, width values apart.
func packManyAVX512Rest(to []float32, each, width int, src []float32, ld, rows, k int) {
	for r := range rows {
		for i := range sizesAVX512.steps(k) * 16 {
			v := float32(0)
			if i < k {
				v = src[r*ld+i]
			}
			to[reversed[i%16]*each+i/16*width+r] = v
		}
	}
}

// reversed are the numbers to 16 with their bits reversed.
var reversed = [16]int{0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15}
