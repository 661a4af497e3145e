package kernel

import "jamba/tensor"

// kBlock is how far a product runs along k before the next rows: a few rows of x and of w fit the first cache.
const kBlock = 1024

type dotTile[W any] = func(dst *float32, ldd int, x *float32, ldx int, w *W, ldw, k int)

// dotTiles are the kernels of products with both operands contiguous in k.
type dotTiles[W any] struct {
	one, some []dotTile[W] // from one row of x on, for one row of w and for that many:
	columns   int
	row       dotTile[W] // one row of x, for wide rows of w
	wide      int
}

var (
	tilesF32AVX2 = dotTiles[float32]{
		[]dotTile[float32]{dotF32x1x1, dotF32x2x1, dotF32x3x1, dotF32x4x1},
		[]dotTile[float32]{dotF32x1x3, dotF32x2x3, dotF32x3x3, dotF32x4x3},
		3,
		dotF32x1x6, 6,
	}
	tilesBF16AVX2 = dotTiles[byte]{
		[]dotTile[byte]{dotBF16x1x1, dotBF16x2x1, dotBF16x3x1, dotBF16x4x1},
		[]dotTile[byte]{dotBF16x1x3, dotBF16x2x3, dotBF16x3x3, dotBF16x4x3},
		3,
		dotBF16x1x6, 6,
	}
	tilesF16AVX2 = dotTiles[byte]{
		[]dotTile[byte]{dotF16x1x1, dotF16x2x1, dotF16x3x1, dotF16x4x1},
		[]dotTile[byte]{dotF16x1x3, dotF16x2x3, dotF16x3x3, dotF16x4x3},
		3,
		dotF16x1x6, 6,
	}
	tilesF32AVX512 = dotTiles[float32]{
		[]dotTile[float32]{dotF32Zx1x1, dotF32Zx2x1, dotF32Zx3x1, dotF32Zx4x1, dotF32Zx5x1, dotF32Zx6x1},
		[]dotTile[float32]{dotF32Zx1x4, dotF32Zx2x4, dotF32Zx3x4, dotF32Zx4x4, dotF32Zx5x4, dotF32Zx6x4},
		4,
		dotF32Zx1x8, 8,
	}
	tilesBF16AVX512 = dotTiles[byte]{
		[]dotTile[byte]{dotBF16Zx1x1, dotBF16Zx2x1, dotBF16Zx3x1, dotBF16Zx4x1, dotBF16Zx5x1, dotBF16Zx6x1},
		[]dotTile[byte]{dotBF16Zx1x4, dotBF16Zx2x4, dotBF16Zx3x4, dotBF16Zx4x4, dotBF16Zx5x4, dotBF16Zx6x4},
		4,
		dotBF16Zx1x8, 8,
	}
	tilesF16AVX512 = dotTiles[byte]{
		[]dotTile[byte]{dotF16Zx1x1, dotF16Zx2x1, dotF16Zx3x1, dotF16Zx4x1, dotF16Zx5x1, dotF16Zx6x1},
		[]dotTile[byte]{dotF16Zx1x4, dotF16Zx2x4, dotF16Zx3x4, dotF16Zx4x4, dotF16Zx5x4, dotF16Zx6x4},
		4,
		dotF16Zx1x8, 8,
	}
)

// rows runs the tiles; an element of w, as the tiles count them, takes size elements of the slice.
func (t *dotTiles[W]) rows(dst, x []float32, w []W, m, n, k, ldd, size int) {
	maxRows := len(t.one)
	for at := 0; at < k; at += kBlock {
		kb := min(kBlock, k-at)
		for i := 0; i < m; i += maxRows {
			rows := min(maxRows, m-i)
			for j := 0; j < n; {
				columns, f := 1, t.one[rows-1]
				switch {
				case rows == 1 && n-j >= t.wide:
					columns, f = t.wide, t.row
				case n-j >= t.columns:
					columns, f = t.columns, t.some[rows-1]
				}
				out, src, weights := dst[i*ldd+j:(i+rows-1)*ldd+j+columns], x[i*k+at:(i+rows)*k], w[(j*k+at)*size:(j+columns)*k*size]
				if at == 0 {
					f(&out[0], ldd, &src[0], k, &weights[0], k, kb)
				} else {
					var part [6 * 4]float32
					f(&part[0], columns, &src[0], k, &weights[0], k, kb)
					for r := range rows {
						Add(out[r*ldd:r*ldd+columns], part[r*columns:(r+1)*columns])
					}
				}
				j += columns
			}
		}
	}
}

func dotAVX2(dst, x, w []float32, m, n, k, ldd int) { tilesF32AVX2.rows(dst, x, w, m, n, k, ldd, 1) }

func dotAVX512(dst, x, w []float32, m, n, k, ldd int) {
	tilesF32AVX512.rows(dst, x, w, m, n, k, ldd, 1)
}

