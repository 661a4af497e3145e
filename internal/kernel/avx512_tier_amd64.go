package kernel

import (
	"math"
	"slices"

	"golang.org/x/sys/cpu"

	"jamba/tensor"
)

// avx512 is the tier of processors with the AVX-512 of servers since 2017 (F, BW, DQ, VL). What gains nothing from wider
// vectors is that of avx2. Rests of slices are masked in the assembly.
var avx512 = func() table {
	t := avx2
	t.name = "avx512"
	t.needs = append(slices.Clip(t.needs), need{"BMI2", cpu.X86.HasBMI2}, need{"AVX512F", cpu.X86.HasAVX512F},
		need{"AVX512BW", cpu.X86.HasAVX512BW}, need{"AVX512DQ", cpu.X86.HasAVX512DQ}, need{"AVX512VL", cpu.X86.HasAVX512VL})
	t.panel = 16
	t.dot, t.dotHalf, t.gemm, t.gemmHalf = dotAVX512, dotHalfAVX512, gemmAVX512, gemmHalfAVX512
	t.pages = map[tensor.DType]*pageTiles{tensor.F16: &pagesF16AVX512, tensor.Q8_0: &pagesQ8AVX512}
	t.many = &manyAVX512
	t.pack = &packAVX512
	t.coded = &codedAVX512
	t.rmsNorm = rmsNormAVX512
	t.addScaled = func(x []float32, a float32, y []float32) { addScaled16(&x[0], a, &y[0], len(x)) }
	t.siluMul = func(gate, up []float32) { siluMul16(&gate[0], &up[0], len(gate)) }
	t.softplus = func(x []float32) { softplus16(&x[0], len(x)) }
	t.max = func(x []float32) float32 { return max16(&x[0], len(x)) }
	t.expSum = func(x []float32, top float32) float32 { return expSum16(&x[0], len(x), top) }
	t.conv, t.scan = convAVX512Rows, scanAVX512Panel
	t.stream = func(dst, src []float32) { streamAVX512(&dst[0], &src[0], len(src)) }
	t.limits = limits{
		read: func(b []byte) { readSome(b, readAVX512) },
		f32:  func(n int) int { return rounds(n, 12*16, peakF32AVX512) },
		i8:   func(n int) int { return rounds(n, 12*32, peakI8AVX512) },
	}
	return t
}()

// avx512VNNI is avx512 with integer products in one instruction.
var avx512VNNI = func() table {
	t := avx512
	t.name, t.pack = "avx512+vnni", &packAVX512VNNI
	t.needs = append(slices.Clip(t.needs), need{"AVX512_VNNI", cpu.X86.HasAVX512VNNI})
	t.limits.i8 = func(n int) int { return rounds(n, 12*32, peakI8AVX512VNNI) }
	return t
}()

