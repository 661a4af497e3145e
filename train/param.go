package train

import (
	"fmt"

	"jamba/kernel"
	"jamba/model"
	"jamba/model/lora"
)

// Param is a parameter of the model and its gradient.
type Param struct {
	model.Param
	Grad []float32 // like Value; nil: frozen
}

// layer holds the parameters of one layer by Jamba's names for them; what is in no layer has one to itself.
type layer map[string]*Param

// index returns the parameters by layer, those outside of layers first.
func index(params []Param, layers int) []layer {
	all := make([]layer, layers+1)
	for i := range all {
		all[i] = layer{}
	}
	for i := range params {
		all[params[i].Layer+1][params[i].Part] = &params[i]
	}
	return all
}

// expert returns the parameters of expert e by the names of an MLP's.
func (l layer) expert(e int) layer {
	x := layer{}
	for _, part := range []string{"gate_proj", "up_proj", "down_proj"} {
		for _, suffix := range []string{".weight", lora.SuffixA, lora.SuffixB} {
			if p := l[fmt.Sprintf("feed_forward.experts.%d.%s%s", e, part, suffix)]; p != nil {
				x["feed_forward."+part+suffix] = p
			}
		}
	}
	return x
}

// linear is the backward pass of a linear layer of that name, y = x·wᵀ + bias: from the gradient dy [rows, N] of its
// output it computes that of its input, dx [rows, K], to which it adds if add is set, and adds to those of its parameters.
func (l layer) linear(name string, dx, dy, x []float32, add bool) {
	w := l[name+".weight"]
	n := w.Shape[0]
	if w.Weight != nil {
		w.Weight.Product(dx, dy, add)
	} else {
		kernel.Product(dx, dy, w.Value, len(w.Value)/n, n, add)
	}
	if w.Grad != nil {
		kernel.ProductT(w.Grad, dy, x, n, len(w.Value)/n, true)
	}
	if b := l[name+".bias"]; b != nil && b.Grad != nil {
		kernel.AddRows(b.Grad, dy)
	}
	if a := l[name+lora.SuffixA]; a != nil {
		lowRank(a, l[name+lora.SuffixB], dx, dy, x)
	}
}

// grad returns the gradient of a parameter to add to: memory that is thrown away if the parameter is frozen, nil if
// there is none.
func (l layer) grad(name string) []float32 {
	p := l[name]
	switch {
	case p == nil:
		return nil
	case p.Grad == nil:
		return make([]float32, len(p.Value))
	}
	return p.Grad
}

// norm is the backward pass of the RMSNorm of that name: it adds to dx what comes from dy.
func (l layer) norm(name string, dx, dy, x []float32, eps float32) {
	w := l[name+".weight"]
	b := kernel.RMSNormBackward{DX: dx, X: x, Stride: len(w.Value), DY: dy, Weight: w.Value, DWeight: l.grad(name + ".weight"), Eps: eps, Add: true}
	b.Run()
}
