package quant

import (
	"math/rand/v2"
	"testing"

	"jamba/tensor"
)

func BenchmarkDequantize(b *testing.B) {
	const n = 4096
	dst := make([]float32, n)
	weights := make([]float32, n)
	for i := range weights {
		weights[i] = float32(0.02 * rand.NormFloat64())
	}
	for d := tensor.F32; d <= tensor.Q6_K; d++ {
		size, _ := d.RowBytes(n)
		src := make([]byte, size)
		if err := Quantize(src, d, weights); err != nil {
			b.Fatal(err)
		}
		b.Run(d.String(), func(b *testing.B) {
			for b.Loop() {
				Dequantize(dst, d, src)
			}
			b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gvalues/s")
		})
	}
}

func BenchmarkQuantize(b *testing.B) {
	const n = 4096
	weights := make([]float32, n)
	for i := range weights {
		weights[i] = float32(0.02 * rand.NormFloat64())
	}
	for d := tensor.F32; d <= tensor.Q6_K; d++ {
		size, _ := d.RowBytes(n)
		dst := make([]byte, size)
		b.Run(d.String(), func(b *testing.B) {
			for b.Loop() {
				if err := Quantize(dst, d, weights); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mvalues/s")
		})
	}
}
