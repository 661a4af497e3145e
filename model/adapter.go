package model

import (
	"errors"
	"fmt"
	"strings"

	"jamba/kernel"
	"jamba/kernel/par"
	"jamba/model/lora"
)

// lowRank is what an adapter adds to the product with one matrix.
type lowRank struct {
	a, b  kernel.Matrix // [R, K] and [N, R]
	scale float32
}

// addLowRank adds scale·(x·aᵀ)·bᵀ to out, in float32 whatever the model's precision.
func (p *Pass) addLowRank(out, x []float32, l *lowRank) {
	p.low, p.delta = grow(p.low, len(x)/l.a.K*l.a.N), grow(p.delta, len(out))
	low, delta := p.low, p.delta
	kernel.MatMul(low, x, &l.a)
	for i := range low {
		low[i] *= l.scale
	}
	kernel.MatMul(delta, low, &l.b)
	par.For(len(out), 1<<14, func(lo, hi int) { kernel.Add(out[lo:hi], delta[lo:hi]) })
}

// Modules returns the linear layers that an adapter can change, in the network's order: all but the head.
func (m *Model) Modules() []lora.Module {
	var all []lora.Module
	m.projections(func(module lora.Module, _ *kernel.Matrix) { all = append(all, module) })
	return all
}

// projections visits the linear layers of all blocks.
func (m *Model) projections(visit func(lora.Module, *kernel.Matrix)) {
	names := hfNames[m.Config.Architecture]
	for i := range m.blocks {
		one := func(part string, expert int, w *kernel.Matrix) {
			if expert >= 0 {
				part = strings.Replace(part, ".", fmt.Sprintf(".experts.%d.", expert), 1)
			}
			visit(lora.Module{Name: names.module(i, part), Layer: i, Part: part, Group: group(part), In: w.K, Out: w.N}, w)
		}
		m.blocks[i].mixer.projections(one)
		if ff := m.blocks[i].feedForward; ff != nil {
			ff.projections(one)
		}
	}
}

// group returns the group of a linear layer by Jamba's name for it.
func group(part string) lora.Group {
	switch {
	case strings.HasPrefix(part, "self_attn."):
		return lora.Attention
	case strings.HasPrefix(part, "mamba."):
		return lora.Mamba
	case strings.HasPrefix(part, "feed_forward.experts."):
		return lora.Experts
	case part == routerPart:
		return lora.Router
	}
	return lora.MLP
}

// Attach lets all passes compute with an adapter of the model's Modules: what it adds to products is computed in float32,
// beside the model's own weights, which stay as they are. It uses a's matrices in place. In a model for training they are
// added to Params.
//
// It must be called before the model is used. It is an error if a module is not the model's, or if there is an adapter.
func (m *Model) Attach(a *lora.Adapter) error {
	if m.Adapter != nil {
		return errors.New("the model has an adapter already")
	}
	pairs := map[string]*lora.Pair{}
	for _, p := range a.Pairs {
		if pairs[p.Name] != nil {
			return fmt.Errorf("the adapter has %s twice", p.Name)
		}
		pairs[p.Name] = p
	}
	all, params := map[*kernel.Matrix]*lowRank{}, []Param(nil)
	m.projections(func(module lora.Module, w *kernel.Matrix) {
		p := pairs[module.Name]
		if p == nil || p.Module != module || len(p.A) != p.R*p.In || len(p.B) != p.Out*p.R {
			return
		}
		delete(pairs, module.Name)
		l := &lowRank{scale: p.Scale}
		l.a, l.b = p.Matrices()
		all[w] = l
		params = append(params,
			Param{Name: p.NameA(), Layer: p.Layer, Part: p.Part + lora.SuffixA, Shape: []int{p.R, p.In}, Value: p.A, Adapter: p},
			Param{Name: p.NameB(), Layer: p.Layer, Part: p.Part + lora.SuffixB, Shape: []int{p.Out, p.R}, Value: p.B, Adapter: p})
		if attention := m.Config.Layers[p.Layer].Attention; attention != nil && attention.RoPE != nil && attention.RoPE.Interleaved {
			if strings.HasSuffix(p.Part, "q_proj") || strings.HasSuffix(p.Part, "k_proj") {
				l.b = interleaved(p, attention.HeadDim)
			}
		}
	})
	for name := range pairs {
		return fmt.Errorf("the adapter's %s is no module of the model", name)
	}
	for _, p := range a.Pairs {
		m.count(p)
	}
	m.Adapter, m.lowRank = a, all
	if m.params != nil {
		m.params = append(m.params, params...)
	}
	return nil
}

// interleaved returns B with its rows in the order in which the rotary pairs of each head lie side by side.
func interleaved(p *lora.Pair, headDim int) kernel.Matrix {
	c := *p
	c.B = make([]float32, len(p.B))
	for n := range p.Out {
		head, i := n/headDim, n%headDim
		from := head*headDim + i%2*(headDim/2) + i/2
		copy(c.B[n*p.R:(n+1)*p.R], p.B[from*p.R:])
	}
	_, b := c.Matrices()
	return b
}

// count counts a pair in the sizes of its layer.
func (m *Model) count(p *lora.Pair) {
	size, n := &m.Sizes.Layers[p.Layer], int64(len(p.A)+len(p.B))
	size.Params += n
	size.Bytes += 4 * n
	if e := m.Config.Layers[p.Layer].MoE; p.Group == lora.Experts {
		size.ExpertBytes += 4 * n
		size.ActiveParams += n * int64(e.NumExpertsPerTok) / int64(e.NumExperts)
	} else {
		size.ActiveParams += n
	}
}
