package kernel

import (
	"fmt"
	"math"

	"jamba/internal/kernel/par"
)

// AdamW is one step of the optimizer (Loshchilov and Hutter 2019, algorithm 2), as factors that are the same for all
// values of a parameter: with g = Scale·grad
//
//	m = Beta1·m + Rest1·g
//	v = Beta2·v + Rest2·g²
//	x = Keep·x - Step·m/(Correct·sqrt(v) + Eps)
type AdamW struct {
	Scale, Keep, Beta1, Beta2, Rest1, Rest2, Step, Correct, Eps float32
}

// Update changes x, m and v, all of one length.
func (a AdamW) Update(x, grad, m, v []float32) {
	if len(grad) != len(x) || len(m) != len(x) || len(v) != len(x) {
		panic(fmt.Sprintf("kernel: AdamW of %d, %d, %d and %d values", len(x), len(grad), len(m), len(v)))
	}
	par.For(len(x), grain, func(lo, hi int) {
		for ; lo < hi; lo += grain {
			end := min(lo+grain, hi)
			active.adamW(&a, x[lo:end], grad[lo:end], m[lo:end], v[lo:end])
		}
	})
}

func adamWGeneric(a *AdamW, x, grad, m, v []float32) {
	for i, g := range grad {
		g *= a.Scale
		m[i] = a.Beta1*m[i] + a.Rest1*g
		v[i] = a.Beta2*v[i] + a.Rest2*g*g
		x[i] = a.Keep*x[i] - a.Step*m[i]/(a.Correct*float32(math.Sqrt(float64(v[i])))+a.Eps)
	}
}