// dotHalfAVX2 is dotAVX2 with weights of 16 bits, BF16 or F16, if k is a multiple of 8.
func dotHalfAVX2(d tensor.DType, dst, x []float32, w []byte, m, n, k, ldd int) bool {
	if k%8 != 0 {
		return false
	}
	if d == tensor.BF16 {
		tilesBF16AVX2.rows(dst, x, w, m, n, k, ldd, 2)
	} else {
		tilesF16AVX2.rows(dst, x, w, m, n, k, ldd, 2)
	}
	return true
}

// dotHalfAVX512 is dotAVX512 with weights of 16 bits, BF16 or F16.
func dotHalfAVX512(d tensor.DType, dst, x []float32, w []byte, m, n, k, ldd int) bool {
	if d == tensor.BF16 {
		tilesBF16AVX512.rows(dst, x, w, m, n, k, ldd, 2)
	} else {
		tilesF16AVX512.rows(dst, x, w, m, n, k, ldd, 2)
	}
	return true
}

// gemmTiles are the kernels of products with rows of w contiguous in n, from one row of x on, for width columns.
type gemmTiles[W any] struct {
	tiles []func(dst *float32, ldd int, x *float32, ldx int, w *W, ldw, k int, add bool)
	width int
}

type (
	gemmTile     = func(dst *float32, ldd int, x *float32, ldx int, w *float32, ldw, k int, add bool)
	gemmHalfTile = func(dst *float32, ldd int, x *float32, ldx int, w *byte, ldw, k int, add bool)
)

var (
	gemmF32AVX2 = gemmTiles[float32]{[]gemmTile{gemmF32x1, gemmF32x2, gemmF32x3, gemmF32x4, gemmF32x5, gemmF32x6}, 16}
	gemmF16AVX2 = gemmTiles[byte]{[]gemmHalfTile{gemmF16x1, gemmF16x2, gemmF16x3, gemmF16x4, gemmF16x5, gemmF16x6}, 16}

	gemmF32AVX512 = gemmTiles[float32]{[]gemmTile{
		gemmF32Zx1, gemmF32Zx2, gemmF32Zx3, gemmF32Zx4, gemmF32Zx5, gemmF32Zx6, gemmF32Zx7, gemmF32Zx8,
	}, 32}
	gemmF16AVX512 = gemmTiles[byte]{[]gemmHalfTile{
		gemmF16Zx1, gemmF16Zx2, gemmF16Zx3, gemmF16Zx4, gemmF16Zx5, gemmF16Zx6, gemmF16Zx7, gemmF16Zx8,
	}, 32}
)

// columns computes the columns from first on, as many as there are whole tiles for, and returns where it stopped. An
// element of w, as the tiles count them, takes size elements of the slice.
func (t *gemmTiles[W]) columns(dst, x []float32, w []W, m, first, n, k, ldx, size int, add bool) int {
	maxRows, end := len(t.tiles), n-(n-first)%t.width
	for i := 0; i < m; i += maxRows {
		rows := min(maxRows, m-i)
		out, src := dst[i*n:(i+rows)*n], x[i*ldx:(i+rows-1)*ldx+k]
		for j := first; j < end; j += t.width {
			t.tiles[rows-1](&out[j], n, &src[0], ldx, &w[j*size], n, k, add)
		}
	}
	return end
}

// gemmColumns computes the columns from first on, less than 16, as gemmGeneric does.
func gemmColumns(dst, x, w []float32, m, first, n, k, ldx int, add bool) {
	for i := 0; i < m && first < n; i++ {
		out := dst[i*n+first : (i+1)*n]
		if !add {
			clear(out)
		}
		for j, v := range x[i*ldx : i*ldx+k] {
			AddScaled(out, v, w[j*n+first:(j+1)*n])
		}
	}
}

func gemmAVX2(dst, x, w []float32, m, n, k, ldx int, add bool) {
	whole := gemmF32AVX2.columns(dst, x, w, m, 0, n, k, ldx, 1, add)
	gemmColumns(dst, x, w, m, whole, n, k, ldx, add)
}

func gemmAVX512(dst, x, w []float32, m, n, k, ldx int, add bool) {
	whole := gemmF32AVX512.columns(dst, x, w, m, 0, n, k, ldx, 1, add)
	whole = gemmF32AVX2.columns(dst, x, w, m, whole, n, k, ldx, 1, add)
	gemmColumns(dst, x, w, m, whole, n, k, ldx, add)
}

// gemmHalfAVX2 is gemmAVX2 with w in F16, if n is a multiple of 16.
func gemmHalfAVX2(dst, x []float32, w []byte, m, n, k, ldx int, add bool) {
	gemmF16AVX2.columns(dst, x, w, m, 0, n, k, ldx, 2, add)
}

// gemmHalfAVX512 is gemmAVX512 with w in F16, if n is a multiple of 16.
func gemmHalfAVX512(dst, x []float32, w []byte, m, n, k, ldx int, add bool) {
	whole := gemmF16AVX512.columns(dst, x, w, m, 0, n, k, ldx, 2, add)
	gemmF16AVX2.columns(dst, x, w, m, whole, n, k, ldx, 2, add)
}
