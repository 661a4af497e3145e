package model

import (
	"fmt"
	"slices"

	"jamba/internal/kernel"
	"jamba/model/param"
	"jamba/tensor"
)

// Precision says how a model computes.
type Precision int

const (
	// Exact computes with float32 activations, keys and values, and with the weights as they are in the file, in place.
	Exact Precision = iota
	// Fast multiplies quantized weights with activations rounded to 16 bits, in blocks of 32 with a scale each, or beside
	// K formats to 13 to 15 bits, in blocks of 128. The weights are copied into the layout of the kernels once, when the
	// model is opened. Keys and values are kept as fp16, unless Options.KV says otherwise.
	Fast
)

// String returns the precision's name on the command line.
func (p Precision) String() string {
	if p == Fast {
		return "fast"
	}
	return "exact"
}

// UnmarshalText reads exact or fast.
func (p *Precision) UnmarshalText(b []byte) error {
	switch string(b) {
	case "exact":
		*p = Exact
	case "fast":
		*p = Fast
	default:
		return fmt.Errorf("precision %q is not known; exact and fast are", b)
	}
	return nil
}

// KV returns the type that keys and values are kept in unless Options.KV says otherwise.
func (p Precision) KV() tensor.DType {
	if p == Fast {
		return tensor.F16
	}
	return tensor.F32
}

// kvTypes are the types that keys and values can be kept in.
var kvTypes = []tensor.DType{tensor.F32, tensor.F16, tensor.Q8_0}

const kvNames = "f32, f16 and q8_0 can be"

// ParseKV returns the type that keys and values are to be kept in, by its name: f32, f16 or q8_0.
func ParseKV(name string) (tensor.DType, error) {
	var d tensor.DType
	if err := d.UnmarshalText([]byte(name)); err != nil || !slices.Contains(kvTypes, d) {
		return tensor.Invalid, fmt.Errorf("keys and values cannot be kept in %q; %s", name, kvNames)
	}
	return d, nil
}

// large is a large matrix of the network, and the sizes that it counts in.
type large struct {
	*kernel.Matrix
	param.ID
	size *Size
}

// resize counts the bytes that the matrix takes more, or less.
func (l *large) resize(bytes int64) {
	l.size.Bytes += bytes
	if l.Expert >= 0 {
		l.size.ExpertBytes += bytes
	}
}

// large returns the network's large matrices and their bytes.
func (m *Model) large() (all []large, bytes int64) {
	add := func(l large) {
		all = append(all, l)
		bytes += int64(l.Bytes())
	}
	for i := m.Stage.Lo; i < m.Stage.Hi; i++ {
		visit := func(part param.Part, expert int, w *kernel.Matrix) {
			if part != param.Router { // which stays exact
				add(large{w, param.ID{Layer: i, Part: part, Expert: expert}, &m.Sizes.Layers[i]})
			}
		}
		m.blocks[i].mixer.projections(visit)
		if ff := m.blocks[i].feedForward; ff != nil {
			ff.projections(visit)
		}
	}
	if m.ends() {
		size := &m.Sizes.Head
		if m.tied() {
			size = &m.Sizes.Embedding
		}
		add(large{&m.lmHead, param.Outside(param.Head), size})
	}
	return all, bytes
}

// pack brings the network's large matrices into the layout of the fast kernels. progress, if not nil, is told of the
// bytes that are done.
func (m *Model) pack(progress func(done, total int64)) {
	all, total := m.large()
	done := int64(0)
	for _, l := range all {
		if source := l.Pack(); source != nil {
			// One copy is enough to have in memory.
			m.source.ReleaseBytes(source)
		}
		if done += int64(l.Bytes()); progress != nil {
			progress(done, total)
		}
	}
}
