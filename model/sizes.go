package model

import (
	"jamba/model/state"
	"jamba/tensor"
)

// Size counts parameters and bytes of weights. Active are the parameters that one token uses: all but those of the
// experts that are not chosen.
type Size struct {
	Params       int64 `json:"params"`
	ActiveParams int64 `json:"active_params"`
	Bytes        int64 `json:"bytes"`
	ExpertBytes  int64 `json:"expert_bytes,omitempty"` // of Bytes, those of all experts

	// IntegerParams are those of ActiveParams that are multiplied as integers, see kernel.PeakI8; the others are
	// multiplied as float32. It depends on the precision and on the kernels.
	IntegerParams int64 `json:"-"`
}

// Sizes are the sizes of a model's parts.
type Sizes struct {
	Embedding Size
	Layers    []Size
	Head      Size // final norm and, unless tied, lm_head
}

// part returns the part of s that p is of others of the same model.
func (s *Sizes) part(others *Sizes, p *Size) *Size {
	switch p {
	case &others.Embedding:
		return &s.Embedding
	case &others.Head:
		return &s.Head
	}
	for i := range others.Layers {
		if p == &others.Layers[i] {
			return &s.Layers[i]
		}
	}
	return nil
}

// Total adds up all parts.
func (s Sizes) Total() Size {
	total := s.Embedding
	for _, part := range append(s.Layers[:len(s.Layers):len(s.Layers)], s.Head) {
		total.Params += part.Params
		total.ActiveParams += part.ActiveParams
		total.Bytes += part.Bytes
		total.ExpertBytes += part.ExpertBytes
		total.IntegerParams += part.IntegerParams
	}
	return total
}

// countIntegers sets IntegerParams of all parts.
func (m *Model) countIntegers() {
	all, _ := m.large()
	for _, l := range all {
		l.size.IntegerParams = 0
	}
	experts := map[*Size]int64{} // all experts' parameters
	for _, l := range all {
		switch n := int64(l.N) * int64(l.K); {
		case !l.Integer():
		case l.Expert >= 0:
			experts[l.size] += n
		default:
			l.size.IntegerParams += n
		}
	}
	for i, layer := range m.Config.Layers {
		if size, e := &m.sizes.Layers[i], layer.MoE; e != nil {
			size.IntegerParams += experts[size] / int64(e.NumExperts) * int64(e.NumExpertsPerTok)
		}
	}
}

// KVBytesPerToken returns the bytes that one more token adds to the keys and values of all attention layers,
// if they are kept in type kv.
func (c *Config) KVBytesPerToken(kv tensor.DType) int64 {
	var n int64
	for _, s := range c.StateSpecs(kv) {
		n += s.KVBytes()
	}
	return n
}

// StateBytes returns the bytes of the Mamba layers' states, which every sequence has once, whatever its length.
func (c *Config) StateBytes() int64 { return state.Bytes(c.StateSpecs(tensor.F32), 0) }
