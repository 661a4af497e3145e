package train

import (
	"jamba/internal/kernel"
	"jamba/model"
	"jamba/model/lora"
	"jamba/model/param"
)

// Param is a parameter of the model and its gradient.
type Param struct {
	model.Param
	Grad []float32 // like Value; nil: frozen
}

// layer is the parameters of one layer, or of what is in no layer, as one of its experts or the rest of it sees them.
type layer struct {
	params map[key]*Param
	expert int // -1: none
}

// key tells the parameters of a layer apart.
type key struct {
	part   param.Part
	expert int
	tensor param.Tensor
}

// index returns the parameters by layer, those outside of layers first.
func index(params []Param, layers int) []layer {
	all := make([]layer, layers+1)
	for i := range all {
		all[i] = layer{map[key]*Param{}, -1}
	}
	for i := range params {
		p := &params[i]
		all[p.Layer+1].params[key{p.Part, p.Expert, p.Tensor}] = p
	}
	return all
}

// of returns the layer as expert e sees it.
func (l layer) of(e int) layer { return layer{l.params, e} }

// get returns a parameter, nil if there is none.
func (l layer) get(part param.Part, t param.Tensor) *Param { return l.params[key{part, l.expert, t}] }

// linear is the backward pass of a linear layer, y = x·wᵀ + bias: from the gradient dy [rows, N] of its
// output it computes that of its input, dx [rows, K], to which it adds if add is set, and adds to those of its parameters.
func (l layer) linear(part param.Part, dx, dy, x []float32, add bool) {
	w := l.get(part, param.Weight)
	n := w.Shape[0]
	if w.Weight != nil {
		w.Weight.Product(dx, dy, add)
	} else {
		kernel.Product(dx, dy, w.Value, len(w.Value)/n, n, add)
	}
	if w.Grad != nil {
		kernel.ProductT(w.Grad, dy, x, n, len(w.Value)/n, true)
	}
	if b := l.get(part, param.Bias); b != nil && b.Grad != nil {
		kernel.AddRows(b.Grad, dy)
	}
	if a := l.get(part, lora.SuffixA); a != nil {
		lowRank(a, l.get(part, lora.SuffixB), dx, dy, x)
	}
}

// grad returns the gradient of a parameter to add to: memory that is thrown away if the parameter is frozen, nil if
// there is none.
func (l layer) grad(part param.Part, t param.Tensor) []float32 {
	p := l.get(part, t)
	switch {
	case p == nil:
		return nil
	case p.Grad == nil:
		return make([]float32, len(p.Value))
	}
	return p.Grad
}

// norm is the backward pass of an RMSNorm: it adds to dx what comes from dy.
func (l layer) norm(part param.Part, dx, dy, x []float32, eps float32) {
	w := l.get(part, param.Weight)
	b := kernel.RMSNormBackward{DX: dx, X: x, Stride: len(w.Value), DY: dy, Weight: w.Value, DWeight: l.grad(part, param.Weight), Eps: eps, Add: true}
	b.Run()
}
