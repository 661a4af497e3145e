package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestAdamW(t *testing.T) {
	r := rand.New(rand.NewPCG(71, 72))
	a := AdamW{Scale: 0.5, Keep: 0.99, Beta1: 0.9, Beta2: 0.95, Rest1: 0.1, Rest2: 0.05, Step: 0.02, Correct: 3, Eps: 0.01}
	for _, n := range []int{0, 1, 8, 21, grain + 5} {
		x, grad, m, v := random(r, n), random(r, n), random(r, n), random(r, n)
		for i := range v {
			v[i] *= v[i]
		}
		wx, wm, wv := make([]float64, n), make([]float64, n), make([]float64, n)
		for i := range n {
			g := 0.5 * float64(grad[i])
			wm[i] = 0.9*float64(m[i]) + 0.1*g
			wv[i] = 0.95*float64(v[i]) + 0.05*g*g
			wx[i] = 0.99*float64(x[i]) - 0.02*wm[i]/(3*math.Sqrt(wv[i])+0.01)
		}
		before := slices.Clone(grad)
		a.Update(x, grad, m, v)
		near(t, "x", x, wx, 1e-6)
		near(t, "m", m, wm, 1e-6)
		near(t, "v", v, wv, 1e-6)
		if !slices.Equal(grad, before) {
			t.Error("the gradient has changed")
		}
	}
}
