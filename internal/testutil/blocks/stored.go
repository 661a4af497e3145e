package blocks

import (
	"io"

	"jamba/format/safetensors"
	"jamba/internal/kernel/quant"
	"jamba/tensor"
)

// Stored returns the entry that writes a tensor of plain numbers as type d, F32, BF16 or F16: rounded to the nearest, of
// two equally near ones to the even one, a few at a time. A number too large for the type is an error.
func Stored(t tensor.Tensor, d tensor.DType) safetensors.Entry {
	if t.DType == d {
		return safetensors.Of(t)
	}
	return safetensors.Entry{Name: t.Name, DType: d, Shape: t.Shape, Write: func(w io.Writer) error {
		const piece = 1 << 16
		values := make([]float32, min(piece, t.Numel()))
		out := make([]byte, len(values)*d.BlockBytes())
		for at, n := 0, t.Numel(); at < n; at += len(values) {
			v := values[:min(len(values), n-at)]
			b := out[:len(v)*d.BlockBytes()]
			quant.Values(v, t, at)
			if err := quant.Quantize(b, d, v); err != nil {
				return err
			}
			if _, err := w.Write(b); err != nil {
				return err
			}
		}
		return nil
	}}
}
