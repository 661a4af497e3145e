package model

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"jamba/format/gguf"
	"jamba/kernel"
	"jamba/kernel/quant"
	"jamba/model/lora"
	"jamba/model/param"
	"jamba/model/state"
	"jamba/tensor"
)

// Model is a network with its weights, most of them used in place from the mapped checkpoint. It never changes and is
// safe for concurrent use, until Close; but see New for models to train.
type Model struct {
	Config    Config
	Precision Precision
	Stage     Stage        // the layers that it has; others have no weights
	KV        tensor.DType // of the keys and values that sequences remember
	Sizes     Sizes
	Unused    []string      // the checkpoint's tensors that the network has no use for
	Warnings  []string      // what a user should know of the checkpoint; may quote its text, which is not fit to be printed as it is
	Quantized Report        // what Options.Weights did with the large matrices; nil if it was not set
	Adapter   *lora.Adapter // see Attach; nil: none
	Native    *Native       // nil: the file's layout is a standard one

	embed     kernel.Matrix // [V, M]
	blocks    []block
	finalNorm []float32
	lmHead    kernel.Matrix // [V, M]; embed if tied
	source    source        // nil: the weights are the model's own
	names     *naming
	params    []Param  // nil: not for training
	attached  *Adapter // that spans compute with if they name none; nil: none
	rounded   Recipe   // of Options.Weights
}

// source is a checkpoint's tensors by their names on disk.
type source interface {
	Has(name string) bool
	Tensor(name string) (tensor.Tensor, error)
	Names() []string
	Paths() []string
	ReleaseBytes(b []byte) // that are not needed for now; other memory is left alone
	Close() error
}

// Options say how to open a model. The zero value is the exact pass.
type Options struct {
	Precision Precision
	Stage     Stage                   // open these layers alone; the zero value is all
	KV        tensor.DType            // keep keys and values as F32, F16 or Q8_0; Invalid: as Precision.KV says
	Weights   Recipe                  // round weights that are not quantized to one of WeightRecipes; "": use them as they are
	Adapter   string                  // a folder with a low-rank adapter as PEFT lays it out, see Attach; empty: none
	Progress  func(done, total int64) // told of the bytes of weights that are ready; may be nil
}

// Open opens the model at path, a folder in Hugging Face layout or a .gguf file, for the exact pass.
// Errors name the file and the setting or tensor.
func Open(path string) (*Model, error) { return OpenWith(path, Options{}) }

