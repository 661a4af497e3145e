package model

import (
	"jamba/internal/kernel"
	"jamba/internal/kernel/quant"
	"jamba/model/param"
	"jamba/tensor"
)

// Source is where the weights of a network come from: its parameters one by one, however they are stored.
type Source interface {
	// Tensor returns one of a part's tensors in the given shape, in memory that is valid until Close. Errors name it as it
	// is stored.
	Tensor(id param.ID, t param.Tensor, shape ...int) (tensor.Tensor, error)
	// Packed returns the weight of a part, [n, k], if it is stored as the fast kernels read it; else nil.
	Packed(id param.ID, n, k int) (*kernel.Matrix, error)
	// HasBias reports whether a part's bias, which the settings ask for, is there; if not, it is zero.
	HasBias(id param.ID) bool
	// Skip tells that a tensor belongs to a stage that is not loaded.
	Skip(id param.ID, t param.Tensor)
	// ByProjection reports whether the experts of a layer lie one projection after the other: they are asked for in that
	// order.
	ByProjection(layer int) bool
	// Negated reports whether the tensors of A_log hold A = -exp(A_log).
	Negated() bool
	// Name returns what the source calls one of a part's tensors.
	Name(id param.ID, t param.Tensor) string
	// Stored names the tensor that a part's weight is in, for reports.
	Stored(id param.ID) string
	// Release tells that bytes of the source are not needed for now; other memory is left alone.
	Release(b []byte)
	Close() error
}

// Load makes a model of a stage's weights, for the exact pass until Prepare says otherwise. Close closes the source; after an
// error that is left to the caller.
func Load(c Config, s Stage, src Source) (*Model, error) {
	l := &loader{source: src, stage: s}
	m := l.model(c)
	if l.err != nil {
		return nil, l.err
	}
	m.source = src
	m.countIntegers()
	return m, nil
}

// model fetches the tensors of the stage.
func (l *loader) model(c Config) *Model {
	m := &Model{Config: c, kv: Exact.KV()}
	m.stage, l.err = l.stage.of(len(c.Layers))
	l.ropes = map[*RoPE]*ropeTable{}
	embed, head := param.Outside(param.Embed), param.Outside(param.Head)
	l.absent = l.survey != nil || m.stage.Lo > 0
	m.embed = l.matrix(embed, c.VocabSize, c.HiddenSize)
	m.sizes.Embedding = l.take()
	for i, layer := range c.Layers {
		if l.err != nil {
			return m
		}
		l.absent = l.survey != nil || i < m.stage.Lo || i >= m.stage.Hi
		m.blocks = append(m.blocks, l.block(i, layer, c.HiddenSize))
		size := l.take()
		if e := layer.MoE; e != nil {
			// All experts are of one size.
			size.ActiveParams -= l.experts.Params / int64(e.NumExperts) * int64(e.NumExperts-e.NumExpertsPerTok)
			size.ExpertBytes = l.experts.Bytes
		}
		l.experts = Size{}
		m.sizes.Layers = append(m.sizes.Layers, size)
	}
	l.absent = l.survey != nil || !m.ends()
	m.finalNorm = l.vector(param.Outside(param.FinalNorm), param.Weight, c.HiddenSize)
	switch {
	case m.tied():
		m.lmHead = m.embed
	case c.TieWordEmbeddings:
		m.lmHead = l.matrix(embed, c.VocabSize, c.HiddenSize)
	default:
		m.lmHead = l.matrix(head, c.VocabSize, c.HiddenSize)
	}
	m.sizes.Head = l.take()
	m.params = l.params
	return m
}

// loader fetches parameters from a source. It keeps the first error, after which results are void.
type loader struct {
	source Source
	stage  Stage
	absent bool // what is fetched belongs to another stage: it gets a shape and no values
	ropes  map[*RoPE]*ropeTable
	err    error

	training bool         // copy all weights into memory of their own, listed in params
	frozen   bool         // but leave matrices as they are
	inPairs  bool         // bring rows of q and k that lie in pairs half a head apart
	fresh    *weights     // fills new weights; nil: they come from the source
	names    *param.Names // of new weights
	survey   Tell         // what is fetched gets a shape and no values, and this says how many bytes it takes; nil: weights are loaded
	params   []Param
	owned    int // their values

	size    Size // of what was fetched since the last take
	experts Size // of it, what belongs to experts
}

func (l *loader) take() Size {
	s := l.size
	s.ActiveParams = s.Params
	l.size = Size{}
	return s
}

// tensor fetches one of a part's tensors.
func (l *loader) tensor(id param.ID, which param.Tensor, shape ...int) (t tensor.Tensor) {
	switch {
	case l.err != nil:
		return tensor.Tensor{}
	case l.survey != nil:
		return l.surveyed(id, which, shape)
	case l.absent:
		l.source.Skip(id, which)
		return tensor.Tensor{Shape: shape}
	case l.fresh != nil: // own makes its memory
		t = tensor.Tensor{DType: tensor.F32, Shape: shape}
		l.count(int64(t.Numel()), 4*int64(t.Numel()))
		return t
	}
	if t, l.err = l.source.Tensor(id, which, shape...); l.err != nil {
		return tensor.Tensor{}
	}
	l.count(int64(t.Numel()), int64(len(t.Data)))
	return t
}

