package kernel

import (
	"slices"

	"golang.org/x/sys/cpu"

	"jamba/tensor"
)

// platformTiers are the tiers of this architecture, the best last.
var platformTiers = []*table{&avx2, &avx2VNNI, &avx512, &avx512VNNI, &amx}

// avx2 is the tier of processors with AVX2, FMA and conversion of fp16. Its functions split slices into what the assembly
// takes, vectors of eight. Where the rest is left to the generic twins, which part an element falls in depends on the
// shape of the model alone, never on the number of rows or threads.
//
// A loop that does nothing but call assembly could not be stopped for the garbage collector: each call is made by an
// ordinary Go function, and takes a few microseconds.
var avx2 = table{
	name:       "avx2",
	needs:      []need{{"AVX2", cpu.X86.HasAVX2}, {"FMA", cpu.X86.HasFMA}, {"F16C", cpu.X86.HasF16C}},
	panel:      12,
	dot:        dotAVX2,
	dotHalf:    dotHalfAVX2,
	pages:      map[tensor.DType]*pageTiles{tensor.F16: &pagesF16AVX2, tensor.Q8_0: &pagesQ8AVX2},
	narrow:     narrowAVX2,
	narrowQ8:   narrowQ8AVX2Blocks,
	fit:        &fitAVX2Loops,
	dequantize: dequantizeAVX2,
	pack:       &packAVX2,
	coded:      &codedAVX2,
	gemm:       gemmAVX2,
	rmsNorm:    rmsNormBy8,
	addScaled:  addScaledAVX2,
	siluMul:    siluMulBy8,
	softplus:   softplusBy8,
	max:        maxBy8,
	expSum:     expSumBy8,
	conv:       convBy8,
	scan:       scanBy8,
	stream:     func(dst, src []float32) { streamAVX2(&dst[0], &src[0], len(src)) },
	fence:      fence,
	fetch:      func(x []float32) { fetch(&x[0], len(x)) },
	limits: limits{
		read: func(b []byte) { readSome(b, readAVX2) },
		f32:  func(n int) int { return rounds(n, 12*8, peakF32AVX2) },
		i8:   func(n int) int { return rounds(n, 12*16, peakI8AVX2) },
	},
	many:     &manyAVX2,
	backward: avx2Backward,
}

// avx2VNNI is avx2 with integer products in one instruction.
var avx2VNNI = func() table {
	t := avx2
	t.name, t.pack = "avx2+vnni", &packAVXVNNI
	t.needs = append(slices.Clip(t.needs), need{"AVX-VNNI", cpu.X86.HasAVXVNNI})
	t.limits.i8 = func(n int) int { return rounds(n, 12*16, peakI8AVXVNNI) }
	return t
}()

