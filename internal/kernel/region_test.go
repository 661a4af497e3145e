package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"jamba/internal/kernel/par"
	"jamba/tensor"
)

// TestProject asserts that products of a region have the bits of one row by one, whatever types, numbers of rows and x they
// have in common or not.
func TestProject(t *testing.T) {
	defer par.SetThreads(0)
	r := rand.New(rand.NewPCG(5, 6))
	apart := []tensor.DType{tensor.Q8_0, tensor.Q4_K, tensor.Q6_K, tensor.INT8} // x is rounded otherwise for each
	for range 40 {
		par.SetThreads(pick(r, 1, 2, 3, 7))
		k := 256 * pick(r, 1, 2, 3, 5)
		x := random(r, 220*k)
		var list []Projection
		at, m := 0, 0
		for i := range 2 + r.IntN(9) {
			d := dtypes[r.IntN(len(dtypes))]
			if r.IntN(2) == 0 {
				d = apart[r.IntN(len(apart))]
			}
			w, _ := randomMatrix(t, r, d, 1+r.IntN(150), k)
			if r.IntN(4) > 0 {
				w.Pack(new(Slab))
			}
			if i == 0 || r.IntN(2) == 0 { // else the same x as the one before
				m, at = pick(r, 0, 1, 2, 5, 6, 7, 8, 9, 47, 48, 53, 54, 192, 199), pick(r, 0, 0, 0, 1)*k
			} else if r.IntN(2) == 0 {
				m = max(0, m-1)
			}
			dst := make([]float32, m*w.N)
			for j := range dst {
				dst[j] = float32(math.NaN()) // to be overwritten
			}
			list = append(list, Projection{dst, x[at : at+m*k], &w})
		}
		Project(list)
		for _, p := range list {
			want := make([]float32, p.W.N)
			for row := 0; row < len(p.X)/k; row += 1 + row/9*7 {
				MatMul(want, p.X[row*k:(row+1)*k], p.W)
				if !slices.Equal(want, p.Dst[row*p.W.N:(row+1)*p.W.N]) {
					t.Fatalf("%v [%d, %d], row %d of %d: other bits than by itself", p.W.DType, p.W.N, k, row, len(p.X)/k)
				}
			}
		}
	}
}
