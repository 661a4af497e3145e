package checkpoint

import (
	"fmt"
	"slices"

	"jamba/internal/kernel"
	"jamba/model"
	"jamba/model/param"
	"jamba/tensor"
)

// source gives a network its parameters: each is a tensor, a part of a stack of all experts', or lies in panels.
type source struct {
	*Checkpoint
	used  map[string]bool
	zeros []string // biases that are wanted and not there
}

var _ model.Source = (*source)(nil)

// ByProjection is model.Source's.
func (s *source) ByProjection(layer int) bool { return s.stacked(layer) }

// stacked reports whether a layer has a stack of each projection of its experts.
func (s *source) stacked(layer int) bool {
	name := s.names.StackOf(layer, param.GateProj)
	return name != "" && s.tensors.Has(name)
}

// together reports whether a layer has the gates and ups of all its experts in one tensor.
func (s *source) together(layer int) bool {
	name := s.names.GateUpOf(layer)
	return name != "" && s.tensors.Has(name)
}

// Tensor is model.Source's.
func (s *source) Tensor(id param.ID, which param.Tensor, shape ...int) (t tensor.Tensor, err error) {
	stack := s.names.StackOf(id.Layer, id.Part)
	switch {
	case id.Expert < 0 || !s.stacked(id.Layer) && !s.together(id.Layer):
		return s.fetch(s.names.Tensor(id, which), shape...)
	case s.stacked(id.Layer) || id.Part == param.DownProj:
		t, err = s.fetch(stack, s.experts(id), shape[0], shape[1])
	default:
		t, err = s.fetch(s.names.GateUpOf(id.Layer), s.experts(id), 2*shape[0], shape[1])
	}
	if err != nil {
		return t, err
	}
	t = t.Index(id.Expert)
	switch n := shape[0]; {
	case t.Shape[0] == n:
	case id.Part == param.GateProj:
		t = t.Slice(0, n)
	default:
		t = t.Slice(n, 2*n)
	}
	return t, nil
}

func (s *source) experts(id param.ID) int { return s.Config.Layers[id.Layer].MoE.NumExperts }

// fetch returns the tensor of that name in the wanted shape.
func (s *source) fetch(name string, shape ...int) (tensor.Tensor, error) {
	t, err := fetch(s.tensors, name, shape...)
	if err == nil {
		s.used[name] = true
	}
	return t, err
}

// fetch returns the tensor of that name in the wanted shape. Dimensions of size 1 do not count.
func fetch(from Tensors, name string, shape ...int) (tensor.Tensor, error) {
	if !from.Has(name) {
		return tensor.Tensor{}, fmt.Errorf("tensor %s is missing", name)
	}
	t, err := from.Tensor(name)
	if err != nil {
		return tensor.Tensor{}, err
	}
	if !slices.Equal(squeeze(t.Shape), squeeze(shape)) {
		return tensor.Tensor{}, fmt.Errorf("%s: shape %v, want %v", name, t.Shape, shape)
	}
	return t.Reshape(shape...)
}

func squeeze(shape []int) []int {
	return slices.DeleteFunc(slices.Clone(shape), func(n int) bool { return n == 1 })
}

// Packed is model.Source's: a matrix, or one of a stack, that lies in panels.
func (s *source) Packed(id param.ID, n, k int) (*kernel.Matrix, error) {
	if s.native == nil {
		return nil, nil
	}
	name, count, at := s.names.Tensor(id, param.Weight), 1, 0
	if id.Expert >= 0 && s.stacked(id.Layer) {
		name, count, at = s.names.StackOf(id.Layer, id.Part), s.experts(id), id.Expert
	}
	p, ok := s.native.panels[name]
	if !ok {
		return nil, nil
	}
	b, err := s.file.Bytes(p.name)
	if err == nil && len(b)%count != 0 {
		err = fmt.Errorf("%d bytes of panels for %d matrices", len(b), count)
	}
	var w kernel.Matrix
	if err == nil {
		size := len(b) / count
		w, err = kernel.FromPanels(p.dtype, s.native.Rows, n, k, b[at*size:(at+1)*size:(at+1)*size])
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	s.used[name] = true
	return &w, nil
}

// HasBias is model.Source's. In GGUF each bias of an attention, MLP or Mamba that has some is there or not; in a folder that
// is worth a word.
func (s *source) HasBias(id param.ID) bool {
	name := s.names.Tensor(id, param.Bias)
	if s.tensors.Has(name) {
		return true
	}
	if s.file == nil {
		s.zeros = append(s.zeros, name)
	}
	return false
}

// Skip is model.Source's.
func (s *source) Skip(id param.ID, which param.Tensor) {
	if s.used[s.names.Tensor(id, which)] = true; id.Expert >= 0 {
		s.used[s.names.StackOf(id.Layer, id.Part)] = true
		s.used[s.names.GateUpOf(id.Layer)] = true
	}
}

// Negated is model.Source's.
func (s *source) Negated() bool { return s.file != nil }

// Name is model.Source's.
func (s *source) Name(id param.ID, which param.Tensor) string { return s.names.Tensor(id, which) }

// Stored is model.Source's.
func (s *source) Stored(id param.ID) string {
	if id.Part == param.Head && s.Config.TieWordEmbeddings {
		return s.names.Embed + " as the output"
	}
	name := s.names.Matrix(id)
	if id.Expert >= 0 && (name == s.names.StackOf(id.Layer, id.Part) || !s.tensors.Has(name)) {
		return fmt.Sprintf("%s [%d]", param.GGUFNames.Matrix(id), id.Expert) // one of a stack
	}
	return name
}

// Release is model.Source's.
func (s *source) Release(b []byte) { s.tensors.ReleaseBytes(b) }