var (
	packAVX2 = packKernels{
		rows: 8,
		arithmetic: [arithmetics]integerKernels{
			i8: {
				few:  blockTiles{tiles: []packedTile{gemmI8x1, gemmI8x2, gemmI8x3, gemmI8x4, gemmI8x5, gemmI8x6}},
				many: &wideTiles{[2]wideTile{gemmWidex5, gemmWidex6}, blockWidener(wideI8AVX2), twoPanels},
			},
			i8m: {
				few:  blockTiles{tiles: []packedTile{gemmI8mx1, gemmI8mx2, gemmI8mx3, gemmI8mx4, gemmI8mx5, gemmI8mx6}},
				many: &wideTiles{[2]wideTile{gemmWideMx5, gemmWideMx6}, blockWidener(wideI8AVX2), twoPanels},
			},
			i4m: {
				few:  blockTiles{tiles: []packedTile{gemmI4x1, gemmI4x2, gemmI4x3, gemmI4x4, gemmI4x5, gemmI4x6}},
				many: &wideTiles{[2]wideTile{gemmWideMx5, gemmWideMx6}, blockWidener(wideI4AVX2), twoPanels},
			},
			k4: {
				few:  superTiles{tiles: []superTile{gemmK4x1, gemmK4x2, gemmK4x3, gemmK4x4, gemmK4x5, gemmK4x6}},
				many: &wideTiles{[2]wideTile{gemmWideKMx5, gemmWideKMx6}, superWidener(wideK4AVX2), twoPanels},
			},
			k5: {
				few:  superTiles{tiles: []superTile{gemmK5x1, gemmK5x2, gemmK5x3, gemmK5x4, gemmK5x5, gemmK5x6}},
				many: &wideTiles{[2]wideTile{gemmWideKMx5, gemmWideKMx6}, superWidener(wideK5AVX2), twoPanels},
			},
			k6: {
				few:  superTiles{tiles: []superTile{gemmK6x1, gemmK6x2, gemmK6x3, gemmK6x4, gemmK6x5, gemmK6x6}},
				many: &wideTiles{[2]wideTile{gemmWideKx5, gemmWideKx6}, superWidener(wideK6AVX2), twoPanels},
			},
			c8: {few: channelTiles{tiles: []channelTile{gemmC8x1, gemmC8x2, gemmC8x3, gemmC8x4, gemmC8x5, gemmC8x6}}},
		},
		round: roundAVX2, roundK: roundKAVX2, roundRow: roundRowAVX2, fromF16: widenF16AVX2, scalesK: scalesKAVX2,
	}
	packAVXVNNI = packKernels{
		rows: 8,
		arithmetic: [arithmetics]integerKernels{
			i8: {
				few:  blockTiles{tiles: []packedTile{gemmI8Vx1, gemmI8Vx2, gemmI8Vx3, gemmI8Vx4, gemmI8Vx5, gemmI8Vx6}},
				many: &wideTiles{[2]wideTile{gemmWideVx5, gemmWideVx6}, blockWidener(wideI8AVX2), twoPanels},
			},
			i8m: {
				few:  blockTiles{tiles: []packedTile{gemmI8mVx1, gemmI8mVx2, gemmI8mVx3, gemmI8mVx4, gemmI8mVx5, gemmI8mVx6}},
				many: &wideTiles{[2]wideTile{gemmWideMVx5, gemmWideMVx6}, blockWidener(wideI8AVX2), twoPanels},
			},
			i4m: {
				few:  blockTiles{tiles: []packedTile{gemmI4Vx1, gemmI4Vx2, gemmI4Vx3, gemmI4Vx4, gemmI4Vx5, gemmI4Vx6}},
				many: &wideTiles{[2]wideTile{gemmWideMVx5, gemmWideMVx6}, blockWidener(wideI4AVX2), twoPanels},
			},
			k4: {
				few:  superTiles{tiles: []superTile{gemmK4Vx1, gemmK4Vx2, gemmK4Vx3, gemmK4Vx4, gemmK4Vx5, gemmK4Vx6}},
				many: &wideTiles{[2]wideTile{gemmWideKMVx5, gemmWideKMVx6}, superWidener(wideK4AVX2), twoPanels},
			},
			k5: {
				few:  superTiles{tiles: []superTile{gemmK5Vx1, gemmK5Vx2, gemmK5Vx3, gemmK5Vx4, gemmK5Vx5, gemmK5Vx6}},
				many: &wideTiles{[2]wideTile{gemmWideKMVx5, gemmWideKMVx6}, superWidener(wideK5AVX2), twoPanels},
			},
			k6: {
				few:  superTiles{tiles: []superTile{gemmK6Vx1, gemmK6Vx2, gemmK6Vx3, gemmK6Vx4, gemmK6Vx5, gemmK6Vx6}},
				many: &wideTiles{[2]wideTile{gemmWideKVx5, gemmWideKVx6}, superWidener(wideK6AVX2), twoPanels},
			},
			c8: {few: channelTiles{tiles: []channelTile{gemmC8Vx1, gemmC8Vx2, gemmC8Vx3, gemmC8Vx4, gemmC8Vx5, gemmC8Vx6}}},
		},
		round: roundAVX2, roundK: roundKAVX2, roundRow: roundDigitsAVX2, fromF16: widenF16AVX2, scalesK: scalesKAVX2,
	}
)

func addScaledAVX2(x []float32, a float32, y []float32) {
	whole := len(x) &^ 7
	if whole > 0 {
		addScaled8(&x[0], a, &y[0], whole)
	}
	addScaledGeneric(x[whole:], a, y[whole:])
}

// narrowAVX2 is NarrowF16 of whole vectors.
func narrowAVX2(dst []byte, src []float32) { narrowF16AVX2(&dst[0], &src[0], len(src)/8) }

func narrowQ8AVX2Blocks(dst []byte, src []float32) bool {
	if len(src) == 0 {
		return true
	}
	narrowQ8AVX2(&dst[0], &src[0], len(src)/32)
	for ; len(dst) > 0; dst = dst[34:] {
		if dst[1]&0x7C == 0x7C { // the scale is infinite or NaN, as one of the values is or because it overflows
			return false
		}
	}
	return true
}
