package kernel

import (
	"fmt"
	"slices"

	"jamba/internal/kernel/par"
)

// AttentionBackward is the backward pass of Attend over several sequences that began without pages. It computes the
// scores again, for some queries and all keys that they see at a time.
type AttentionBackward struct {
	Q, O, DO []float32 // [L, H, D]: queries, outputs and their gradient
	K, V     []float32 // [L, G, D]
	Ends     []int     // the row after the last of each sequence, ascending
	Window   int
	Scale    float32
	L, H, G  int
	D        int

	// The gradients, written.
	DQ     []float32 // [L, H, D]
	DK, DV []float32 // [L, G, D]
}

// attentionChunk is how many queries share their keys' reading.
const attentionChunk = 48

// Run runs a.
func (a *AttentionBackward) Run() {
	q, k := a.L*a.H*a.D, a.L*a.G*a.D
	if a.H%a.G != 0 || len(a.Q) != q || len(a.O) != q || len(a.DO) != q || len(a.DQ) != q || len(a.K) != k || len(a.V) != k || len(a.DK) != k || len(a.DV) != k ||
		a.L > 0 && a.Ends[len(a.Ends)-1] != a.L {
		panic(fmt.Sprintf("kernel: AttentionBackward with wrong shapes: L %d H %d G %d D %d", a.L, a.H, a.G, a.D))
	}
	// Every query head has gradients of keys and values of its own, added up at the end in the order of the heads.
	s := scratches.Get().(*[]float32)
	defer scratches.Put(s)
	size := 2 * a.L * a.H * a.D
	*s = slices.Grow((*s)[:0], size)[:size]
	dk, dv := (*s)[:size/2], (*s)[size/2:] // [H, L, D]
	par.For(len(a.Ends)*a.H, 1, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			begin, end, head := 0, a.Ends[i/a.H], i%a.H
			if i >= a.H {
				begin = a.Ends[i/a.H-1]
			}
			at, to := (head*a.L+begin)*a.D, (head*a.L+end)*a.D
			a.head(head, begin, end, dk[at:to], dv[at:to])
		}
	})
	per := a.H / a.G
	par.For(a.L, 1+grain/(a.H*a.D), func(lo, hi int) {
		for i := lo * a.G; i < hi*a.G; i++ {
			t, g := i/a.G, i%a.G
			for _, sum := range [][2][]float32{{a.DK, dk}, {a.DV, dv}} {
				to := sum[0][i*a.D : (i+1)*a.D]
				clear(to)
				for h := g * per; h < (g+1)*per; h++ {
					Add(to, sum[1][(h*a.L+t)*a.D:(h*a.L+t+1)*a.D])
				}
			}
		}
	})
}

// head computes one head of the sequence in the rows [begin, end); dk and dv [end-begin, D] are written.
func (a *AttentionBackward) head(head, begin, end int, dk, dv []float32) {
	n, d := end-begin, a.D
	clear(dk)
	clear(dv)
	s := scratches.Get().(*[]float32)
	defer scratches.Put(s)
	size := 2*n*d + attentionChunk*(3*d+2*n)
	*s = slices.Grow((*s)[:0], size)[:size]
	rest := *s
	take := func(n int) []float32 {
		part := rest[:n]
		rest = rest[n:]
		return part
	}
	k, v := take(n*d), take(n*d)
	gather(k, a.K, begin, a.G, head/(a.H/a.G), d)
	gather(v, a.V, begin, a.G, head/(a.H/a.G), d)
	q, do, dq := take(attentionChunk*d), take(attentionChunk*d), take(attentionChunk*d)
	weights, dweights := take(attentionChunk*n), take(attentionChunk*n)
	for lo := 0; lo < n; lo += attentionChunk {
		hi := min(lo+attentionChunk, n)
		m, first := hi-lo, 0
		if a.Window > 0 {
			first = max(0, lo-a.Window+1)
		}
		keys := hi - first
		gather(q[:m*d], a.Q, begin+lo, a.H, head, d)
		gather(do[:m*d], a.DO, begin+lo, a.H, head, d)
		k, v := k[first*d:hi*d], v[first*d:hi*d]
		p, dp := weights[:m*keys], dweights[:m*keys]
		active.dot(p, q[:m*d], k, m, keys, d, keys)
		active.dot(dp, do[:m*d], v, m, keys, d, keys)
		for i := range m {
			row := p[i*keys : (i+1)*keys]
			from, to := 0, lo+i+1-first
			if a.Window > 0 {
				from = max(0, to-a.Window)
			}
			clear(row[:from])
			clear(row[to:])
			for j := from; j < to; j++ {
				row[j] *= a.Scale
			}
			_, sum := expRow(row[from:to])
			inverse := 1 / sum
			for j := from; j < to; j++ {
				row[j] *= inverse
			}
		}
		run(product{dst: dv[first*d : hi*d], x: p, w: do[:m*d], m: keys, n: d, k: m, add: true, transposed: true}, active.productT)
		for i := range m {
			at := ((begin+lo+i)*a.H + head) * d
			along := dot(a.DO[at:at+d], a.O[at:at+d])
			row := p[i*keys : (i+1)*keys]
			for j, v := range dp[i*keys : (i+1)*keys] {
				row[j] *= (v - along) * a.Scale
			}
		}
		run(product{dst: dq[:m*d], x: p, w: k, m: m, n: d, k: keys}, active.product)
		run(product{dst: dk[first*d : hi*d], x: p, w: q[:m*d], m: keys, n: d, k: m, add: true, transposed: true}, active.productT)
		for i := range m {
			copy(a.DQ[((begin+lo+i)*a.H+head)*d:], dq[i*d:(i+1)*d])
		}
	}
}

// run computes a product on this thread.
func run(p product, f tile) {
	for row := 0; row < p.m; row += productBlock {
		p.block(f, row, min(row+productBlock, p.m), 0, (p.n+productColumns-1)/productColumns)
	}
}

// gather copies a head of the rows from first on of x [rows, heads, d] to dst [n, d].
func gather(dst, x []float32, first, heads, head, d int) {
	for i := range len(dst) / d {
		copy(dst[i*d:(i+1)*d], x[((first+i)*heads+head)*d:])
	}
}
