package model

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"

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
	Name   string    // in the checkpoint
	Shape  []int     // in the checkpoint
	Value  []float32 // the weights that the model computes with; see Model.Refresh

	Weight  *kernel.Matrix // instead of Value: weights as they are in the checkpoint, which do not change; see OpenFrozen
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

// New returns a model for training with new weights, the same for the same seed. Like one of OpenForTraining, it owns
// its weights as float32 and may be changed between passes, through Params and Refresh.
//
// Matrices are normal with standard deviation 0.02, the reference's initializer_range, with a zero row in the embedding
// for the padding token; norms and D are 1, biases 0, A_log is log(1..S) and the bias of dt_proj the inverse of softplus
// of a log-uniform time step from 0.001 to 0.1 (Gu and Dao 2023, section 3.6). The convolution has torch's default,
// uniform up to 1/sqrt(W). It is an error if the configuration is impossible or its architecture has no names.
func New(c Config, seed uint64) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	names := c.traits().names
	if names == nil {
		return nil, fmt.Errorf("architecture %q has no names for its tensors", c.Architecture)
	}
	l := &loader{source: none{}, names: names, training: true, fresh: &weights{rand.New(rand.NewPCG(seed, 0)), c.PADTokenID}}
	m := l.model(c)
	return m, l.err
}

// OpenForTraining opens the model in a folder in Hugging Face layout and copies its weights into memory, as float32.
func OpenForTraining(dir string) (*Model, error) {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s: models to train are folders with config.json and model.safetensors; beside a GGUF file an adapter can be trained", dir)
	}
	stored, err := open(dir, Stage{})
	if err != nil {
		return nil, err
	}
	defer stored.Close()
	l := &loader{source: stored.source, names: stored.Config.traits().names, training: true}
	m := l.model(stored.Config)
	if l.err != nil {
		return nil, fmt.Errorf("%s: %w", dir, l.err)
	}
	m.Warnings = stored.Warnings
	return m, nil
}

// OpenFrozen opens the model at path, a folder or a GGUF file, to train an adapter beside it, see Attach. Its own matrices
// stay in the mapped checkpoint, quantized or not, and are never changed; vectors are copied. The caller closes the model.
func OpenFrozen(path string) (*Model, error) {
	m, err := open(path, Stage{})
	if err != nil {
		return nil, err
	}
	if m.Native != nil {
		m.Close()
		return nil, fmt.Errorf("%s: its layout is native, which is for computing only; train beside what it was made from, %s", path, m.Native.from())
	}
	c := m.Config.inHalves()
	l := &loader{source: m.source, names: m.names, training: true, frozen: true, inPairs: m.Config.inPairs()}
	own := l.model(c)
	if l.err != nil {
		m.Close()
		return nil, fmt.Errorf("%s: %w", path, l.err)
	}
	own.source, own.Warnings = m.source, m.Warnings
	return own, nil
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
func (l *loader) own(p Param, t tensor.Tensor) []float32 {
	if l.err != nil {
		return nil
	}
	n, err := tensor.Numel(t.Shape)
	if l.owned += n; err != nil || l.owned > maxParams {
		l.err = fmt.Errorf("a model of more than %d parameters cannot be trained here", maxParams)
		return nil
	}
	p.Shape, p.Value = t.Shape, make([]float32, t.Numel())
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
	pad int
}

func (r *weights) fill(p *Param) {
	v := p.Value
	switch p.Kind() {
	case Projection, Embedding:
		const initializerRange = 0.02
		for i := range v {
			v[i] = float32(initializerRange * r.NormFloat64())
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

// none is a source without tensors.
type none struct{}

func (none) Has(string) bool { return false }
func (none) Tensor(name string) (t tensor.Tensor, _ error) {
	return t, fmt.Errorf("no tensor %s", name)
}
func (none) Names() []string     { return nil }
func (none) Paths() []string     { return nil }
func (none) ReleaseBytes([]byte) {}
func (none) Close() error        { return nil }
