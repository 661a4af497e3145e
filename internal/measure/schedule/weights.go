package schedule

import (
	"context"
	"hash/fnv"
	"math"
	"math/rand/v2"

	"jamba/internal/kernel"
	"jamba/internal/kernel/par"
	"jamba/internal/measure/plan"
	"jamba/model"
	"jamba/model/param"
	"jamba/quantize/recipe"
	"jamba/tensor"
)

// Model makes the network with random weights of that type, ready to compute with the fast pass and keys and values of type kv.
func (s *Schedule) Model(weights recipe.Recipe, kv tensor.DType) (*model.Model, error) {
	typeOf, err := plan.Types(&s.Config, weights)
	if err != nil {
		return nil, err
	}
	m, err := model.Load(s.Config, model.Stage{}, &source{typeOf: typeOf})
	if err != nil {
		return nil, err
	}
	kv, err = model.Fast.KVType(kv)
	if err != nil {
		return nil, err
	}
	return m, m.Prepare(context.Background(), model.Fast, kv, nil)
}

// source is random weights, the same for the same network: such that values keep about their size from layer to layer, and
// routers choose all experts.
type source struct {
	typeOf func(param.ID, param.Tensor, []int) tensor.DType
	slab   kernel.Slab // of the matrices as the kernels read them
	rows   []byte      // memory for the rows of a matrix that is to be packed
}

// distinct is how many rows of a matrix differ; they come again and again. What a product costs does not depend on its values,
// and most of the time would go into making them. Rows of routers and embeddings, which do decide about costs, all differ.
const distinct = 64

// Tensor makes a tensor.
func (s *source) Tensor(id param.ID, t param.Tensor, shape ...int) (tensor.Tensor, error) {
	return s.make(nil, id, t, shape)
}

// make makes a tensor in memory, if that is large enough.
func (s *source) make(memory []byte, id param.ID, t param.Tensor, shape []int) (tensor.Tensor, error) {
	d := s.typeOf(id, t, shape)
	if d == tensor.Invalid {
		d = tensor.BF16
	}
	size, err := tensor.Size(d, shape)
	if err != nil {
		return tensor.Tensor{}, err
	}
	k := shape[len(shape)-1]
	n := 1
	for _, dim := range shape[:len(shape)-1] {
		n *= dim
	}
	data := memory[:min(size, cap(memory))]
	if len(data) < size {
		data = make([]byte, size)
	}
	rowBytes := size / n
	made := n
	if t == param.Weight && id.Part != param.Router && id.Part != param.Embed && id.Part != param.Conv {
		made = min(n, distinct)
	}
	seed := seedOf(id, t)
	errs := make([]error, made)
	par.For(made, 1, func(lo, hi int) {
		row := make([]float32, k)
		for i := lo; i < hi; i++ {
			fill(row, id, t, rand.New(rand.NewPCG(seed, uint64(i))))
			errs[i] = kernel.Quantize(data[i*rowBytes:(i+1)*rowBytes], d, row)
		}
	})
	for _, err := range errs {
		if err != nil {
			return tensor.Tensor{}, err
		}
	}
	for at := made * rowBytes; at < size; at *= 2 {
		copy(data[at:], data[:at])
	}
	return tensor.New(s.Name(id, t), d, shape, data)
}

func seedOf(id param.ID, t param.Tensor) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(param.GGUFNames.Tensor(id, t)))
	return h.Sum64() + uint64(id.Expert+1)
}

// fill makes one row.
func fill(row []float32, id param.ID, t param.Tensor, r *rand.Rand) {
	uniform := func(bound float64) {
		for i := range row {
			row[i] = float32(bound * (2*r.Float64() - 1))
		}
	}
	constant := func(v float32) {
		for i := range row {
			row[i] = v
		}
	}
	switch {
	case id.Part == param.ALog:
		for i := range row {
			row[i] = float32(math.Log(float64(i + 1)))
		}
	case id.Part == param.DtProj && t == param.Bias: // as model.New has it
		low, high := math.Log(1e-3), math.Log(0.1)
		for i := range row {
			dt := math.Exp(low + r.Float64()*(high-low))
			row[i] = float32(dt + math.Log(-math.Expm1(-dt)))
		}
	case t == param.Bias:
		constant(0)
	case id.Part == param.Conv:
		uniform(1 / math.Sqrt(float64(len(row))))
	case id.Part == param.Embed:
		uniform(1)
	case t == param.Weight && vectors[id.Part] || id.Part == param.D:
		constant(1)
	default: // outputs of the size of the inputs
		uniform(math.Sqrt(3 / float64(len(row))))
	}
}

// vectors are the parts whose weight is a norm's.
var vectors = map[param.Part]bool{
	param.FinalNorm: true, param.InputNorm: true, param.FeedForwardNorm: true, param.DtNorm: true, param.BNorm: true, param.CNorm: true,
}

// Packed makes a matrix as the fast kernels read it; nil for those that they do not read. The rows that it is made of, which are
// only looked up of embeddings, become those of the next one: no second copy of the weights is in memory.
func (s *source) Packed(id param.ID, n, k int) (*kernel.Matrix, error) {
	if id.Part == param.Router || id.Part == param.Embed {
		return nil, nil
	}
	t, err := s.make(s.rows, id, param.Weight, []int{n, k})
	if err != nil {
		return nil, err
	}
	w, err := kernel.NewMatrix(t)
	if err != nil {
		return nil, err
	}
	// What these kernels do not pack stays where it is.
	s.rows = w.Pack(&s.slab)
	return &w, nil
}

// HasBias says that biases that the settings ask for are there.
func (s *source) HasBias(param.ID) bool { return true }

// Skip has nothing to do.
func (s *source) Skip(param.ID, param.Tensor) {}

// ByProjection says that experts come one by one.
func (s *source) ByProjection(int) bool { return false }

// Negated says that A_log is what its name says.
func (s *source) Negated() bool { return false }

// Name returns GGUF's name.
func (s *source) Name(id param.ID, t param.Tensor) string { return param.GGUFNames.Tensor(id, t) }

// Stored returns the weight's name.
func (s *source) Stored(id param.ID) string { return s.Name(id, param.Weight) }

// Release has nothing to do: no one keeps the bytes.
func (s *source) Release([]byte) {}

// Close has nothing to do.
func (s *source) Close() error { return nil }
