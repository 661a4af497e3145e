package kernel

import "jamba/tensor"

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

// Blocks of a vector of codes.
var (
	codedAVX2   = codedKernels{32, codeBlockAVX2, []codedTile{dotCodedx1, dotCodedx2, dotCodedx3, dotCodedx4}, widenCodedAVX2}
	codedAVX512 = codedKernels{64, codeBlockAVX512, []codedTile{
		dotCodedZx1, dotCodedZx2, dotCodedZx3, dotCodedZx4, dotCodedZx5, dotCodedZx6, dotCodedZx7, dotCodedZx8,
	}, widenCodedAVX512}
)

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

func gemmAVX2(dst, x, w []float32, m, n, k, ldx int, add bool) {
	whole := gemmF32AVX2.columns(dst, x, w, m, 0, n, k, ldx, 1, add)
	gemmColumns(dst, x, w, m, whole, n, k, ldx, add)
}

func gemmAVX512(dst, x, w []float32, m, n, k, ldx int, add bool) {
	whole := gemmF32AVX512.columns(dst, x, w, m, 0, n, k, ldx, 1, add)
	whole = gemmF32AVX2.columns(dst, x, w, m, whole, n, k, ldx, 1, add)
	gemmColumns(dst, x, w, m, whole, n, k, ldx, add)
}

// gemmHalfAVX512 is gemmAVX512 with w in F16, if n is a multiple of 16.
func gemmHalfAVX512(dst, x []float32, w []byte, m, n, k, ldx int, add bool) {
	whole := gemmF16AVX512.columns(dst, x, w, m, 0, n, k, ldx, 2, add)
	gemmF16AVX2.columns(dst, x, w, m, whole, n, k, ldx, 2, add)
}

var (
	pagesF16AVX2 = pageTiles{
		dtype: tensor.F16,
		keys:  rowTiles{tensor.F16, [3]scoreTile{scoreF16x1, scoreF16x2, scoreF16x4}},
		mix:   [6]mixTile{mixF16x1x2, mixF16x2x2, mixF16x3x2, mixF16x4x2, mixF16x5x2, mixF16x6x2},
		wide:  []wideMixTile{{mixF16x1x8, 64}, {mixF16x2x4, 32}},
	}
	pagesQ8AVX2 = pageTiles{
		dtype:  tensor.Q8_0,
		keys:   rowTiles{tensor.Q8_0, [3]scoreTile{scoreQ8x1, scoreQ8x2, scoreQ8x4}},
		mix:    [6]mixTile{mixQ8x1x2, mixQ8x2x2, mixQ8x3x2, mixQ8x4x2, mixQ8x5x2, mixQ8x6x2},
		wide:   []wideMixTile{{mixQ8x1x8, 64}, {mixQ8x2x4, 32}},
		scales: pageScales,
	}
	quadsAVX512    = [3]quadTile{scoreQuads1, scoreQuads2, scoreQuads3}
	pagesF16AVX512 = pageTiles{
		dtype: tensor.F16,
		keys:  quadTiles{tensor.F16, widenF16AVX512Rows, quadsAVX512},
		mix:   [6]mixTile{mixF16Zx1x1, mixF16Zx2x1, mixF16Zx3x1, mixF16Zx4x1, mixF16Zx5x1, mixF16Zx6x1},
		wide:  []wideMixTile{{mixF16Zx1x4, 64}, {mixF16Zx2x4, 64}, {mixF16Zx3x4, 64}, {mixF16Zx4x4, 64}, {mixF16Zx5x4, 64}, {mixF16Zx6x4, 64}},
		widen: widenF16AVX512Rows, widened: widenedAVX512,
	}
	pagesQ8AVX512 = pageTiles{
		dtype:  tensor.Q8_0,
		keys:   quadTiles{tensor.Q8_0, widenQ8AVX512Rows, quadsAVX512},
		mix:    [6]mixTile{mixQ8Zx1x1, mixQ8Zx2x1, mixQ8Zx3x1, mixQ8Zx4x1, mixQ8Zx5x1, mixQ8Zx6x1},
		wide:   []wideMixTile{{mixQ8Zx1x4, 64}, {mixQ8Zx2x4, 64}, {mixQ8Zx3x4, 64}, {mixQ8Zx4x4, 64}, {mixQ8Zx5x4, 64}, {mixQ8Zx6x4, 64}},
		scales: pageScales,
		widen:  widenQ8AVX512Rows, widened: widenedAVX512,
	}
	widenedAVX512 = [2][6]floatMixTile{
		{mixF32Zx1x1, mixF32Zx2x1, mixF32Zx3x1, mixF32Zx4x1, mixF32Zx5x1, mixF32Zx6x1},
		{mixF32Zx1x4, mixF32Zx2x4, mixF32Zx3x4, mixF32Zx4x4, mixF32Zx5x4, mixF32Zx6x4},
	}
)

func widenF16AVX512Rows(dst *float32, rows *byte, values int) { widenF16Rows(dst, rows, values/16) }

func widenQ8AVX512Rows(dst *float32, rows *byte, values int) { widenQ8Rows(dst, rows, values/32) }
