package kernel

import (
	"math/rand/v2"
	"slices"
	"testing"

	"jamba/internal/kernel/par"
	"jamba/tensor"
)

// TestManyRows asserts that products of many rows have the bits of the same rows by themselves, on any number of threads.
func TestManyRows(t *testing.T) {
	if active.many == nil {
		t.Skipf("%s has no kernels of their own for many rows", active.name)
	}
	defer par.SetThreads(0)
	r := rand.New(rand.NewPCG(61, 62))
	from := active.many.from
	shapes := [][4]int{
		{24, 1, 1},
		{30, 16, 8},
		{25, 33, 12},
		{24, 47, 15},
		{27, 96, 33},
		{100, 47, 64},
		{193, 200, 9},
		{24, 17, 1024},
		{26, 40, 1029},
		{31, 5, 2060},
		{40, 700, 250},
		{manyPart + 7, 20, 10},
		{2*manyPart + 1, 3, 5},
		{from.halves, 33, 13, int(tensor.BF16)},
		{from.halves + 3, 24, 520, int(tensor.F16)},
		{from.halves + 1, 72, 1041, int(tensor.BF16)},
		{from.halves + 5, 56, 45, int(tensor.F16)},
		{200, 40, 1032, int(tensor.F16)},
		{192, 48, 2056, int(tensor.BF16)},
		{193, 17, 1056, int(tensor.Q8_0)},
		{192, 50, 1280, int(tensor.Q4_K)},
		{195, 33, 2048, int(tensor.Q6_K)},
		{210, 16, 64, int(tensor.Q4_0)},
	}
	for m := from.floats; m < from.floats+active.many.rows*manyAtOnce*2; m++ {
		shapes = append(shapes, [4]int{m, 1 + r.IntN(120), 1 + r.IntN(90)})
	}
	for _, s := range shapes {
		m, n, k := s[0], s[1], s[2]
		w := Matrix{N: n, K: k, weights: &floats{n: n, k: k, values: random(r, n*k)}}
		if s[3] != 0 {
			w, _ = randomMatrix(t, r, tensor.DType(s[3]), n, k)
		}
		x, want := random(r, m*k), make([]float32, m*n)
		for i := range m {
			MatMul(want[i*n:(i+1)*n], x[i*k:(i+1)*k], &w)
		}
		for threads := 1; threads <= 3; threads++ {
			par.SetThreads(threads)
			for name, multiply := range map[string]func(dst []float32){
				"MatMul":  func(dst []float32) { MatMul(dst, x, &w) },
				"mulMany": func(dst []float32) { mulMany(dst, x, w.weights.(floatWeights), m) },
			} {
				got := random(r, m*n) // to be overwritten
				if multiply(got); !slices.Equal(got, want) {
					t.Fatalf("%s [%d, %d]·[%d, %d] on %d threads: other bits than row by row", name, m, k, n, k, threads)
				}
			}
		}
	}
}
