package kernel

import (
	"slices"

	"golang.org/x/sys/cpu"

	"jamba/tensor"
)

// platformTiers are the tiers of this architecture, the best last.
var platformTiers = []*table{&neon, &neonSDOT, &neonI8MM}

// neon is the tier of all processors of this architecture. It follows the rules of avx2, see there; products of floats,
// the scan and all else in assembly have that tier's bits. What is only for training is plain Go, but for one product.
var neon = table{
	name:       "neon",
	needs:      []need{{"ASIMD", cpu.ARM64.HasASIMD}},
	panel:      12,
	dot:        dotNEON,
	dotHalf:    dotHalfNEON,
	gemmHalf:   gemmHalfNEON,
	narrow:     func(dst []byte, src []float32) { narrowF16NEON(&dst[0], &src[0], len(src)/8) },
	dequantize: dequantizeNEON,
	gemm:       gemmNEON,
	rmsNorm:    rmsNormBy8,
	addScaled:  addScaledGeneric,
	siluMul:    siluMulBy8,
	softplus:   softplusBy8,
	max:        maxBy8,
	expSum:     expSumBy8,
	conv:       convBy8,
	scan:       scanBy8,
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
		i8:  {few: blockTiles{tiles: []packedTile{gemmI8Nx1, gemmI8Nx2, gemmI8Nx3}}},
		i8m: {few: blockTiles{tiles: []packedTile{gemmI8mNx1, gemmI8mNx2, gemmI8mNx3}}},
		i4m: {few: blockTiles{tiles: []packedTile{gemmI4Nx1, gemmI4Nx2}}},
		k4:  {few: superTiles{tiles: []superTile{gemmK4Nx1, gemmK4Nx2}}},
		k5:  {few: superTiles{tiles: []superTile{gemmK5Nx1, gemmK5Nx2}}},
		k6:  {few: superTiles{tiles: []superTile{gemmK6Nx1, gemmK6Nx2}}},
	},
	round: roundNEON, roundK: roundKNEON, fromF16: widenF16NEON, scalesK: scalesKNEON,
}

var neonBackward = func() backward {
	b := genericBackward
	b.product = productNEON
	return b
}()

// dequantizeNEON is quant.Dequantize for Q8_0, which keys and values may have.
func dequantizeNEON(dst []float32, d tensor.DType, src []byte) bool {
	if d != tensor.Q8_0 {
		return false
	}
	if len(dst) > 0 {
		dequantizeQ8_0NEON(&dst[0], &src[0], len(dst)/32)
	}
	return true
}
