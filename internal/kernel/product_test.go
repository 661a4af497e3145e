package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"jamba/internal/kernel/par"
)

// products calls f for shapes that have whole and broken tiles, and several parts along k.
func products(f func(r *rand.Rand, m, n, k int)) {
	r := rand.New(rand.NewPCG(31, 32))
	for _, s := range [][3]int{{1, 1, 1}, {6, 16, 128}, {7, 17, 129}, {5, 15, 3}, {200, 33, 300}, {13, 160, 2}, {97, 48, 256}, {3, 5, 0}, {220, 20, 2048}, {5, 3, 1024}} {
		f(r, s[0], s[1], s[2])
	}
}

// transposed returns x [m, n] as [n, m].
func transposed(x []float32, m, n int) []float32 {
	t := make([]float32, len(x))
	for i := range m {
		for j := range n {
			t[j*m+i] = x[i*n+j]
		}
	}
	return t
}

func TestProduct(t *testing.T) {
	products(func(r *rand.Rand, m, n, k int) {
		x, w, before := random(r, m*k), random(r, k*n), random(r, m*n)
		want := make([]float64, m*n)
		scale := make([]float64, m*n)
		for i := range m {
			for j := range n {
				for q := range k {
					v := float64(x[i*k+q]) * float64(w[q*n+j])
					want[i*n+j] += v
					scale[i*n+j] += math.Abs(v)
				}
			}
		}
		check := func(what string, got []float32, add bool) {
			t.Helper()
			for i, v := range got {
				sum := want[i]
				if add {
					sum += float64(before[i])
				}
				if !(math.Abs(float64(v)-sum) <= 2e-6*(scale[i]+1)) {
					t.Fatalf("%s [%d, %d]·[%d, %d], add %v: value %d is %v, want %v", what, m, k, k, n, add, i, v, sum)
				}
			}
		}
		for _, add := range []bool{false, true} {
			got := slices.Clone(before)
			if k > 0 {
				Product(got, x, w, n, k, add)
				check("Product", got, add)
			}
			got = slices.Clone(before)
			ProductT(got, transposed(x, m, k), w, m, n, add)
			check("ProductT", got, add)
		}
	})
}

// TestProductThreads asserts that products do not depend on the number of threads.
func TestProductThreads(t *testing.T) {
	defer par.SetThreads(0)
	products(func(r *rand.Rand, m, n, k int) {
		if k == 0 {
			return
		}
		x, w := random(r, m*k), random(r, k*n)
		var want, wantT []float32
		for threads := 1; threads <= 5; threads++ {
			par.SetThreads(threads)
			got, gotT := make([]float32, m*n), make([]float32, m*n)
			Product(got, x, w, n, k, false)
			ProductT(gotT, transposed(x, m, k), w, m, n, false)
			if threads == 1 {
				want, wantT = got, gotT
			}
			if !slices.Equal(got, want) || !slices.Equal(gotT, wantT) {
				t.Fatalf("%d threads, [%d, %d]·[%d, %d]: another result", threads, m, k, k, n)
			}
		}
	})
}

func BenchmarkProducts(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, s := range [][3]int{{2048, 384, 192}, {2048, 192, 768}, {1024, 384, 192}, {256, 192, 4096}, {2048, 44, 384}, {2048, 384, 12}} {
		m, n, k := s[0], s[1], s[2] // as Product has them; a layer of k outputs and n inputs
		x, w, y := random(r, m*k), random(r, k*n), random(r, m*n)
		wt := Matrix{N: n, K: k, weights: &floats{n: n, k: k, values: transposed(w, k, n)}}
		run := func(name string, f func()) {
			b.Run(name, func(b *testing.B) {
				for b.Loop() {
					f()
				}
				b.ReportMetric(2*float64(m)*float64(n)*float64(k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOPS")
			})
		}
		title := func(s string) string {
			return s + "/" + strconv.Itoa(m) + "x" + strconv.Itoa(n) + "x" + strconv.Itoa(k)
		}
		run(title("MatMul"), func() { MatMul(y, x, &wt) })
		run(title("Product"), func() { Product(y, x, w, n, k, false) })
		dw := make([]float32, k*n)
		run(title("ProductT"), func() { ProductT(dw, x, y, k, n, true) })
	}
	b.Run("peak", func(b *testing.B) {
		for b.Loop() {
			par.For(2, 1, func(lo, hi int) { PeakF32((hi - lo) << 22) })
		}
		b.ReportMetric(2*float64(2<<22)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOPS")
	})
}
