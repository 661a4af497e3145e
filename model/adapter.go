package model

import (
	"errors"
	"fmt"
	"slices"

	"jamba/internal/kernel"
	"jamba/model/lora"
	"jamba/model/param"
)

// lowRank is what an adapter adds to the product with one matrix, or to the rows of the embedding.
type lowRank struct {
	*lora.Pair
	a, b kernel.Matrix // [R, In] and [Out, R]
}

// lowRankPiece bounds the values that are computed at a time.
const lowRankPiece = 1 << 20

// addLowRank adds scale·(x·aᵀ)·bᵀ to out, in float32 whatever the model's precision.
func (p *Pass) addLowRank(out, x []float32, l *lowRank) {
	for k, n := l.a.K, l.b.N; len(x) > 0; {
		rows := min(len(x)/k, max(1, lowRankPiece/max(l.R, n)))
		low := grow(p.low, rows*l.R)
		kernel.MatMul(low, x[:rows*k], &l.a)
		p.low = low
		p.expand(out[:rows*n], l)
		out, x = out[rows*n:], x[rows*k:]
	}
}

// addEmbedded adds to out what an adapter adds to the embedding of tokens: scale·b·a's column of each.
func (p *Pass) addEmbedded(out []float32, tokens []int32, l *lowRank) {
	for n := l.b.N; len(tokens) > 0; {
		rows := min(len(tokens), max(1, lowRankPiece/max(l.R, n)))
		p.low = grow(p.low, rows*l.R)
		l.Columns(p.low, tokens[:rows])
		p.expand(out[:rows*n], l)
		out, tokens = out[rows*n:], tokens[rows:]
	}
}

// expand adds scale·low·bᵀ to out.
func (p *Pass) expand(out []float32, l *lowRank) {
	p.delta = grow(p.delta, len(out))
	low, delta := p.low, p.delta
	for i := range low {
		low[i] *= l.Scale
	}
	kernel.MatMul(delta, low, &l.b)
	kernel.Residual(out, delta)
}

// Modules returns what an adapter can change, in the network's order: the embedding, the linear layers, and the head.
func (m *Model) Modules() []lora.Module {
	var all []lora.Module
	m.projections(func(module lora.Module, _ *kernel.Matrix) { all = append(all, module) })
	return all
}

// projections visits the embedding, the linear layers of all blocks, and the head.
func (m *Model) projections(visit func(lora.Module, *kernel.Matrix)) {
	names := m.Config.Names()
	module := func(id param.ID, in, out int) lora.Module {
		return lora.Module{Name: names.Module(id), ID: id, Group: group(id), In: in, Out: out}
	}
	vocab, hidden := m.Config.VocabSize, m.Config.HiddenSize
	visit(module(param.Outside(param.Embed), vocab, hidden), &m.embed)
	for i := range m.blocks {
		one := func(part param.Part, expert int, w *kernel.Matrix) {
			visit(module(param.ID{Layer: i, Part: part, Expert: expert}, w.K, w.N), w)
		}
		m.blocks[i].mixer.projections(one)
		if ff := m.blocks[i].feedForward; ff != nil {
			ff.projections(one)
		}
	}
	head := module(param.Outside(param.Head), hidden, vocab)
	head.Tied = m.Config.TieWordEmbeddings
	visit(head, &m.lmHead)
}

// group returns the group of a module.
func group(id param.ID) lora.Group {
	switch id.Part {
	case param.Embed:
		return lora.Embed
	case param.Head:
		return lora.Head
	case param.QProj, param.KProj, param.VProj, param.OProj:
		return lora.Attention
	case param.InProj, param.XProj, param.DtProj, param.OutProj:
		return lora.Mamba
	case param.Router:
		return lora.Router
	}
	if id.Expert >= 0 {
		return lora.Experts
	}
	return lora.MLP
}

// Attach lets all passes compute with an adapter of the model's Modules: what it adds to products is computed in float32,
// beside the model's own weights, which stay as they are, except where the adapter has a weight in place of one. It uses
// a's matrices in place. In a model for training they are added to Params. AdapterWarnings tells what a user should know of it.
//
// It must be called before the model is used. It is an error if a module is not the model's, if there is an adapter, or if
// a model for training would get another weight.
func (m *Model) Attach(a *lora.Adapter) error {
	if m.adapter != nil {
		return errors.New("the model has an adapter already")
	}
	own, params, err := m.ready(a)
	if err != nil {
		return err
	}
	if err := m.replace(a, own); err != nil {
		return err
	}
	for _, l := range own.lowRank {
		m.count(l.Pair)
	}
	own.warnings = append(own.warnings, a.Warnings...)
	m.adapter, m.attached = a, own
	if m.params != nil {
		m.params = append(m.params, params...)
	}
	return nil
}

