package kernel

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"jamba/internal/kernel/quant"
	"jamba/tensor"
)

// TestQuantizeTwin compares blocks that kernels round with those of plain Go, bit for bit, errors included.
func TestQuantizeTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(81, 82))
	const n = 512
	for name, value := range map[string]func(i int) float64{
		"normal":           func(int) float64 { return 0.02 * r.NormFloat64() },
		"shifted":          func(int) float64 { return 0.02*r.NormFloat64() + 0.05 },
		"below zero":       func(int) float64 { return -math.Abs(r.NormFloat64()) - 1 },
		"heavy tails":      func(int) float64 { return math.Pow(r.NormFloat64(), 3) },
		"of two signs":     func(i int) float64 { return float64(i%2*2 - 1) },
		"constant":         func(i int) float64 { return float64(i/32) - 3 },
		"sparse":           func(int) float64 { return float64(r.IntN(40)/39) * r.NormFloat64() },
		"zero":             func(i int) float64 { return math.Copysign(0, float64(i%2)-0.5) },
		"integers":         func(i int) float64 { return float64(i%16) - 5 },
		"nearly the same":  func(int) float64 { return 1 + 1e-7*r.Float64() },
		"small":            func(int) float64 { return 0x1p-24 * r.NormFloat64() },
		"all magnitudes":   func(int) float64 { return r.NormFloat64() * math.Exp2(float64(r.IntN(60)-40)) },
		"blocks apart":     func(i int) float64 { return r.NormFloat64() * math.Exp2(float64(i/16%9)-12) },
		"near an overflow": func(int) float64 { return 6e6 * r.NormFloat64() },
		"one that is NaN":  func(i int) float64 { return 1 / math.Max(0, float64(i%600)-300) * 0 },
		"infinite":         func(i int) float64 { return 1 / (float64(i) - 300) },
		"too large":        func(i int) float64 { return float64(i/300) * 3e38 },
		"bfloat16": func(int) float64 {
			return float64(quant.BF16ToF32(quant.F32ToBF16(float32(0.03 * r.NormFloat64()))))
		},
	} {
		for round := range 40 {
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(value(i))
			}
			for d := tensor.F16; d <= tensor.Q3_K; d++ {
				if !quant.Quantizes(d) {
					continue
				}
				size, err := d.RowBytes(n)
				if err != nil {
					t.Fatal(err)
				}
				got, want := bytes.Repeat([]byte{0xA5}, size), bytes.Repeat([]byte{0x5A}, size)
				wantErr := quant.Quantize(want, d, x)
				if err := Quantize(got, d, x); fmt.Sprint(err) != fmt.Sprint(wantErr) {
					t.Fatalf("%s values as %v: error %v, want %v", name, d, err, wantErr)
				}
				if wantErr == nil && !bytes.Equal(got, want) {
					t.Fatalf("%s values as %v, round %d:\n%x, want\n%x", name, d, round, got, want)
				}
			}
		}
	}
}

// BenchmarkQuantize is of one thread.
func BenchmarkQuantize(b *testing.B) {
	const n = 4096
	weights := make([]float32, n)
	for i := range weights {
		weights[i] = float32(0.02 * rand.NormFloat64())
	}
	for d := tensor.F16; d <= tensor.Q3_K; d++ {
		if !quant.Quantizes(d) {
			continue
		}
		size, err := d.RowBytes(n)
		if err != nil {
			b.Fatal(err)
		}
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
