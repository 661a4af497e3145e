package kernel

import (
	"fmt"

	"jamba/internal/kernel/par"
	"jamba/internal/kernel/quant"
	"jamba/tensor"
)

// Quantize is quant.Quantize, by kernels with the same bits if there are some.
func Quantize(dst []byte, d tensor.DType, src []float32) error {
	switch {
	case d == tensor.Q8_0 && len(src)%32 == 0 && len(dst) == len(src)/32*34:
		return narrowQ8(dst, src)
	case active.fit != nil:
		return active.fit.Quantize(dst, d, src)
	}
	return quant.Quantize(dst, d, src)
}

// Quantize rounds the weights to type d, in new memory: row [K], widened to float32, rounded as
// Quantize does it. Rows have to be whole blocks of d. It returns the bytes that were rounded, which are needed no more,
// nil if they were none of a file's. It is an error if a weight is infinite or NaN or too large; the weights are then as
// they were.
func (w *Matrix) Quantize(d tensor.DType) (source []byte, err error) {
	size, err := d.RowBytes(w.K)
	if err != nil {
		return nil, err
	}
	data, errs := make([]byte, w.N*size), make([]error, w.N)
	par.For(w.N, 1, func(lo, hi int) {
		row := make([]float32, w.K)
		for n := lo; n < hi; n++ {
			err := w.FiniteRow(row, n)
			if err == nil {
				err = Quantize(data[n*size:(n+1)*size], d, row)
			}
			if err != nil {
				errs[n] = fmt.Errorf("row %d: %w", n, err)
			}
		}
	})
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	if !w.owned {
		source = w.Raw()
	}
	*w = Matrix{N: w.N, K: w.K, DType: d, size: len(data), owned: true, weights: storedAs(d, w.N, w.K, data, nil)}
	return source, nil
}

// FiniteRow is Row; it returns an error if a weight is infinite or NaN.
func (w *Matrix) FiniteRow(dst []float32, n int) error {
	w.Row(dst, n)
	if Finite(dst) {
		return nil
	}
	for i, v := range dst {
		if v-v != 0 {
			return fmt.Errorf("value %d is %v", i, v)
		}
	}
	return nil
}
