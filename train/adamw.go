package train

import (
	"fmt"
	"math"

	"jamba/internal/kernel"
	"jamba/model"
)

// AdamW is the optimizer's settings (Loshchilov and Hutter 2019, algorithm 2, with the decay multiplied by the learning
// rate as torch does).
type AdamW struct {
	Betas       [2]float64
	Eps         float64
	WeightDecay float64
	// DecayAll decays every tensor, as the reference does; else A_log, D, biases and norms are exempt.
	DecayAll bool
}

// DefaultAdamW returns settings that language models are usually trained with.
func DefaultAdamW() AdamW {
	return AdamW{Betas: [2]float64{0.9, 0.95}, Eps: 1e-8, WeightDecay: 0.1}
}

func (a AdamW) validate() error {
	for _, b := range a.Betas {
		if !(b >= 0 && b < 1) {
			return fmt.Errorf("betas are %v, want numbers from 0 to below 1", a.Betas)
		}
	}
	// Without eps a value whose gradient is 0 would become NaN: 0/0.
	if e := float32(a.Eps); !(e > 0) || math.IsInf(float64(e), 0) {
		return fmt.Errorf("eps is %v, want a number above 0 that float32 has", a.Eps)
	}
	if !(a.WeightDecay >= 0) || math.IsInf(a.WeightDecay, 0) {
		return fmt.Errorf("weight-decay is %v, want 0 or more", a.WeightDecay)
	}
	return nil
}

// decay returns the weight decay of p.
func (a AdamW) decay(p *Param) float64 {
	switch p.Kind() {
	case model.Norm, model.Bias, model.ALog, model.D:
		if !a.DecayAll {
			return 0
		}
	}
	return a.WeightDecay
}

// Moments is the memory of AdamW: for each parameter the running means of its gradient and of the gradient's square, in
// the order of the parameters, nil for frozen ones.
type Moments struct {
	Step int // that have been done
	M, V [][]float32
}

func newMoments(params []Param) Moments {
	m := Moments{M: make([][]float32, len(params)), V: make([][]float32, len(params))}
	for i, p := range params {
		if p.Grad != nil {
			m.M[i], m.V[i] = make([]float32, len(p.Value)), make([]float32, len(p.Value))
		}
	}
	return m
}

// update does one step with the gradients times scale.
func (a AdamW) update(params []Param, m *Moments, lr, scale float64) {
	m.Step++
	b1, b2 := a.Betas[0], a.Betas[1]
	step := lr / (1 - math.Pow(b1, float64(m.Step)))
	// v is corrected under its root, and eps added after.
	correct := 1 / math.Sqrt(1-math.Pow(b2, float64(m.Step)))
	for i := range params {
		p := &params[i]
		if p.Grad == nil {
			continue
		}
		kernel.AdamW{
			Scale: float32(scale), Keep: float32(1 - lr*a.decay(p)), Beta1: float32(b1), Beta2: float32(b2), Rest1: float32(1 - b1), Rest2: float32(1 - b2),
			Step: float32(step), Correct: float32(correct), Eps: float32(a.Eps),
		}.Update(p.Value, p.Grad, m.M[i], m.V[i])
	}
}
