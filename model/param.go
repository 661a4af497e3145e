package model

import (
	"fmt"
	"math"
	"math/rand/v2"

	"jamba/internal/kernel"
	"jamba/internal/kernel/quant"
	"jamba/model/lora"
	"jamba/model/param"
	"jamba/tensor"
)

// Param is a weight of a model for training.
type Param struct {
	param.ID
	Tensor param.Tensor
	Name   string    // as its source has it; of new weights, of the reference's classes
	Shape  []int     // the same
	Value  []float32 // the weights that the model computes with; see Model.Refresh

	Weight  *kernel.Matrix // instead of Value: weights as their source has them, which do not change; see LoadFrozen
	Adapter *lora.Pair     // whose A or B it is; nil: it belongs to the network itself
}

// Kind says what a Param is for.
type Kind int

// The kinds of parameters.
const (
	Projection Kind = iota // a matrix of a linear layer
	Embedding
	Convolution
	Norm
	Bias
	ALog
	D
)

// Kind returns what p is for.
func (p *Param) Kind() Kind {
	switch p.Tensor {
	case param.Bias:
		return Bias
	case param.Weight, param.Itself:
		return kinds[p.Part]
	}
	return Projection // an adapter's
}

// kinds are what parts are for, other than projections.
var kinds = map[param.Part]Kind{
	param.Embed: Embedding, param.Conv: Convolution, param.ALog: ALog, param.D: D,
	param.FinalNorm: Norm, param.InputNorm: Norm, param.FeedForwardNorm: Norm, param.DtNorm: Norm, param.BNorm: Norm, param.CNorm: Norm,
}

// New returns a model for training with new weights, the same for the same seed. Like one of LoadForTraining, it owns
// its weights as float32 and may be changed between passes, through Params and Refresh.
//
// Matrices are normal with standard deviation deviation, the reference's initializer_range, with a zero row in the embedding
// for the padding token; norms and D are 1, biases 0, A_log is log(1..S) and the bias of dt_proj the inverse of softplus
// of a log-uniform time step from 0.001 to 0.1 (Gu and Dao 2023, section 3.6). The convolution has torch's default,
// uniform up to 1/sqrt(W). It is an error if the configuration is impossible or its architecture has no names.
func New(c Config, seed uint64, deviation float64) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	names := c.Names()
	if names == nil {
		return nil, fmt.Errorf("architecture %q has no names for its tensors", c.Architecture)
	}
	l := &loader{names: names, training: true, fresh: &weights{rand.New(rand.NewPCG(seed, 0)), c.PADTokenID, deviation}}
	m := l.model(c)
	return m, l.err
}

// LoadForTraining makes a model for training of a source's weights, which are copied into memory as float32. The source is
// not needed after it.
func LoadForTraining(c Config, src Source) (*Model, error) {
	l := &loader{source: src, training: true}
	m := l.model(c)
	return m, l.err
}

// LoadFrozen makes a model to train an adapter beside, see Attach. Its own matrices stay as the source has them, quantized or
// not, and are never changed; vectors are copied. Close closes the source; after an error that is left to the caller.
func LoadFrozen(c Config, src Source) (*Model, error) {
	l := &loader{source: src, training: true, frozen: true, inPairs: c.inPairs()}
	m := l.model(c.inHalves())
	m.source = src
	return m, l.err
}

// Params returns the weights of a model for training in the network's order; nil for other models. A tied lm_head is
// the embedding and not listed. Those of an adapter come last; its names are those of PEFT's files.
func (m *Model) Params() []Param { return m.params }

// Refresh has to be called after Values of Params have changed: it makes again what is kept in another form.
func (m *Model) Refresh() {
	for _, b := range m.blocks {
		if x, ok := b.mixer.(*mamba); ok {
			x.refresh()
		}
	}
}

// maxParams bounds the memory of a model for training.
const maxParams = 1 << 33

// own copies or makes the weights of t and lists them. t is a new one of F32 if the loader has failed.
func (l *loader) own(id param.ID, which param.Tensor, t tensor.Tensor) []float32 {
	if l.err != nil {
		return nil
	}
	n, err := tensor.Numel(t.Shape)
	if l.owned += n; err != nil || l.owned > maxParams {
		l.err = fmt.Errorf("a model of more than %d parameters cannot be trained here", maxParams)
		return nil
	}
	p := Param{ID: id, Tensor: which, Name: l.name(id, which), Shape: t.Shape, Value: make([]float32, t.Numel())}
	if l.fresh != nil {
		l.fresh.fill(&p)
	} else {
		quant.Values(p.Value, t, 0)
	}
	l.params = append(l.params, p)
	return p.Value
}

// weights makes new weights.
type weights struct {
	*rand.Rand
	pad       int
	deviation float64 // of matrices
}

// InitializerRange is the standard deviation of new matrices in the reference's classes.
const InitializerRange = 0.02

func (r *weights) fill(p *Param) {
	v := p.Value
	switch p.Kind() {
	case Projection, Embedding:
		for i := range v {
			v[i] = float32(r.deviation * r.NormFloat64())
		}
		if width := p.Shape[len(p.Shape)-1]; p.Kind() == Embedding && r.pad >= 0 && r.pad < p.Shape[0] {
			clear(v[r.pad*width : (r.pad+1)*width])
		}
	case Convolution:
		bound := 1 / math.Sqrt(float64(p.Shape[2]))
		for i := range v {
			v[i] = float32(bound * (2*r.Float64() - 1))
		}
	case Norm, D:
		for i := range v {
			v[i] = 1
		}
	case ALog:
		for i := range v {
			v[i] = float32(math.Log(float64(i%p.Shape[1] + 1)))
		}
	case Bias:
		if p.Part != param.DtProj {
			return
		}
		low, high := math.Log(1e-3), math.Log(0.1)
		for i := range v {
			dt := math.Exp(low + r.Float64()*(high-low))
			v[i] = float32(dt + math.Log(-math.Expm1(-dt)))
		}
	}
}
