package kernel

import (
	"slices"

	"jamba/internal/kernel/par"
)

// widenPiece is how many weights widenedProduct widens at a time.
const widenPiece = 1 << 20

// widenedProduct is weights.product with the rows of w widened to float32, some at a time.
func widenedProduct(dst, x []float32, w weights, N, K int, add bool) {
	m, step := len(x)/N, min(N, max(1, widenPiece/K))
	s := scratches.Get().(*[]float32)
	defer scratches.Put(s)
	*s = slices.Grow((*s)[:0], step*(K+m))[:step*(K+m)]
	wide, part := (*s)[:step*K], (*s)[step*K:]
	for lo := 0; lo < N; lo += step {
		n := min(step, N-lo)
		par.For(n, max(1, (1<<14)/K), func(from, to int) {
			for i := from; i < to; i++ {
				w.row(wide[i*K:(i+1)*K], lo+i)
			}
		})
		for i := range m {
			copy(part[i*n:(i+1)*n], x[i*N+lo:])
		}
		Product(dst, part[:m*n], wide[:n*K], K, n, add || lo > 0)
	}
}
