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

// BenchmarkAttention times attention to 400 MB of keys and values, in turn with reading them, and its parts by themselves.
func BenchmarkAttention(b *testing.B) {
	if active.pages == nil {
		b.Skip("these kernels read no pages as they lie")
	}
	r := rand.New(rand.NewPCG(1, 2))
	const groups, heads, d, pages = 4, 16, 64, 1536
	for _, dtype := range []tensor.DType{tensor.F16, tensor.Q8_0} {
		_, row := PageRow(dtype, d)
		size := groups * PageLen * row
		slab := new(Slab)
		a := Attention{Q: random(r, heads*d), DType: dtype, Start: pages*PageLen - 1, Scale: 0.1, M: 1, H: heads, G: groups, D: d}
		a.Dst = make([]float32, len(a.Q))
		all := slab.Bytes(2 * pages * size)
		one := make([]byte, row)
		for at := 0; at < len(all); at += row {
			if at < 1000*row {
				if err := Narrow(one, dtype, random(r, d)); err != nil {
					b.Fatal(err)
				}
			} else {
				copy(one, all[at-1000*row:])
			}
			copy(all[at:], one)
		}
		for p := range pages {
			a.Pages = append(a.Pages, Page{RawK: all[2*p*size : (2*p+1)*size], RawV: all[(2*p+1)*size : (2*p+2)*size]})
		}
		seqs := []Attention{a}
		b.Run(fmt.Sprint(dtype, " all"), func(b *testing.B) {
			var read, attend time.Duration
			for range b.N {
				t := time.Now()
				par.For(16, 1, func(lo, hi int) { Read(all[len(all)/16*lo : len(all)/16*hi]) })
				read += time.Since(t)
				t = time.Now()
				Attend(seqs)
				attend += time.Since(t)
			}
			b.ReportMetric(float64(b.N*len(all))/float64(read.Nanoseconds()), "read_GB/s")
			b.ReportMetric(float64(b.N*len(all))/float64(attend.Nanoseconds()), "attend_GB/s")
			b.ReportMetric(100*read.Seconds()/attend.Seconds(), "%")
		})
		b.Run(fmt.Sprint(dtype, " cached"), func(b *testing.B) {
			near := a
			near.Pages = slices.Repeat(a.Pages[:1], len(a.Pages))
			seqs := []Attention{near}
			b.ResetTimer()
			for range b.N {
				Attend(seqs)
			}
			b.ReportMetric(float64(b.N*len(all))/float64(b.Elapsed().Nanoseconds()), "attend_GB/s")
		})
		tiles := active.pages[dtype]
		for _, n := range []int{1, 4, 48} {
			q, scores, sums, scales := random(r, n*d), random(r, n*PageLen), make([]float32, n*d), make([]float32, wideRows*d)
			if n == 1 {
				q, scores = random(r, 4*d), random(r, 4*PageLen)
			}
			rows := all[:PageLen*row]
			per := func(b *testing.B) {
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*PageLen), "ns/position")
			}
			b.Run(fmt.Sprint(dtype, " score ", n), func(b *testing.B) {
				for range b.N {
					tiles.keys.products(scores, q, rows, rows, n, PageLen, d, scales)
				}
				per(b)
			})
			b.Run(fmt.Sprint(dtype, " mix ", n), func(b *testing.B) {
				for range b.N {
					tiles.sum(sums, scores, rows, rows, n, PageLen, d, scales)
				}
				per(b)
			})
			b.Run(fmt.Sprint(dtype, " weigh ", n), func(b *testing.B) {
				var top, total float32
				for range b.N {
					for i := range n {
						a.weigh(scores[i*PageLen:(i+1)*PageLen], 0, PageLen, &top, &total, sums[i*d:(i+1)*d])
					}
				}
				per(b)
			})
		}
	}
}
