package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestGuardedProducts(t *testing.T) {
	g, r := newGuards(t), rand.New(rand.NewPCG(31, 1))
	for range 150 {
		m, n, k := 1+r.IntN(20), pick(r, 1, 5, 15, 16, 17, 31, 32, 33, 48, 50), pick(r, 1, 2, 3, 4, 5, 7, 8, 9, 31)
		switch r.IntN(8) {
		case 0:
			m, k = 1+r.IntN(7), productK+pick(r, -1, 0, 1, 5)
		case 1:
			m = productBlock + pick(r, -1, 0, 1, 5, 6)
		}
		x, w, dst, add := hostile(r, m*k), hostile(r, k*n), random(r, m*n), r.IntN(2) == 0
		g.check(fmt.Sprintf("Product m %d n %d k %d add %v", m, n, k, add), func(to *memory) {
			Product(put(to, dst), put(to, x), put(to, w), n, k, add)
		})
		g.check(fmt.Sprintf("ProductT m %d n %d k %d add %v", m, n, k, add), func(to *memory) {
			ProductT(put(to, dst), put(to, x), put(to, w), m, n, add)
		})
		if active.many != nil {
			m = max(m, active.many.from.floats) + r.IntN(7)
		}
		x, dst = hostile(r, m*k), make([]float32, m*n)
		g.check(fmt.Sprintf("MatMul m %d n %d k %d", m, n, k), func(to *memory) {
			weights := Matrix{N: n, K: k, weights: &floats{n: n, k: k, values: put(to, w)}}
			MatMul(put(to, dst), put(to, x), &weights)
		})
	}
}

func TestGuardedScanBackward(t *testing.T) {
	g, r := newGuards(t), rand.New(rand.NewPCG(32, 1))
	for i := range 60 {
		l, e, s := 1+r.IntN(5), 1+r.IntN(50), 1+i%17
		if i%10 == 0 {
			l = ScanChunk - 2 + r.IntN(4)
		}
		ends := []int{l}
		if l > 1 && i%2 == 0 {
			ends = []int{1 + r.IntN(l-1), l}
		}
		stride, state := e+pick(r, 0, 1, e), ScanPanels(e)*ScanPanel*s
		x, dt, z, b, c, d, dy := random(r, l*e), hostile(r, l*e), hostile(r, (l-1)*stride+e), random(r, l*s), random(r, l*s), random(r, e), random(r, l*e)
		a, h := random(r, state), random(r, state)
		g.check(fmt.Sprintf("ScanBackward %v E %d S %d", ends, e, s), func(m *memory) {
			sc := ScanBackward{
				Scan: Scan{X: put(m, x), Dt: put(m, dt), Z: put(m, z), ZStride: stride, B: put(m, b), C: put(m, c), A: put(m, a), D: put(m, d), L: l, E: e, S: s},
				Ends: ends, DY: put(m, dy), DX: put(m, x), DDt: put(m, x), DZ: put(m, z), DB: put(m, b), DC: put(m, c), DA: put(m, a), DD: put(m, d),
			}
			begin := 0
			for _, end := range ends {
				for ; begin < end; begin += ScanChunk {
					sc.States = append(sc.States, put(m, h))
				}
				begin = end
			}
			sc.Run()
		})
	}
}

func TestGuardedConvBackward(t *testing.T) {
	g, r := newGuards(t), rand.New(rand.NewPCG(33, 1))
	for i := range 100 {
		l, e, w := 2+r.IntN(6), 1+r.IntN(40), 1+i%9
		stride := e + pick(r, 0, 3, e)
		x, weight, bias, dy := hostile(r, (l-1)*stride+e), random(r, w*e), random(r, e), random(r, l*e)
		if i%5 == 0 {
			bias = nil
		}
		ends := []int{1 + r.IntN(l-1), l}
		g.check(fmt.Sprintf("ConvBackward %v E %d W %d", ends, e, w), func(m *memory) {
			c := ConvBackward{
				Conv: Conv{X: put(m, x), XStride: stride, Weight: put(m, weight), Bias: put(m, bias), L: l, E: e, W: w},
				Ends: ends, DDst: put(m, dy), DX: put(m, x), DWeight: put(m, weight), DBias: put(m, bias),
			}
			c.Run()
		})
	}
}

func TestGuardedRowsBackward(t *testing.T) {
	g, r := newGuards(t), rand.New(rand.NewPCG(34, 1))
	for range 100 {
		m, n := 1+r.IntN(5), 1+r.IntN(40)
		stride := n + pick(r, 0, 3)
		x, y, w := hostile(r, (m-1)*stride+n), hostile(r, m*n), random(r, n)
		g.check(fmt.Sprintf("RMSNormBackward m %d n %d", m, n), func(to *memory) {
			b := RMSNormBackward{DX: put(to, x), X: put(to, x), Stride: stride, DY: put(to, y), Weight: put(to, w), DWeight: put(to, w), Eps: 0.1, Add: true}
			b.Run()
		})
		g.check(fmt.Sprintf("SiLUMulBackward of %d", m*n), func(to *memory) {
			SiLUMulBackward(put(to, y), put(to, y), put(to, y), put(to, y), put(to, y))
		})
		g.check(fmt.Sprintf("AdamW of %d", m*n), func(to *memory) {
			AdamW{Scale: 1, Keep: 1, Beta1: 0.9, Beta2: 0.9, Rest1: 0.1, Rest2: 0.1, Step: 0.1, Correct: 1, Eps: 0.1}.Update(put(to, y), put(to, y), put(to, y), put(to, y))
		})
		g.check(fmt.Sprintf("CrossEntropy m %d n %d", m, n), func(to *memory) {
			CrossEntropy(put(to, y), make([]int32, m), 0.3)
		})
		heads := 1 + r.IntN(3)
		q, kv := random(r, m*heads*n), random(r, m*n)
		g.check(fmt.Sprintf("AttentionBackward m %d heads %d d %d", m, heads, n), func(to *memory) {
			a := AttentionBackward{
				Q: put(to, q), O: put(to, q), DO: put(to, q), K: put(to, kv), V: put(to, kv), Ends: []int{m}, Window: m % 3, Scale: 0.3,
				L: m, H: heads, G: 1, D: n, DQ: put(to, q), DK: put(to, kv), DV: put(to, kv),
			}
			a.Run()
		})
	}
}
