package kernel

import (
	"math"
	"math/rand/v2"
	"testing"

	"jamba/internal/kernel/quant"
	"jamba/tensor"
)

// TestMatrixProduct compares products with the rows of a weight, of all types and in more than one piece, with float64.
func TestMatrixProduct(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const rows, n, k = 3, 2100, 512
	x, values := make([]float32, rows*n), make([]float32, n*k)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	for i := range values {
		values[i] = float32(r.NormFloat64())
	}
	for _, d := range []tensor.DType{tensor.F32, tensor.BF16, tensor.Q8_0, tensor.Q4_K} {
		size, err := d.RowBytes(k)
		if err != nil {
			t.Fatal(err)
		}
		data, wide := make([]byte, n*size), make([]float32, n*k)
		for i := range n {
			if err := quant.Quantize(data[i*size:(i+1)*size], d, values[i*k:(i+1)*k]); err != nil {
				t.Fatal(err)
			}
		}
		quant.Dequantize(wide, d, data)
		w, err := NewMatrix(tensor.Tensor{Name: "w", DType: d, Shape: []int{n, k}, Data: data})
		if err != nil {
			t.Fatal(err)
		}
		for _, add := range []bool{false, true} {
			dst := make([]float32, rows*k)
			for i := range dst {
				dst[i] = 5
			}
			w.Product(dst, x, add)
			for i, got := range dst {
				want := 0.0
				if add {
					want = 5
				}
				for j := range n {
					want += float64(x[i/k*n+j]) * float64(wide[j*k+i%k])
				}
				if math.Abs(float64(got)-want) > 1e-3 {
					t.Fatalf("%v, add %v: value %d is %v, want %v", d, add, i, got, want)
				}
			}
		}
	}
}
