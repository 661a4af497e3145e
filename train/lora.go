package train

import "jamba/internal/kernel"

// lowRank is the backward pass of what an adapter adds to a linear layer, y = scale·(x·Aᵀ)·Bᵀ (Hu et al. 2021, section
// 4.1): from the gradient dy [rows, N] of the output it adds to that of the input, dx [rows, K], and to those of A and B.
// With them dB = scale·dyᵀ·(x·Aᵀ) and dA = scale·(dy·B)ᵀ·x: neither needs the gradient of a whole weight.
func lowRank(a, b *Param, dx, dy, x []float32) {
	p := a.Adapter
	if len(x) == 0 {
		return
	}
	low := make([]float32, len(x)/p.In*p.R)
	if b.Grad != nil {
		down, _ := p.Matrices()
		kernel.MatMul(low, x, &down)
		scale(low, p.Scale)
		kernel.ProductT(b.Grad, dy, low, p.Out, p.R, true)
	}
	kernel.Product(low, dy, b.Value, p.R, p.Out, false)
	scale(low, p.Scale)
	if a.Grad != nil {
		kernel.ProductT(a.Grad, low, x, p.R, p.In, true)
	}
	kernel.Product(dx, low, a.Value, p.In, p.R, true)
}

// embedded is the backward pass of what an adapter adds to the embedding of tokens, y = scale·B·A's column of each: from
// the gradient dy [rows, Out] it adds to those of A and B. The column of token pad learns nothing.
func embedded(a, b *Param, dy []float32, tokens []int32, pad int) {
	p := a.Adapter
	low := make([]float32, len(tokens)*p.R)
	if b.Grad != nil {
		p.Columns(low, tokens)
		scale(low, p.Scale)
		kernel.ProductT(b.Grad, dy, low, p.Out, p.R, true)
	}
	if a.Grad == nil {
		return
	}
	kernel.Product(low, dy, b.Value, p.R, p.Out, false)
	scale(low, p.Scale)
	for i, id := range tokens {
		if int(id) == pad {
			continue
		}
		for r := range p.R {
			a.Grad[r*p.In+int(id)] += low[i*p.R+r]
		}
	}
}

func scale(x []float32, by float32) {
	for i := range x {
		x[i] *= by
	}
}