func (l *loader) count(params, bytes int64) {
	l.size.Params += params
	l.size.Bytes += bytes
}

// matrix fetches a part's weight.
func (l *loader) matrix(id param.ID, n, k int) kernel.Matrix {
	if w := l.packed(id, n, k); w != nil {
		return *w
	}
	return l.wrap(id, l.tensor(id, param.Weight, n, k))
}

// packed fetches a part's weight if it is stored as the kernels read it, or else returns nil.
func (l *loader) packed(id param.ID, n, k int) (w *kernel.Matrix) {
	if l.err != nil || l.absent || l.training {
		return nil
	}
	if w, l.err = l.source.Packed(id, n, k); l.err != nil || w == nil {
		return nil
	}
	l.count(int64(n)*int64(k), int64(w.Bytes()))
	return w
}

// heads fetches a matrix of layer i whose rows are those of heads.
func (l *loader) heads(i int, part param.Part, n, k, headDim int) kernel.Matrix {
	if !l.inPairs {
		return l.weight(i, part, n, k)
	}
	id := param.In(i, part)
	t := l.tensor(id, param.Weight, n, k)
	if l.err != nil {
		return kernel.Matrix{}
	}
	return l.wrap(id, halves(t, headDim))
}

// headBias fetches the vector beside heads, if it is wanted.
func (l *loader) headBias(i int, part param.Part, n, headDim int, wanted bool) []float32 {
	b := l.bias(i, part, n, wanted)
	if l.inPairs && l.err == nil && b != nil {
		t := halves(tensor.FromFloat32s("", b, n), headDim)
		own, _ := t.Float32s()
		copy(b, own)
	}
	return b
}

func (l *loader) wrap(id param.ID, t tensor.Tensor) kernel.Matrix {
	if l.training && !l.frozen {
		t = tensor.FromFloat32s(t.Name, l.own(id, param.Weight, t), t.Shape...)
	}
	if l.err != nil {
		return kernel.Matrix{}
	}
	if l.absent {
		return kernel.Matrix{N: t.Shape[0], K: t.Shape[1]}
	}
	var w kernel.Matrix
	w, l.err = kernel.NewMatrix(t)
	if l.frozen {
		own := w
		l.params = append(l.params, Param{ID: id, Tensor: param.Weight, Name: l.name(id, param.Weight), Shape: t.Shape, Weight: &own})
	}
	return w
}

// vector fetches a tensor as float32, without a copy where it is stored so.
func (l *loader) vector(id param.ID, which param.Tensor, shape ...int) []float32 {
	t := l.tensor(id, which, shape...)
	if l.training {
		return l.own(id, which, t)
	}
	if l.err != nil || l.absent {
		return nil
	}
	if f, ok := t.Float32s(); ok {
		return f
	}
	f := make([]float32, t.Numel())
	quant.Values(f, t, 0)
	return f
}

// name returns what a parameter is called, in the source or as a new one.
func (l *loader) name(id param.ID, t param.Tensor) string {
	if l.fresh != nil {
		return l.names.Tensor(id, t)
	}
	return l.source.Name(id, t)
}

// norm fetches the weights of a norm of layer i, if it is wanted.
func (l *loader) norm(i int, part param.Part, n int, wanted bool) []float32 {
	if !wanted {
		return nil
	}
	return l.vector(param.In(i, part), param.Weight, n)
}

// bias fetches a projection's bias, if it is wanted. If only some of the biases are there, the others are zero, as in the
// reference.
func (l *loader) bias(i int, part param.Part, n int, wanted bool) []float32 {
	if !wanted {
		return nil
	}
	id := param.In(i, part)
	if l.fresh == nil && !l.source.HasBias(id) {
		return nil
	}
	return l.vector(id, param.Bias, n)
}

// weight fetches a matrix of layer i.
func (l *loader) weight(i int, part param.Part, n, k int) kernel.Matrix {
	return l.matrix(param.In(i, part), n, k)
}

func (l *loader) block(i int, c Layer, hidden int) block {
	b := block{inputNorm: l.norm(i, param.InputNorm, hidden, true)}
	if c.Attention != nil {
		b.mixer = l.attention(i, c.Attention, hidden)
	} else {
		b.mixer = l.mamba(i, c.Mamba, hidden)
	}
	switch {
	case c.MLP != nil:
		b.feedForward = l.mlp(i, c.MLP, hidden)
	case c.MoE != nil:
		b.feedForward = l.moe(i, c.MoE, hidden)
	default:
		return b
	}
	b.ffNorm = l.norm(i, param.FeedForwardNorm, hidden, true)
	return b
}

