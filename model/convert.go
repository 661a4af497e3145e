package model

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"jamba/tensor"
)

// layerOrder is the order of a layer's tensors in a file, by Jamba's names; those with experts come where the router is.
var layerOrder = func() []string {
	parts := make([]string, 0, len(ggufNames.parts))
	for part := range ggufNames.parts {
		if part != "mamba.in_proj.bias" && part != "mamba.out_proj.bias" { // which llama.cpp has no tensors for
			parts = append(parts, part)
		}
	}
	slices.SortFunc(parts, func(a, b string) int { return cmp.Compare(ggufNames.parts[a], ggufNames.parts[b]) })
	return parts
}()

// converted lists the tensors of a folder by GGUF's names and in GGUF's form.
func (e *exporter) converted() error {
	names, used := hfNames[e.Config.Architecture], map[string]bool{}
	fetch := func(name string) (tensor.Tensor, error) {
		used[name] = true
		return e.source.Tensor(name)
	}
	one := func(i int, to, from string) error {
		t, err := fetch(from)
		if err != nil {
			return err
		}
		x := item{Conversion: Conversion{Name: to, Shape: slices.Clone(t.Shape), To: tensor.F32}}
		e.form(&x, i, t)
		return nil
	}
	if err := one(-1, ggufNames.embed, names.embed); err != nil {
		return err
	}
	for i, layer := range e.Config.Layers {
		for _, part := range layerOrder {
			if name := names.part(i, part); e.source.Has(name) && !slices.Contains(e.Unused, name) {
				if err := one(i, ggufNames.part(i, part), name); err != nil {
					return err
				}
			}
		}
		if m := layer.Mamba; m != nil && !m.ConvBias {
			zero := tensor.FromFloat32s("", make([]float32, m.DInner), m.DInner)
			x := item{Conversion: Conversion{Name: ggufNames.part(i, "mamba.conv1d.bias"), Shape: zero.Shape, To: tensor.F32}}
			x.join("zeros, since llama.cpp wants one")
			e.form(&x, i, zero)
		}
		if layer.MoE == nil {
			continue
		}
		for j := range 3 {
			stack, err := e.experts(names, fetch, i, j, layer.MoE)
			if err != nil {
				return err
			}
			shape := append([]int{len(stack)}, stack[0].Shape...)
			e.add(i, item{Conversion: Conversion{Name: fmt.Sprintf(ggufNames.layer, i) + ggufNames.stack[j], Shape: shape}, pieces: stack})
		}
	}
	if err := one(-1, ggufNames.finalNorm, names.finalNorm); err != nil {
		return err
	}
	used[names.lmHead] = used[names.lmHead] || e.Config.TieWordEmbeddings
	if !e.Config.TieWordEmbeddings {
		if err := one(-1, ggufNames.lmHead, names.lmHead); err != nil {
			return err
		}
	}
	for _, name := range e.source.Names() {
		if !used[name] && !slices.Contains(e.Unused, name) && !strings.HasSuffix(name, "rotary_emb.inv_freq") {
			return fmt.Errorf("%s: GGUF has no tensor for it, and llama.cpp would not add it", name)
		}
	}
	return e.ropeFactors()
}

// form brings the tensor t of a checkpoint into GGUF's form and lists it.
func (e *exporter) form(x *item, i int, t tensor.Tensor) {
	part := strings.TrimPrefix(x.Name, fmt.Sprintf(ggufNames.layer, i))
	if part == "ssm_conv1d.weight" {
		x.Shape = []int{t.Shape[0], t.Shape[len(t.Shape)-1]} // the checkpoint has a dimension of 1 between
		t.Shape = x.Shape
	}
	if strings.HasSuffix(x.Name, ".ssm_a") {
		x.negExp = true
		x.join("as -exp(A_log)")
	}
	x.pieces = []tensor.Tensor{matrixOf(t)}
	if i >= 0 && e.Config.Layers[i].Attention != nil && e.Config.Layers[i].Attention.RoPE != nil &&
		(strings.HasPrefix(part, "attn_q.") || strings.HasPrefix(part, "attn_k.")) {
		// Pairs that are rotated together lie side by side in GGUF, half a head apart in the checkpoint.
		d := e.Config.Layers[i].Attention.HeadDim
		x.row = func(r int) int { return r/d*d + r%2*(d/2) + r%d/2 }
		if len(t.Shape) == 1 {
			x.pieces[0].Shape = []int{t.Shape[0], 1}
		}
		x.join("rows of heads in pairs")
	}
	e.add(i, *x)
}

// experts returns the gate, up or down projections (j = 0, 1, 2) of all experts of layer i.
func (e *exporter) experts(names *naming, fetch func(string) (tensor.Tensor, error), i, j int, c *MoE) ([]tensor.Tensor, error) {
	prefix := fmt.Sprintf(names.layer, i)
	var list []tensor.Tensor
	if names.gateUp != "" && e.source.Has(prefix+names.gateUp) {
		name := names.gateUp
		if j == 2 {
			name = names.stack[2]
		}
		all, err := fetch(prefix + name)
		for k := 0; k < c.NumExperts && err == nil; k++ {
			t := all.Index(k)
			if n := c.IntermediateSize; j < 2 {
				t = t.Slice(j*n, (j+1)*n)
			}
			list = append(list, t)
		}
		return list, err
	}
	for k := range c.NumExperts {
		t, err := fetch(prefix + fmt.Sprintf(names.expert[j], k))
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
	from, _ := plain.frequencies(a.HeadDim)
	to, _ := a.RoPE.frequencies(a.HeadDim)
	factors := make([]float32, len(to))
	for i := range to {
		if to[i] == 0 {
			return errors.New("rope scaling llama3 makes a frequency zero")
		}
		factors[i] = from[i] / to[i]
	}
	t := tensor.FromFloat32s(ropeFactors, factors, len(factors))
	x := item{Conversion: Conversion{Name: ropeFactors, Shape: t.Shape, To: tensor.F32}, pieces: []tensor.Tensor{matrixOf(t)}}
	x.join("made from rope_scaling")
	e.add(-1, x)
	return nil
}
