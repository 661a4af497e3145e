package kernel

import (
	"math/rand/v2"
	"slices"
	"testing"

	"jamba/internal/kernel/quant"
	"jamba/tensor"
)

// TestPageTiles asserts that attention's kernels for raw pages give the bits of those for rows as floats.
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

			x := random(r, n*width)
			got, want := make([]float32, n*PageLen), make([]float32, n*PageLen)
			tiles.products(got, x, rows, rows, n, keys, width)
			active.dot(want, x, wide, n, keys, width, PageLen)
			for q := range n {
				if at := q * PageLen; !slices.Equal(got[at:at+keys], want[at:at+keys]) {
					t.Fatalf("%v: products of %d queries with %d keys of %d have other bits", dtype, n, keys, width)
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