// OpenWith is Open with options.
func OpenWith(path string, o Options) (*Model, error) {
	kv := cmp.Or(o.KV, o.Precision.KV())
	if !slices.Contains(kvTypes, kv) {
		return nil, fmt.Errorf("keys and values cannot be kept in %v; %s", kv, kvNames)
	}
	m, err := open(path, o.Stage)
	if err != nil {
		return nil, err
	}
	if src, ok := m.source.(ggufSource); ok && src.native != nil {
		if err := src.native.check(path, o); err != nil {
			m.Close()
			return nil, err
		}
	}
	if o.Adapter != "" {
		a, err := lora.Open(o.Adapter, m.Modules())
		if err == nil {
			err = m.Attach(a)
		}
		if err != nil {
			m.Close()
			return nil, err
		}
	}
	if o.Weights != "" {
		if err := m.quantize(o.Weights, o.Progress); err != nil {
			m.Close()
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	m.KV = kv
	if m.Precision = o.Precision; o.Precision == Fast {
		m.pack(o.Progress)
	}
	m.countIntegers()
	return m, nil
}

func open(path string, s Stage) (*Model, error) {
	if err := kernel.Check(); err != nil {
		return nil, err
	}
	if gguf.Embedded(path) {
		return openGGUF(path, s)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%s: no such file or folder; %s", path, whatIsAModel)
	case err != nil:
		return nil, err
	case info.IsDir():
		return openDir(path, s)
	case strings.HasSuffix(path, ".safetensors") || strings.HasSuffix(path, ".json"):
		return nil, fmt.Errorf("%s: give the folder that it is in; %s", path, whatIsAModel)
	}
	return openGGUF(path, s)
}

// Close releases the checkpoint; the model must not be in use any more.
func (m *Model) Close() error {
	if m.source == nil {
		return nil
	}
	return m.source.Close()
}

// StateSpecs says what a sequence remembers, layer by layer of the model's stage.
func (m *Model) StateSpecs() []state.Spec {
	return m.Config.StateSpecs(m.KV)[m.Stage.Lo:m.Stage.Hi]
}

// NewState returns the state of an empty sequence.
func (m *Model) NewState() *state.State { return state.New(m.StateSpecs()) }

// StateSpecs says what a sequence remembers, layer by layer, with keys and values of type kv.
func (c *Config) StateSpecs(kv tensor.DType) []state.Spec {
	specs := make([]state.Spec, len(c.Layers))
	for i, l := range c.Layers {
		if a := l.Attention; a != nil {
			specs[i] = state.Spec{KVHeads: a.NumKeyValueHeads, HeadDim: a.HeadDim, Window: a.SlidingWindow, DType: kv}
		} else {
			specs[i] = state.Spec{DInner: l.Mamba.DInner, DState: l.Mamba.DState, DConv: l.Mamba.DConv}
		}
	}
	return specs
}

// load fetches a stage's tensors from source, which it closes if it fails.
func load(path string, c Config, s Stage, src source, names *naming) (*Model, error) {
	l := &loader{source: src, names: names, stage: s}
	m := l.model(c)
	if l.err != nil {
		src.Close()
		return nil, fmt.Errorf("%s: %w", path, l.err)
	}
	m.source = src
	return m, nil
}

// model fetches the tensors of the stage.
func (l *loader) model(c Config) *Model {
	m := &Model{Config: c, KV: Exact.KV(), names: l.names}
	m.Stage, l.err = l.stage.of(len(c.Layers))
	l.used, l.ropes = map[string]bool{}, map[*RoPE]*ropeTable{}
	embed := l.at(param.Outside(param.Embed), param.Weight)
	l.absent = m.Stage.Lo > 0
	m.embed = l.matrix(embed, c.VocabSize, c.HiddenSize)
	m.Sizes.Embedding = l.take()
	for i, layer := range c.Layers {
		if l.err != nil {
			return m
		}
		l.absent = i < m.Stage.Lo || i >= m.Stage.Hi
		m.blocks = append(m.blocks, l.block(i, layer, c.HiddenSize))
		size := l.take()
		if e := layer.MoE; e != nil {
			// All experts are of one size.
			size.ActiveParams -= l.experts.Params / int64(e.NumExperts) * int64(e.NumExperts-e.NumExpertsPerTok)
			size.ExpertBytes = l.experts.Bytes
		}
		l.experts = Size{}
		m.Sizes.Layers = append(m.Sizes.Layers, size)
	}
	l.absent = !m.ends()
	m.finalNorm = l.vector(l.at(param.Outside(param.FinalNorm), param.Weight), c.HiddenSize)
	switch {
	case m.tied():
		m.lmHead = m.embed
	case c.TieWordEmbeddings:
		m.lmHead = l.matrix(embed, c.VocabSize, c.HiddenSize)
	default:
		m.lmHead = l.matrix(l.at(param.Outside(param.Head), param.Weight), c.VocabSize, c.HiddenSize)
	}
	l.used[l.names.lmHead] = true
	m.Sizes.Head = l.take()
	m.params = l.params
	l.used[ropeFactors] = slices.ContainsFunc(c.Layers, func(layer Layer) bool {
		a := layer.Attention
		return a != nil && a.RoPE != nil && a.RoPE.FreqFactors != nil // read with the settings
	})
	for _, name := range l.source.Names() {
		// Old checkpoints carry the rotary frequencies, which follow from the settings.
		if !l.used[name] && !strings.HasSuffix(name, "rotary_emb.inv_freq") {
			m.Unused = append(m.Unused, name)
		}
	}
	biases := slices.DeleteFunc(slices.Clone(m.Unused), func(name string) bool { return !strings.HasSuffix(name, ".bias") })
	m.Warnings = append(named(l.zeros, "missing, taken as zeros"), named(biases, "not added, since the settings say that there are no such biases")...)
	return m
}

// loader fetches tensors and checks their shapes. It keeps the first error, after which results are void.
type loader struct {
	source source
	names  *naming
	stage  Stage
	absent bool // what is fetched belongs to another stage: it gets a shape and no values
	used   map[string]bool
	ropes  map[*RoPE]*ropeTable
	err    error

	training bool     // copy all weights into memory of their own, listed in params
	frozen   bool     // but leave matrices as they are
	inPairs  bool     // bring rows of q and k that lie in pairs half a head apart
	fresh    *weights // fills new weights; nil: they come from the source
	params   []Param
	owned    int // their values

	zeros []string // biases that are wanted and not there

	size    Size // of what was fetched since the last take
	experts Size // of it, what belongs to experts
}

func (l *loader) take() Size {
	s := l.size
	s.ActiveParams = s.Params
	l.size = Size{}
	return s
}

// tensor fetches a tensor of the wanted shape. Dimensions of size 1 do not count.
func (l *loader) tensor(name string, shape ...int) tensor.Tensor {
	if l.err != nil {
		return tensor.Tensor{}
	}
	if l.absent {
		l.used[name] = true
		return tensor.Tensor{Name: name, Shape: shape}
	}
	if l.fresh != nil {
		t := tensor.Tensor{Name: name, DType: tensor.F32, Shape: shape} // own makes its memory
		l.size.Params += int64(t.Numel())
		l.size.Bytes += 4 * int64(t.Numel())
		return t
	}
	if !l.source.Has(name) {
		l.err = fmt.Errorf("tensor %s is missing", name)
		return tensor.Tensor{}
	}
	t, err := l.source.Tensor(name)
	if err != nil {
		l.err = err
		return tensor.Tensor{}
	}
	l.used[name] = true
	if !slices.Equal(squeeze(t.Shape), squeeze(shape)) {
		l.err = fmt.Errorf("%s: shape %v, want %v", name, t.Shape, shape)
		return tensor.Tensor{}
	}
	if t, l.err = t.Reshape(shape...); l.err != nil {
		return tensor.Tensor{}
	}
	l.size.Params += int64(t.Numel())
	l.size.Bytes += int64(len(t.Data))
	return t
}

func squeeze(shape []int) []int {
	return slices.DeleteFunc(slices.Clone(shape), func(n int) bool { return n == 1 })
}

func (l *loader) matrix(p Param, n, k int) kernel.Matrix {
	if w := l.panels(p.Name, 1, n, k); w != nil {
		return w[0]
	}
	return l.wrap(p, l.tensor(p.Name, n, k))
}

// heads fetches a matrix of layer i whose rows are those of heads.
func (l *loader) heads(i int, part param.Part, n, k, headDim int) kernel.Matrix {
	if !l.inPairs {
		return l.weight(i, part, n, k)
	}
	p := l.at(param.In(i, part), param.Weight)
	t := l.tensor(p.Name, n, k)
	if l.err != nil {
		return kernel.Matrix{}
	}
	return l.wrap(p, halves(t, headDim))
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

func (l *loader) wrap(p Param, t tensor.Tensor) kernel.Matrix {
	if l.training && !l.frozen {
		t = tensor.FromFloat32s(p.Name, l.own(p, t), t.Shape...)
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
		p.Shape, p.Weight = t.Shape, &own
		l.params = append(l.params, p)
	}
	return w
}

// vector fetches a tensor as float32, without a copy where it is stored so.
func (l *loader) vector(p Param, shape ...int) []float32 {
	t := l.tensor(p.Name, shape...)
	if l.training {
		return l.own(p, t)
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

// at is one of the tensors of a part.
func (l *loader) at(id param.ID, t param.Tensor) Param {
	return Param{ID: id, Tensor: t, Name: l.names.tensor(id, t)}
}

// norm fetches the weights of a norm of layer i, if it is wanted.
func (l *loader) norm(i int, part param.Part, n int, wanted bool) []float32 {
	if !wanted {
		return nil
	}
	return l.vector(l.at(param.In(i, part), param.Weight), n)
}

// bias fetches a projection's bias, if it is wanted. If only some of the biases are there, the others are zero, as in the
// reference.
func (l *loader) bias(i int, part param.Part, n int, wanted bool) []float32 {
	if !wanted {
		return nil
	}
	p := l.at(param.In(i, part), param.Bias)
	if l.fresh == nil && !l.source.Has(p.Name) {
		if !l.names.looseBiases {
			l.zeros = append(l.zeros, p.Name)
		}
		return nil
	}
	return l.vector(p, n)
}

// weight fetches a matrix of layer i.
func (l *loader) weight(i int, part param.Part, n, k int) kernel.Matrix {
	return l.matrix(l.at(param.In(i, part), param.Weight), n, k)
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
			invFreq, scale := c.RoPE.frequencies(c.HeadDim)
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
		conv1d:   l.vector(l.at(param.In(i, param.Conv), param.Weight), e, 1, c.DConv),
		aLog:     l.vector(l.at(param.In(i, param.ALog), param.Itself), e, s),
		negA:     l.names.negA,
		inProj:   l.weight(i, param.InProj, 2*e, hidden),
		inBias:   l.bias(i, param.InProj, 2*e, c.ProjBias),
		convBias: l.bias(i, param.Conv, e, c.ConvBias),
		xProj:    l.weight(i, param.XProj, r+2*s, e),
		dtNorm:   l.norm(i, param.DtNorm, r, c.InnerNorms),
		bNorm:    l.norm(i, param.BNorm, s, c.InnerNorms),
		cNorm:    l.norm(i, param.CNorm, s, c.InnerNorms),
		dtProj:   l.weight(i, param.DtProj, e, r),
		dtBias:   l.vector(l.at(param.In(i, param.DtProj), param.Bias), e),
		d:        l.vector(l.at(param.In(i, param.D), param.Itself), e),
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

// expertMLPs fetches the experts of layer i: stacked, gate and up in one or apart, or one by one.
func (l *loader) expertMLPs(i int, c *MoE, hidden int) []mlp {
	n, width := c.NumExperts, c.IntermediateSize
	if l.err != nil {
		return nil
	}
	at := func(e int, part param.Part) Param {
		return l.at(param.ID{Layer: i, Part: part, Expert: e}, param.Weight)
	}
	gates, downs, both := l.names.stackOf(i, param.GateProj), l.names.stackOf(i, param.DownProj), l.names.gateUpOf(i)
	experts := make([]mlp, n)
	if l.absent {
		for _, name := range []string{gates, l.names.stackOf(i, param.UpProj), downs, both} {
			l.used[name] = true
		}
	}
	switch {
	case !l.absent && gates != "" && l.source.Has(gates):
		stack := func(part param.Part, rows, columns int) []kernel.Matrix {
			name := l.names.stackOf(i, part)
			all := l.panels(name, n, rows, columns)
			if all != nil {
				return all
			}
			t := l.tensor(name, n, rows, columns)
			for e := 0; e < n && l.err == nil; e++ {
				all = append(all, l.wrap(at(e, part), t.Index(e)))
			}
			return all
		}
		gate, up, down := stack(param.GateProj, width, hidden), stack(param.UpProj, width, hidden), stack(param.DownProj, hidden, width)
		for e := 0; e < n && l.err == nil; e++ {
			experts[e] = mlp{gateProj: gate[e], upProj: up[e], downProj: down[e]}
		}
	case !l.absent && both != "" && l.source.Has(both):
		gateUp, down := l.tensor(both, n, 2*width, hidden), l.tensor(downs, n, hidden, width)
		for e := 0; e < n && l.err == nil; e++ {
			rows := gateUp.Index(e)
			experts[e] = mlp{
				gateProj: l.wrap(at(e, param.GateProj), rows.Slice(0, width)),
				upProj:   l.wrap(at(e, param.UpProj), rows.Slice(width, 2*width)),
				downProj: l.wrap(at(e, param.DownProj), down.Index(e)),
			}
		}
	default:
		for e := range experts {
			experts[e] = mlp{
				gateProj: l.matrix(at(e, param.GateProj), width, hidden),
				upProj:   l.matrix(at(e, param.UpProj), width, hidden),
				downProj: l.matrix(at(e, param.DownProj), hidden, width),
			}
		}
	}
	return experts
}
