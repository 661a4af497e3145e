package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestRoundWide asserts that activations are rounded to the same bits by vectors of both widths.
func TestRoundWide(t *testing.T) {
	if avx512.lacks() != nil {
		t.Skip("not tested: this processor lacks AVX-512")
	}
	r := rand.New(rand.NewPCG(71, 72))
	const blocks = 8
	for round := range 2000 {
		x := random(r, blocks*superHalf)
		for i := range x {
			x[i] *= float32(math.Exp2(float64(r.IntN(round%280+1) - round%140)))
		}
		for range round % 4 {
			x[r.IntN(len(x))] = []float32{0, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), math.MaxFloat32, 1e-45}[r.IntN(6)]
		}
		if round%5 == 0 {
			clear(x[superHalf : 3*superHalf])
		}
		compare := func(what string, f func(k *packKernels, q []int16, xs []float32)) {
			q, want := make([]int16, len(x)), make([]int16, len(x))
			xs, wantXS := make([]float32, len(x)/16), make([]float32, len(x)/16)
			f(&packAVX2, want, wantXS)
			f(&packAVX512, q, xs)
			if !slices.Equal(q, want) {
				t.Fatalf("%s: other integers of %v", what, x)
			}
			equalBits(t, what+": scales", xs, wantXS)
		}
		compare("round", func(k *packKernels, q []int16, xs []float32) { k.round(&q[0], &xs[0], &x[0], len(x)/32) })
		limit := []float32{8191, 4063}[round%2]
		compare("roundK", func(k *packKernels, q []int16, xs []float32) { k.roundK(&q[0], &xs[0], &x[0], limit, blocks) })
	}
}
