package kernel

import "jamba/tensor"

var manyAVX2 = manyTiles{tile: dotManyAVX2Tiles, packX: packManyAVX2Tile, pack: packManyAVX2Rows, packHalf: packManyAVX2Half, block: kBlock}

func dotManyAVX2Tiles(dst []float32, ldd int, x []float32, each int, panel []float32, tiles, k int, sums []float32, add bool) {
	size := manyTile(k)
	dst, x, panel, sums = dst[:(tiles*productRows-1)*ldd+productColumns], x[:7*each+tiles*size], panel[:manyPanel(k)], sums[:tiles*manySums]
	dotManyAVX2(&dst[0], ldd, &x[0], each, size, &panel[0], k, &sums[0], tiles, add)
}

func packManyAVX2Tile(tile []float32, each int, x []float32, ldx, rows, k int) {
	whole := 0 // of k, for which there are six rows
	if rows == productRows && k >= 8 {
		whole = k &^ 7
		src, to := x[:(productRows-1)*ldx+whole], tile[:7*each+manyTile(k)]
		packManyXAVX2(&to[0], each, &src[0], ldx, whole/8)
	}
	for r := range rows {
		for i := whole; i < k; i++ {
			tile[i%8*each+i/8*productRows+r] = x[r*ldx+i]
		}
	}
}

func packManyAVX2Rows(panel, w []float32, ldw, rows, k int) {
	packManyRows(packManyF32AVX2, panel, w, ldw, rows, k, 1)
	each := len(panel) / 8
	for r := range rows {
		for i := whole(rows, r, k); i < k; i++ {
			panel[i%8*each+i/8*productColumns+r] = w[r*ldw+i]
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
	packManyRows(f, panel, w, ldw, rows, k, 2)
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
func packManyRows[W any](f func(dst *float32, each int, w *W, ldw int, n int), panel []float32, w []W, ldw, rows, k, size int) {
	for c := 0; c+8 <= rows && k >= 8; c += 8 {
		src := w[c*ldw*size : ((c+7)*ldw+k&^7)*size]
		f(&panel[c], len(panel)/8, &src[0], ldw, k/8)
	}
}