func (l *loader) attention(i int, c *Attention, hidden int) *attention {
	q, kv := c.NumAttentionHeads*c.HeadDim, c.NumKeyValueHeads*c.HeadDim
	a := &attention{
		Attention: c,
		qProj:     l.heads(i, param.QProj, q, hidden, c.HeadDim),
		kProj:     l.heads(i, param.KProj, kv, hidden, c.HeadDim),
		vProj:     l.weight(i, param.VProj, kv, hidden),
		oProj:     l.weight(i, param.OProj, hidden, q),
		qBias:     l.headBias(i, param.QProj, q, c.HeadDim, c.Bias),
		kBias:     l.headBias(i, param.KProj, kv, c.HeadDim, c.Bias),
		vBias:     l.bias(i, param.VProj, kv, c.Bias),
		oBias:     l.bias(i, param.OProj, hidden, c.Bias),
	}
	if c.RoPE != nil {
		if l.ropes[c.RoPE] == nil {
			invFreq, scale := c.RoPE.Frequencies(c.HeadDim)
			l.ropes[c.RoPE] = &ropeTable{invFreq, scale}
		}
		a.rope = l.ropes[c.RoPE]
	}
	return a
}

func (l *loader) mamba(i int, c *Mamba, hidden int) *mamba {
	e, s, r := c.DInner, c.DState, c.DtRank
	m := &mamba{
		Mamba:    c,
		conv1d:   l.vector(param.In(i, param.Conv), param.Weight, e, 1, c.DConv),
		aLog:     l.vector(param.In(i, param.ALog), param.Itself, e, s),
		negA:     l.fresh == nil && l.source.Negated(),
		inProj:   l.weight(i, param.InProj, 2*e, hidden),
		inBias:   l.bias(i, param.InProj, 2*e, c.ProjBias),
		convBias: l.bias(i, param.Conv, e, c.ConvBias),
		xProj:    l.weight(i, param.XProj, r+2*s, e),
		dtNorm:   l.norm(i, param.DtNorm, r, c.InnerNorms),
		bNorm:    l.norm(i, param.BNorm, s, c.InnerNorms),
		cNorm:    l.norm(i, param.CNorm, s, c.InnerNorms),
		dtProj:   l.weight(i, param.DtProj, e, r),
		dtBias:   l.vector(param.In(i, param.DtProj), param.Bias, e),
		d:        l.vector(param.In(i, param.D), param.Itself, e),
		outProj:  l.weight(i, param.OutProj, hidden, e),
		outBias:  l.bias(i, param.OutProj, hidden, c.ProjBias),
	}
	if l.err == nil && !l.absent {
		m.refresh()
	}
	if !l.training {
		m.conv1d, m.aLog = nil, nil
	}
	return m
}

func (l *loader) mlp(i int, c *MLP, hidden int) *mlp {
	return &mlp{
		gateProj: l.weight(i, param.GateProj, c.IntermediateSize, hidden),
		upProj:   l.weight(i, param.UpProj, c.IntermediateSize, hidden),
		downProj: l.weight(i, param.DownProj, hidden, c.IntermediateSize),
		gateBias: l.bias(i, param.GateProj, c.IntermediateSize, c.Bias),
		upBias:   l.bias(i, param.UpProj, c.IntermediateSize, c.Bias),
		downBias: l.bias(i, param.DownProj, hidden, c.Bias),
	}
}

func (l *loader) moe(i int, c *MoE, hidden int) *moe {
	f := &moe{MoE: c, router: l.weight(i, param.Router, c.NumExperts, hidden)}
	before := l.size
	f.experts = l.expertMLPs(i, c, hidden)
	l.experts = Size{Params: l.size.Params - before.Params, Bytes: l.size.Bytes - before.Bytes}
	return f
}

// expertMLPs fetches the experts of layer i.
func (l *loader) expertMLPs(i int, c *MoE, hidden int) []mlp {
	n, width := c.NumExperts, c.IntermediateSize
	if l.err != nil {
		return nil
	}
	if l.survey != nil {
		return l.surveyExperts(i, c, hidden)
	}
	experts := make([]mlp, n)
	fetch := []func(e int){
		func(e int) {
			experts[e].gateProj = l.matrix(param.ID{Layer: i, Part: param.GateProj, Expert: e}, width, hidden)
		},
		func(e int) {
			experts[e].upProj = l.matrix(param.ID{Layer: i, Part: param.UpProj, Expert: e}, width, hidden)
		},
		func(e int) {
			experts[e].downProj = l.matrix(param.ID{Layer: i, Part: param.DownProj, Expert: e}, hidden, width)
		},
	}
	if l.fresh == nil && l.source.ByProjection(i) {
		for _, projection := range fetch {
			for e := range experts {
				projection(e)
			}
		}
		return experts
	}
	for e := range experts {
		for _, projection := range fetch {
			projection(e)
		}
	}
	return experts
}