var (
	packAVX512 = packKernels{
		rows: 16,
		arithmetic: [arithmetics]integerKernels{
			i8: {
				few:  blockTiles{tiles: []packedTile{gemmI8Zx1, gemmI8Zx2, gemmI8Zx3, gemmI8Zx4, gemmI8Zx5, gemmI8Zx6, gemmI8Zx7, gemmI8Zx8}},
				many: &wideTiles{[2]wideTile{gemmWideZx5, gemmWideZx6}, blockWidener(wideI8AVX512), fourPanels},
			},
			i8m: {
				few:  blockTiles{tiles: []packedTile{gemmI8mZx1, gemmI8mZx2, gemmI8mZx3, gemmI8mZx4, gemmI8mZx5, gemmI8mZx6, gemmI8mZx7, gemmI8mZx8}},
				many: &wideTiles{[2]wideTile{gemmWideMZx5, gemmWideMZx6}, blockWidener(wideI8mAVX512), fourPanels},
			},
			i4m: {
				few:  blockTiles{tiles: []packedTile{gemmI4Zx1, gemmI4Zx2, gemmI4Zx3, gemmI4Zx4, gemmI4Zx5, gemmI4Zx6, gemmI4Zx7, gemmI4Zx8}},
				many: &wideTiles{[2]wideTile{gemmWideMZx5, gemmWideMZx6}, blockWidener(wideI4AVX512), fourPanels},
			},
			k4: {
				few:  superTiles{tiles: []superTile{gemmK4Zx1, gemmK4Zx2, gemmK4Zx3, gemmK4Zx4, gemmK4Zx5, gemmK4Zx6, gemmK4Zx7, gemmK4Zx8}},
				many: &wideTiles{[2]wideTile{gemmWideKMZx5, gemmWideKMZx6}, superWidener(wideK4AVX512), fourPanels},
			},
			k5: {
				few:  superTiles{tiles: []superTile{gemmK5Zx1, gemmK5Zx2, gemmK5Zx3, gemmK5Zx4, gemmK5Zx5, gemmK5Zx6, gemmK5Zx7, gemmK5Zx8}},
				many: &wideTiles{[2]wideTile{gemmWideKMZx5, gemmWideKMZx6}, superWidener(wideK5AVX512), fourPanels},
			},
			k6: {
				few:  superTiles{tiles: []superTile{gemmK6Zx1, gemmK6Zx2, gemmK6Zx3, gemmK6Zx4, gemmK6Zx5, gemmK6Zx6, gemmK6Zx7, gemmK6Zx8}},
				many: &wideTiles{[2]wideTile{gemmWideKZx5, gemmWideKZx6}, superWidener(wideK6AVX512), fourPanels},
			},
			c8: {few: channelTiles{tiles: []channelTile{gemmC8Zx1, gemmC8Zx2, gemmC8Zx3, gemmC8Zx4, gemmC8Zx5, gemmC8Zx6, gemmC8Zx7, gemmC8Zx8}}},
		},
		round: roundAVX512, roundK: roundKAVX512, roundRow: roundRowAVX512, fromF16: widenF16AVX512, scalesK: scalesKAVX512,
	}
	packAVX512VNNI = packKernels{
		rows: 16,
		arithmetic: [arithmetics]integerKernels{
			i8: {
				few:  digitTiles{tiles: []digitTile{digitsI8ZVx1, digitsI8ZVx2, digitsI8ZVx3, digitsI8ZVx4, digitsI8ZVx5, digitsI8ZVx6, digitsI8ZVx7, digitsI8ZVx8}},
				many: &wideTiles{[2]wideTile{gemmWideZVx5, gemmWideZVx6}, blockWidener(wideI8AVX512), fourPanels},
			},
			i8m: {
				few:  digitTiles{tiles: []digitTile{digitsI8mZVx1, digitsI8mZVx2, digitsI8mZVx3, digitsI8mZVx4, digitsI8mZVx5, digitsI8mZVx6, digitsI8mZVx7, digitsI8mZVx8}},
				many: &wideTiles{[2]wideTile{gemmWideMZVx5, gemmWideMZVx6}, blockWidener(wideI8mAVX512), fourPanels},
			},
			i4m: {
				few:  digitTiles{tiles: []digitTile{digitsI4ZVx1, digitsI4ZVx2, digitsI4ZVx3, digitsI4ZVx4, digitsI4ZVx5, digitsI4ZVx6, digitsI4ZVx7, digitsI4ZVx8}},
				many: &wideTiles{[2]wideTile{gemmWideMZVx5, gemmWideMZVx6}, blockWidener(wideI4AVX512), fourPanels},
			},
			k4: {
				few:  digitSuperTiles{tiles: []digitSuperTile{digitsK4ZVx1, digitsK4ZVx2, digitsK4ZVx3, digitsK4ZVx4, digitsK4ZVx5, digitsK4ZVx6, digitsK4ZVx7, digitsK4ZVx8}},
				many: &wideTiles{[2]wideTile{gemmWideKMZVx5, gemmWideKMZVx6}, superWidener(wideK4AVX512), fourPanels},
			},
			k5: {
				few:  digitSuperTiles{tiles: []digitSuperTile{digitsK5ZVx1, digitsK5ZVx2, digitsK5ZVx3, digitsK5ZVx4, digitsK5ZVx5, digitsK5ZVx6, digitsK5ZVx7, digitsK5ZVx8}},
				many: &wideTiles{[2]wideTile{gemmWideKMZVx5, gemmWideKMZVx6}, superWidener(wideK5AVX512), fourPanels},
			},
			k6: {
				few:  digitSuperTiles{tiles: []digitSuperTile{digitsK6ZVx1, digitsK6ZVx2, digitsK6ZVx3, digitsK6ZVx4, digitsK6ZVx5, digitsK6ZVx6, digitsK6ZVx7, digitsK6ZVx8}},
				many: &wideTiles{[2]wideTile{gemmWideKZVx5, gemmWideKZVx6}, superWidener(wideK6AVX512), fourPanels},
			},
			c8: {
				few: channelTiles{tiles: []channelTile{
					gemmC8ZVx1, gemmC8ZVx2, gemmC8ZVx3, gemmC8ZVx4, gemmC8ZVx5, gemmC8ZVx6,
					gemmC8ZVx7, gemmC8ZVx8, gemmC8ZVx9, gemmC8ZVx10, gemmC8ZVx11, gemmC8ZVx12,
				}},
				many: &channelMany{tiles: []channelPair{gemmC8PairZVx1, gemmC8PairZVx2, gemmC8PairZVx3, gemmC8PairZVx4, gemmC8PairZVx5, gemmC8PairZVx6}},
			},
		},
		round: roundAVX512, roundK: roundKAVX512, roundRow: roundDigitsAVX512,
		digits: roundBlocksAVX512, digitsSuper: roundSupersAVX512, digitsOnly: roundSupersOnlyAVX512, fromF16: widenF16AVX512, scalesK: scalesKAVX512,
	}
)

func rmsNormAVX512(dst, x, weight []float32, eps float32) {
	sum := sumSquares16(&x[0], len(x))
	scaleMul16(&dst[0], &x[0], &weight[0], len(x), float32(1/math.Sqrt(sum/float64(len(x))+float64(eps))))
}

func convAVX512Rows(c *Conv, lo, hi int) {
	if c.W > maxTaps {
		convGeneric(c, lo, hi)
		return
	}
	var in [maxTaps]*float32
	for t := 0; t < c.L && hi > lo; t++ {
		for j := range c.W {
			in[j] = &c.input(t-c.W+1+j, lo, hi)[0]
		}
		conv16(&c.Dst[t*c.E+lo], &c.Bias[lo], &c.Weight[lo], c.E, &in[0], c.W, hi-lo)
	}
}

func scanAVX512Panel(s *Scan, p int, h []float32, first, end int) {
	lo := p * ScanPanel
	if lo+ScanPanel > s.E {
		scanGeneric(s, p, h, first, end)
		return
	}
	a := s.A[lo*s.S : (lo+ScanPanel)*s.S]
	rows := scanRows(s.S)
	for t := first; t < end; t += rows {
		n := min(rows, end-t)
		at := t*s.E + lo
		scan16(&s.Y[at], &s.X[at], &s.Dt[at], s.E, &s.Z[t*s.ZStride+lo], s.ZStride, &s.B[t*s.S], &s.C[t*s.S], s.S, &a[0], &h[0], &s.D[lo], n, s.S)
	}
}
