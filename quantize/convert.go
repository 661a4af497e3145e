package quantize

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"jamba/model"
	"jamba/model/param"
	"jamba/tensor"
)

// ofLayer is one of a layer's tensors.
type ofLayer struct {
	part   param.Part
	tensor param.Tensor
}

// layerOrder is the order of a layer's tensors in a file; those with experts come behind.
var layerOrder = func() (all []ofLayer) {
	for part := range param.GGUFNames.Parts {
		for _, t := range []param.Tensor{param.Weight, param.Bias, param.Itself} {
			if t != param.Bias || part != param.InProj && part != param.OutProj { // which llama.cpp has no tensors for
				all = append(all, ofLayer{part, t})
			}
		}
	}
	slices.SortFunc(all, func(a, b ofLayer) int {
		return cmp.Compare(param.GGUFNames.Tensor(param.In(0, a.part), a.tensor), param.GGUFNames.Tensor(param.In(0, b.part), b.tensor))
	})
	return all
}()

// converted lists the tensors of a folder by GGUF's names and in GGUF's form.
func (e *exporter) converted() error {
	names, used := e.Names(), map[string]bool{}
	fetch := func(name string) (tensor.Tensor, error) {
		used[name] = true
		return e.tensors.Tensor(name)
	}
	one := func(id param.ID, which param.Tensor) error {
		t, err := fetch(names.Tensor(id, which))
		if err != nil {
			return err
		}
		e.form(item{}, id, which, t)
		return nil
	}
	if err := one(param.Outside(param.Embed), param.Weight); err != nil {
		return err
	}
	for i, layer := range e.Config.Layers {
		for _, x := range layerOrder {
			id := param.In(i, x.part)
			if name := names.Tensor(id, x.tensor); e.tensors.Has(name) && !slices.Contains(e.unused, name) {
				if err := one(id, x.tensor); err != nil {
					return err
				}
			}
		}
		if m := layer.Mamba; m != nil && !m.ConvBias {
			zero := tensor.FromFloat32s("", make([]float32, m.DInner), m.DInner)
			x := item{}
			x.join("zeros, since llama.cpp wants one")
			e.form(x, param.In(i, param.Conv), param.Bias, zero)
		}
		if layer.MoE == nil {
			continue
		}
		for _, part := range param.FeedForward {
			stack, err := e.experts(names, fetch, i, part, layer.MoE)
			if err != nil {
				return err
			}
			shape := append([]int{len(stack)}, stack[0].Shape...)
			e.add(i, item{Conversion: model.Conversion{Name: param.GGUFNames.StackOf(i, part), Shape: shape}, pieces: stack})
		}
	}
	if err := one(param.Outside(param.FinalNorm), param.Weight); err != nil {
		return err
	}
	used[names.Head] = used[names.Head] || e.Config.TieWordEmbeddings
	if !e.Config.TieWordEmbeddings {
		if err := one(param.Outside(param.Head), param.Weight); err != nil {
			return err
		}
	}
	for _, name := range e.tensors.Names() {
		if !used[name] && !slices.Contains(e.unused, name) && !strings.HasSuffix(name, "rotary_emb.inv_freq") {
			return fmt.Errorf("%s: GGUF has no tensor for it, and llama.cpp would not add it", name)
		}
	}
	return e.ropeFactors()
}

// form brings one of the tensors of a checkpoint into GGUF's form and lists it as x.
func (e *exporter) form(x item, id param.ID, which param.Tensor, t tensor.Tensor) {
	x.Name, x.Shape, x.To = param.GGUFNames.Tensor(id, which), slices.Clone(t.Shape), tensor.F32
	if id.Part == param.Conv && which == param.Weight {
		x.Shape = []int{t.Shape[0], t.Shape[len(t.Shape)-1]} // the checkpoint has a dimension of 1 between
		t.Shape = x.Shape
	}
	if id.Part == param.ALog {
		x.negExp = true
		x.join("as -exp(A_log)")
	}
	x.pieces = []tensor.Tensor{matrixOf(t)}
	if a := e.Config.Rotated(id); a != nil {
		x.row = func(r int) int { return model.HalvesRow(r, a.HeadDim) }
		if len(t.Shape) == 1 {
			x.pieces[0].Shape = []int{t.Shape[0], 1}
		}
		x.join("rows of heads in pairs")
	}
	e.add(id.Layer, x)
}

// experts returns a projection of all experts of layer i.
func (e *exporter) experts(names *param.Names, fetch func(string) (tensor.Tensor, error), i int, part param.Part, c *model.MoE) ([]tensor.Tensor, error) {
	var list []tensor.Tensor
	if gateUp := names.GateUpOf(i); gateUp != "" && e.tensors.Has(gateUp) {
		name := gateUp
		if part == param.DownProj {
			name = names.StackOf(i, part)
		}
		all, err := fetch(name)
		for k := 0; k < c.NumExperts && err == nil; k++ {
			t := all.Index(k)
			switch n := c.IntermediateSize; part {
			case param.GateProj:
				t = t.Slice(0, n)
			case param.UpProj:
				t = t.Slice(n, 2*n)
			}
			list = append(list, t)
		}
		return list, err
	}
	for k := range c.NumExperts {
		t, err := fetch(names.Tensor(param.ID{Layer: i, Part: part, Expert: k}, param.Weight))
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

// ropeFactors adds the divisors of the frequencies that stand for Llama 3's scaling.
func (e *exporter) ropeFactors() error {
	a := e.Config.Layers[0].Attention
	if a == nil || a.RoPE == nil || a.RoPE.Scaling != "llama3" {
		return nil
	}
	plain := *a.RoPE
	plain.Scaling = ""
	from, _ := plain.Frequencies(a.HeadDim)
	to, _ := a.RoPE.Frequencies(a.HeadDim)
	factors := make([]float32, len(to))
	for i := range to {
		if to[i] == 0 {
			return errors.New("rope scaling llama3 makes a frequency zero")
		}
		factors[i] = from[i] / to[i]
	}
	t := tensor.FromFloat32s(param.RopeFactors, factors, len(factors))
	x := item{Conversion: model.Conversion{Name: param.RopeFactors, Shape: t.Shape, To: tensor.F32}, pieces: []tensor.Tensor{matrixOf(t)}}
	x.join("made from rope_scaling")
	e.add(-1, x)
	return nil
}
