package kernel

import (
	"math"
	"slices"

	"golang.org/x/sys/cpu"
)

// platformTiers are the tiers of this architecture, the best last.
var platformTiers = []*table{&neon, &neonSDOT, &neonI8MM}

// neon is the tier of all processors of this architecture. It follows the rules of avx2, see there; products of floats,
// the scan and all else in assembly have that tier's bits. What is only for training is plain Go, but for one product.
var neon = table{
	name:     "neon",
	needs:    []need{{"ASIMD", cpu.ARM64.HasASIMD}},
	panel:    12,
	dot:      dotNEON,
	dotHalf:  dotHalfNEON,
	gemmHalf: gemmHalfNEON,
	narrow:   func(dst []byte, src []float32) { narrowF16NEON(&dst[0], &src[0], len(src)/8) },
	gemm:     gemmNEON,
	rmsNorm:  rmsNormNEON,
	siluMul:  siluMulNEONSlice,
	softplus: softplusNEONSlice,
	max:      func(x []float32) float32 { return maxNEON(&x[0], len(x)) },
	expSum:   func(x []float32, top float32) float32 { return expSumNEON(&x[0], len(x), top) },
	conv:     convNEONRows,
	scan:     scanNEONPanel,
	limits: limits{
		read: func(b []byte) { readSome(b, readNEON) },
		f32:  func(n int) int { return rounds(n, 24*4, peakF32NEON) },
	},
	backward: neonBackward,
}

// neonSDOT is neon with products of bytes, four in each lane: without them there are no integer products.
var neonSDOT = func() table {
	t := neon
	t.name, t.pack = "neon+sdot", &packSDOT
	t.needs = append(slices.Clip(t.needs), need{"SDOT", cpu.ARM64.HasASIMDDP})
	// Two planes of activations make one product of two instructions.
	t.limits.i8 = func(n int) int { return rounds(n, 24*8, peakSDOT) }
	return t
}()

var packSDOT = packKernels{
	rows: 8,
	arithmetic: [arithmetics]integerKernels{
		i8:  {few: blockTiles{gemmI8Nx1, gemmI8Nx2, gemmI8Nx3}},
		i8m: {few: blockTiles{gemmI8mNx1, gemmI8mNx2, gemmI8mNx3}},
		i4m: {few: blockTiles{gemmI4Nx1, gemmI4Nx2}},
		k4:  {few: superTiles{gemmK4Nx1, gemmK4Nx2}},
		k5:  {few: superTiles{gemmK5Nx1, gemmK5Nx2}},
		k6:  {few: superTiles{gemmK6Nx1, gemmK6Nx2}},
	},
	round: roundNEON, roundK: roundKNEON, fromF16: widenF16NEON, scalesK: scalesKNEON,
}

var neonBackward = func() backward {
	b := genericBackward
	b.product = productNEON
	return b
}()

func rmsNormNEON(dst, x, weight []float32, eps float32) {
	whole := len(x) &^ 7
	var sum float64
	if whole > 0 {
		sum = sumSquaresNEON(&x[0], whole)
	}
	for _, v := range x[whole:] {
		sum += float64(v) * float64(v)
	}
	scale := float32(1 / math.Sqrt(sum/float64(len(x))+float64(eps)))
	if whole > 0 {
		scaleMulNEON(&dst[0], &x[0], &weight[0], whole, scale)
	}
	for i := whole; i < len(x); i++ {
		dst[i] = weight[i] * (x[i] * scale)
	}
}

func siluMulNEONSlice(gate, up []float32) {
	whole := len(gate) &^ 7
	if whole > 0 {
		siluMulNEON(&gate[0], &up[0], whole)
	}
	if whole < len(gate) {
		// The same code for the rest: an element's value must not depend on where its slice ends.
		var g, u [8]float32
		copy(g[:], gate[whole:])
		copy(u[:], up[whole:])
		siluMulNEON(&g[0], &u[0], 8)
		copy(gate[whole:], g[:])
	}
}

func softplusNEONSlice(x []float32) {
	whole := len(x) &^ 7
	if whole > 0 {
		softplusNEON(&x[0], whole)
	}
	if whole < len(x) {
		var rest [8]float32
		copy(rest[:], x[whole:])
		softplusNEON(&rest[0], 8)
		copy(x[whole:], rest[:])
	}
}

func convNEONRows(c *Conv, lo, hi int) {
	whole := lo + (hi-lo)&^7
	if c.W > maxTaps {
		whole = lo
	}
	var in [maxTaps]*float32
	for t := 0; t < c.L && whole > lo; t++ {
		for j := range c.W {
			in[j] = &c.input(t-c.W+1+j, lo, hi)[0]
		}
		convNEON(&c.Dst[t*c.E+lo], &c.Bias[lo], &c.Weight[lo], c.E, &in[0], c.W, whole-lo)
	}
	convGeneric(c, whole, hi)
}

func scanNEONPanel(s *Scan, p int, h []float32, first, end int) {
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
		scanNEON(&s.Y[at], &s.X[at], &s.Dt[at], s.E, &s.Z[t*s.ZStride+lo], s.ZStride, &s.B[t*s.S], &s.C[t*s.S], s.S, &a[0], &h[0], &s.D[lo], n, s.S)
	}
}
