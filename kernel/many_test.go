package kernel

import (
	"math/rand/v2"
	"slices"
	"testing"

	"jamba/kernel/par"
)

// TestManyRows asserts that products of many rows have the bits of the same rows by themselves, on any number of threads.
func TestManyRows(t *testing.T) {
	defer par.SetThreads(0)
	r := rand.New(rand.NewPCG(61, 62))
	for _, s := range [][3]int{{24, 1, 1}, {30, 16, 8}, {25, 33, 12}, {100, 47, 64}, {193, 200, 9}, {24, 17, 1024}, {26, 40, 1029}, {31, 5, 2060}, {40, 700, 250}} {
		m, n, k := s[0], s[1], s[2]
		w := Matrix{N: n, K: k, f32: random(r, n*k)}
		x, want := random(r, m*k), make([]float32, m*n)
		for i := range m {
			MatMul(want[i*n:(i+1)*n], x[i*k:(i+1)*k], &w)
		}
		for threads := 1; threads <= 3; threads++ {
			par.SetThreads(threads)
			got := random(r, m*n) // to be overwritten
			MatMul(got, x, &w)
			if !slices.Equal(got, want) {
				t.Fatalf("[%d, %d]·[%d, %d] on %d threads: other bits than row by row", m, k, n, k, threads)
			}
		}
	}
}
