package model

import (
	"slices"

	"jamba/internal/kernel"
	"jamba/model/lora"
	"jamba/model/state"
	"jamba/tensor"
)

// Model is a network with its weights, used in place from the memory of their Source or, for Fast, most of them copied. Once it
// is ready it never changes and is safe for concurrent use, until Close; but see New for models to train.
type Model struct {
	Config Config // not to be changed

	precision Precision
	stage     Stage        // the layers that it has; others have no weights
	kv        tensor.DType // of the keys and values that sequences remember
	sizes     Sizes
	adapter   *lora.Adapter // see Attach; nil: none

	embed     kernel.Matrix // [V, M]
	blocks    []block
	finalNorm []float32
	lmHead    kernel.Matrix // [V, M]; embed if tied
	source    Source        // nil: the weights are the model's own
	params    []Param       // nil: not for training
	attached  *Adapter      // that spans compute with if they name none; nil: none
	choice    Choice        // of Round; nil: weights are as they were loaded
	rounded   []Conversion  // by Round
}

// Precision returns how the model computes.
func (m *Model) Precision() Precision { return m.precision }

// Stage returns the layers that the model has.
func (m *Model) Stage() Stage { return m.stage }

// KV returns the type of the keys and values that sequences remember.
func (m *Model) KV() tensor.DType { return m.kv }

// Sizes returns the sizes of the model's parts.
func (m *Model) Sizes() Sizes {
	s := m.sizes
	s.Layers = slices.Clone(s.Layers)
	return s
}

// ReadSizes returns Sizes with the bytes that products read of matrices, where a layout of the kernels takes fewer than the type has.
func (m *Model) ReadSizes() Sizes {
	s := m.Sizes()
	all, _ := m.large()
	for _, l := range all {
		if l.size = s.part(&m.sizes, l.size); l.ReadBytes() < l.Bytes() {
			l.resize(int64(l.ReadBytes() - l.Bytes()))
		}
	}
	return s
}

// InPlace returns the bytes of the large matrices that passes read from the memory of the Source, as of a mapped file, which the system
// counts as free.
func (m *Model) InPlace() (bytes int64) {
	if m.source == nil {
		return 0
	}
	all, _ := m.large()
	for _, l := range all {
		bytes += int64(l.InPlace())
	}
	return bytes
}

// Adapter returns the adapter of Attach; nil: there is none.
func (m *Model) Adapter() *lora.Adapter { return m.adapter }

// Rounded returns what Round did with the large matrices; nil: it was not called.
func (m *Model) Rounded() []Conversion { return slices.Clone(m.rounded) }

// Close releases the weights; the model must not be in use any more.
func (m *Model) Close() error {
	if m.source == nil {
		return nil
	}
	return m.source.Close()
}

// StateSpecs says what a sequence remembers, layer by layer of the model's stage.
func (m *Model) StateSpecs() []state.Spec {
	return m.Config.StateSpecs(m.kv)[m.stage.Lo:m.stage.Hi]
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