// Attached returns the adapter of Attach, nil if there is none.
func (m *Model) Attached() *Adapter { return m.attached }

// AdapterWarnings returns what a user should know of the adapter of Attach. They may quote its files.
func (m *Model) AdapterWarnings() []string {
	if m.attached == nil {
		return nil
	}
	return m.attached.Warnings()
}

// ready finds the matrices that an adapter changes by its pairs, and returns its parameters, too.
func (m *Model) ready(a *lora.Adapter) (*Adapter, []Param, error) {
	pairs := map[string]*lora.Pair{}
	for _, p := range a.Pairs {
		if pairs[p.Name] != nil {
			return nil, nil, fmt.Errorf("the adapter has %s twice", p.Name)
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
		if !m.holds(&module) {
			return
		}
		l := &lowRank{Pair: p}
		l.a, l.b = p.Matrices()
		all[w] = l
		params = append(params,
			Param{Name: p.NameA(), ID: p.ID, Tensor: lora.SuffixA, Shape: []int{p.R, p.In}, Value: p.A, Adapter: p},
			Param{Name: p.NameB(), ID: p.ID, Tensor: lora.SuffixB, Shape: []int{p.Out, p.R}, Value: p.B, Adapter: p})
		if a := m.Config.Rotated(p.ID); a != nil && a.RoPE.Interleaved {
			l.b = interleaved(p, a.HeadDim)
		}
	})
	for name := range pairs {
		return nil, nil, fmt.Errorf("the adapter's %s is no module of the model", name)
	}
	return &Adapter{model: m, from: a, lowRank: all}, params, nil
}

// interleaved returns B with its rows in the order in which the rotary pairs of each head lie side by side.
func interleaved(p *lora.Pair, headDim int) kernel.Matrix {
	c := *p
	c.B = make([]float32, len(p.B))
	for n := range p.Out {
		copy(c.B[n*p.R:(n+1)*p.R], p.B[HalvesRow(n, headDim)*p.R:])
	}
	_, b := c.Matrices()
	return b
}

// count counts a pair in the sizes of its layer.
func (m *Model) count(p *lora.Pair) {
	n := int64(len(p.A) + len(p.B))
	size := m.sizeOf(p.Module)
	size.Params += n
	size.Bytes += 4 * n
	if p.Layer < 0 {
		size.ActiveParams += n
		return
	}
	if e := m.Config.Layers[p.Layer].MoE; p.Group == lora.Experts {
		size.ExpertBytes += 4 * n
		size.ActiveParams += n * int64(e.NumExpertsPerTok) / int64(e.NumExperts)
	} else {
		size.ActiveParams += n
	}
}

// sizeOf returns the size that a module counts in.
func (m *Model) sizeOf(module lora.Module) *Size {
	switch {
	case module.Group == lora.Embed:
		return &m.sizes.Embedding
	case module.Layer < 0:
		return &m.sizes.Head
	}
	return &m.sizes.Layers[module.Layer]
}

// replace puts an adapter's weights in the place of the model's own, and frees those that are the same.
func (m *Model) replace(a *lora.Adapter, own *Adapter) error {
	a.Wholes = slices.DeleteFunc(a.Wholes, func(w lora.Whole) bool { return !m.holds(&w.Module) || m.has(&w) })
	for _, w := range a.Wholes {
		if m.params != nil {
			return fmt.Errorf("the adapter has a weight of its own for %s; training beside it is not supported", w.Name)
		}
		weight, err := kernel.NewMatrix(w.Weight)
		if err != nil {
			return err
		}
		to, size := &m.embed, m.sizeOf(w.Module)
		if w.Group == lora.Head {
			to = &m.lmHead
		}
		size.Bytes += int64(weight.Bytes())
		if m.tied() {
			n := int64(weight.N) * int64(weight.K)
			size.Params += n
			size.ActiveParams += n
		} else {
			size.Bytes -= int64(to.Bytes())
		}
		*to = weight
		own.warnings = append(own.warnings, ownWeight(&w))
	}
	return nil
}

func ownWeight(w *lora.Whole) string {
	return fmt.Sprintf("the adapter has a weight of its own for %s, which counts instead of the model's", w.Name)
}

// has reports whether the model has the values of a weight already.
func (m *Model) has(w *lora.Whole) bool {
	is, err := kernel.NewMatrix(w.Weight)
	own := &m.embed
	if w.Group == lora.Head {
		own = &m.lmHead
	}
	if err != nil || is.N != own.N || is.K != own.K {
		return false
	}
	a, b := make([]float32, own.K), make([]float32, own.K)
	for i := range own.N {
		own.Row(a, i)
		is.Row(b, i)
		if !slices.Equal(a, b) {
			return false
		}
	}
	return true
}
