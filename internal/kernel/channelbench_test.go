package kernel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"jamba/internal/kernel/par"
	"jamba/tensor"
)

// BenchmarkChannel times products with weights of INT8 and of Q8_0 in turn, on one thread, with the weights of several
// matrices: JAMBA_CPU=avx512 go test -run - -bench Channel ./internal/kernel. It reports multiply-adds, two each, a second
// of both, of the median product, how many times as fast the former is, of the median and of the best, and the share of
// what the processor's products of integers reach at that moment.
func BenchmarkChannel(b *testing.B) {
	if active.pack == nil {
		b.Skip("these kernels pack nothing")
	}
	par.SetThreads(1)
	defer par.SetThreads(0)
	const n, k, copies = 1792, 1024, 8
	r := rand.New(rand.NewPCG(1, 2))
	var all [2][copies]Matrix
	for side, d := range []tensor.DType{tensor.Q8_0, tensor.INT8} {
		for i := range copies {
			w, err := NewMatrix(tensor.FromFloat32s("w", random(r, n*k), n, k))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := w.Quantize(d); err != nil {
				b.Fatal(err)
			}
			w.Pack(new(Slab))
			all[side][i] = w
		}
	}
	for _, m := range []int{1, 8, 32, 64, 512} {
		b.Run(fmt.Sprint(m), func(b *testing.B) {
			x, dst := random(r, m*k), make([]float32, m*n)
			var times [3][]float64
			for i := 0; b.Loop(); i++ {
				for side := range all {
					begin := time.Now()
					MatMul(dst, x, &all[side][i%copies])
					times[side] = append(times[side], time.Since(begin).Seconds())
				}
				begin := time.Now()
				macs := PeakI8(1 << 22)
				times[2] = append(times[2], time.Since(begin).Seconds()/float64(macs))
			}
			for side := range times {
				slices.Sort(times[side])
			}
			median := func(side int) float64 { return times[side][len(times[side])/2] }
			work := float64(m) * n * k
			b.ReportMetric(2*work/median(1)/1e9, "GOPS")
			b.ReportMetric(2*work/median(0)/1e9, "GOPS-Q8_0")
			b.ReportMetric(median(0)/median(1), "times")
			b.ReportMetric(times[0][0]/times[1][0], "times-best")
			b.ReportMetric(2*work/times[1][0]/1e9, "GOPS-best")
			b.ReportMetric(100*work*median(2)/median(1), "%peak")
			b.ReportMetric(0, "ns/op")
		})
	}
}
