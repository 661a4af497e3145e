package kernel

import (
	"math/rand/v2"
	"slices"
	"testing"

	"jamba/internal/kernel/quant"
	"jamba/tensor"
)

// quadTwin is four interleaved sums.
func quadTwin(x, w []float32) float32 {
	var s [4]float32
	for i := range x {
		s[i%4] = fma32(x[i], w[i], s[i%4])
	}
	return (s[0] + s[2]) + (s[1] + s[3])
}

// TestPageTiles asserts that attention's kernels for raw pages give the bits of their twins with rows as floats.
func TestPageTiles(t *testing.T) {
	if active.pages == nil {
		t.Skip("these kernels have none")
	}
	r := rand.New(rand.NewPCG(41, 42))
	for _, dtype := range []tensor.DType{tensor.F16, tensor.Q8_0} {
		tiles := active.pages[dtype]
		for i := range 120 {
			width, n, keys := 32*(1+r.IntN(4)), 1+r.IntN(13), 1+r.IntN(PageLen)
			if dtype == tensor.F16 && i%2 == 0 {
				width = 16 + 32*r.IntN(4)
			}
			_, row := PageRow(dtype, width)
			rows, wide := make([]byte, PageLen*row), random(r, PageLen*width)
			for j := range PageLen {
				if err := Narrow(rows[j*row:(j+1)*row], dtype, wide[j*width:(j+1)*width]); err != nil {
					t.Fatal(err)
				}
			}
			quant.Dequantize(wide, dtype, rows)

			x, padded := random(r, n*width), (n+3)&^3
			ordered, got := make([]float32, padded*width), make([]float32, padded*PageLen)
			for q := range n {
				tiles.keys.order(ordered, q, x[q*width:(q+1)*width])
			}
			tiles.keys.products(got, ordered, rows, rows, n, keys, width, make([]float32, wideRows*width))
			for at := range n * keys {
				q, key := at/keys, at%keys
				query, row := x[q*width:(q+1)*width], wide[key*width:(key+1)*width]
				want := dotTwin(query, row)
				if _, ok := tiles.keys.(quadTiles); ok {
					want = quadTwin(query, row)
				}
				if got := got[q*PageLen+key]; got != want {
					t.Fatalf("%v: query %d of %d with key %d of %d, width %d: %v, want %v", dtype, q, n, key, keys, width, got, want)
				}
			}
			weights, sums := random(r, n*PageLen), random(r, n*width)
			added := slices.Clone(sums)
			tiles.sum(sums, weights, rows, rows, n, keys, width, make([]float32, wideRows*width))
			active.gemm(added, weights, wide[:keys*width], n, width, keys, PageLen, true)
			if !slices.Equal(sums, added) {
				t.Fatalf("%v: sums of %d values of %d for %d queries have other bits", dtype, keys, width, n)
			}
		}
	}
}

// TestAttentionBytes asserts that each key and value that a row sees is counted, once.
func TestAttentionBytes(t *testing.T) {
	for _, test := range []struct {
		dtype                       tensor.DType
		start, m, groups, d, window int
		want                        int
	}{
		{tensor.F32, 0, 1, 1, 8, 0, 2 * 32},
		{tensor.F16, 700, 1, 2, 64, 0, 2 * 701 * 2 * 128},
		{tensor.F16, 700, 3, 2, 64, 300, 2 * 302 * 2 * 128},
		{tensor.Q8_0, 9, 1, 1, 33, 100, 2 * 10 * 68},
	} {
		a := Attention{DType: test.dtype, Start: test.start, M: test.m, G: test.groups, D: test.d, Window: test.window}
		if got := a.Bytes(); got != test.want {
			t.Errorf("%+v: %d bytes", test, got)
		}
	}
}
