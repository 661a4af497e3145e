package kernel

import "jamba/tensor"

var (
	tilesF32NEON = dotTiles[float32]{
		[]dotTile[float32]{dotF32Nx1x1, dotF32Nx2x1, dotF32Nx3x1, dotF32Nx4x1},
		[]dotTile[float32]{dotF32Nx1x3, dotF32Nx2x3, dotF32Nx3x3, dotF32Nx4x3},
		3,
		dotF32Nx1x6, 6,
	}
	tilesBF16NEON = dotTiles[byte]{
		[]dotTile[byte]{dotBF16Nx1x1, dotBF16Nx2x1, dotBF16Nx3x1, dotBF16Nx4x1},
		[]dotTile[byte]{dotBF16Nx1x3, dotBF16Nx2x3, dotBF16Nx3x3, dotBF16Nx4x3},
		3,
		dotBF16Nx1x6, 6,
	}
	tilesF16NEON = dotTiles[byte]{
		[]dotTile[byte]{dotF16Nx1x1, dotF16Nx2x1, dotF16Nx3x1, dotF16Nx4x1},
		[]dotTile[byte]{dotF16Nx1x3, dotF16Nx2x3, dotF16Nx3x3, dotF16Nx4x3},
		3,
		dotF16Nx1x6, 6,
	}
)

func dotNEON(dst, x, w []float32, m, n, k, ldd int) { tilesF32NEON.rows(dst, x, w, m, n, k, ldd, 1) }

// dotHalfNEON is dotNEON with weights of 16 bits, BF16 or F16, if k is a multiple of 8.
func dotHalfNEON(d tensor.DType, dst, x []float32, w []byte, m, n, k, ldd int) bool {
	if k%8 != 0 {
		return false
	}
	if d == tensor.BF16 {
		tilesBF16NEON.rows(dst, x, w, m, n, k, ldd, 2)
	} else {
		tilesF16NEON.rows(dst, x, w, m, n, k, ldd, 2)
	}
	return true
}

var (
	gemmF32NEON = gemmTiles[float32]{[]gemmTile{gemmF32Nx1, gemmF32Nx2, gemmF32Nx3, gemmF32Nx4, gemmF32Nx5, gemmF32Nx6}, 16}
	gemmF16NEON = gemmTiles[byte]{[]gemmHalfTile{gemmF16Nx1, gemmF16Nx2, gemmF16Nx3, gemmF16Nx4, gemmF16Nx5, gemmF16Nx6}, 16}
)

func gemmNEON(dst, x, w []float32, m, n, k, ldx int, add bool) {
	whole := gemmF32NEON.columns(dst, x, w, m, 0, n, k, ldx, 1, add)
	gemmColumns(dst, x, w, m, whole, n, k, ldx, add)
}

// gemmHalfNEON is gemmNEON with w in F16, if n is a multiple of 16.
func gemmHalfNEON(dst, x []float32, w []byte, m, n, k, ldx int, add bool) {
	gemmF16NEON.columns(dst, x, w, m, 0, n, k, ldx, 2, add)
}

// productNEON is a tile of Product.
func productNEON(dst []float32, ldd int, x []float32, ldx int, w []float32, m, k int, add bool) {
	dst, x, w = dst[:(m-1)*ldd+productColumns], x[:(m-1)*ldx+k], w[:k*productColumns]
	gemmF32NEON.tiles[m-1](&dst[0], ldd, &x[0], ldx, &w[0], productColumns, k, add)
}
