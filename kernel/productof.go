package kernel

import (
	"slices"

	"jamba/kernel/par"
)

// widenPiece is how many weights Matrix.Product widens at a time.
const widenPiece = 1 << 20

// Product computes dst = or += x·w, with x [M, N] and dst [M, K]: the gradient of a linear layer's input, with x that of
// its output. Weights that are not float32 are widened a few rows at a time. M is len(x)/N.
func (w *Matrix) Product(dst, x []float32, add bool) {
	if w.f32 != nil {
		Product(dst, x, w.f32, w.K, w.N, add)
		return
	}
	m, step := len(x)/w.N, min(w.N, max(1, widenPiece/w.K))
	s := scratches.Get().(*[]float32)
	defer scratches.Put(s)
	*s = slices.Grow((*s)[:0], step*(w.K+m))[:step*(w.K+m)]
	wide, part := (*s)[:step*w.K], (*s)[step*w.K:]
	for lo := 0; lo < w.N; lo += step {
		n := min(step, w.N-lo)
		par.For(n, max(1, (1<<14)/w.K), func(from, to int) {
			for i := from; i < to; i++ {
				w.Row(wide[i*w.K:(i+1)*w.K], lo+i)
			}
		})
		for i := range m {
			copy(part[i*n:(i+1)*n], x[i*w.N+lo:])
		}
		Product(dst, part[:m*n], wide[:n*w.K], w.K, n, add || lo > 0)
	}
}

// Raw returns the bytes of the weights, which are only to be read; nil if they are kept in another layout.
func (w *Matrix) Raw() []byte { return w.data }
