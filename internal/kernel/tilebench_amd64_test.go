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

// BenchmarkTiles times products on tile units and the same without them in turn, on one thread, with the weights of several
// matrices: JAMBA_CPU=amx go test -run - -bench Tiles ./internal/kernel. It reports multiply-adds, two each, a second with and without, of
// the median product, and how many times as fast the former is, of the median and of the best.
func BenchmarkTiles(b *testing.B) {
	if active != &amx {
		b.Skip("once, with the best tier in use")
	}
	par.SetThreads(1)
	defer par.SetThreads(0)
	const n, k, copies = 1792, 1024, 8
	for _, d := range []tensor.DType{tensor.Q8_0, tensor.Q4_0, tensor.Q5_1, tensor.Q4_K, tensor.Q5_K, tensor.Q6_K, tensor.INT8} {
		r := rand.New(rand.NewPCG(1, 2))
		var without, with [copies]Matrix
		for i := range copies {
			size, err := d.RowBytes(k)
			if err != nil {
				b.Fatal(err)
			}
			data := make([]byte, n*size)
			for j := range data {
				data[j] = byte(r.Uint32()) & 0xBF // scales and numbers stay finite
			}
			w, err := NewMatrix(tensor.Tensor{DType: d, Shape: []int{n, k}, Data: data})
			if err != nil {
				b.Fatal(err)
			}
			without[i], with[i] = packedFor(&avx512VNNI, w), packedFor(&amx, w)
		}
		for _, m := range []int{24, 32, 64, 512} {
			b.Run(fmt.Sprintf("%v/%d", d, m), func(b *testing.B) {
				x, dst := random(r, m*k), make([]float32, m*n)
				var times [2][]float64
				for i := 0; b.Loop(); i++ {
					for side, w := range []*Matrix{&without[i%copies], &with[(i+copies/2)%copies]} {
						begin := time.Now()
						MatMul(dst, x, w)
						times[side] = append(times[side], time.Since(begin).Seconds())
					}
				}
				for side := range times {
					slices.Sort(times[side])
				}
				median := func(side int) float64 { return times[side][len(times[side])/2] }
				const work = 2 * n * k / 1e9
				b.ReportMetric(float64(m)*work/median(1), "GOPS")
				b.ReportMetric(float64(m)*work/median(0), "GOPS-without")
				b.ReportMetric(median(0)/median(1), "times")
				b.ReportMetric(times[0][0]/times[1][0], "times-best")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
