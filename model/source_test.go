package model_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"jamba/internal/kernel"
	"jamba/model"
	"jamba/model/param"
	"jamba/model/state"
	"jamba/tensor"
)

// memory is a source without files: the parameters of a model for training.
type memory struct {
	tensors         map[string]tensor.Tensor
	asked, skipped  []string
	missing, closed bool
	released        int // bytes
}

func key(id param.ID, t param.Tensor) string { return fmt.Sprint(id, t) }

func newMemory(m *model.Model) *memory {
	s := &memory{tensors: map[string]tensor.Tensor{}}
	for _, p := range m.Params() {
		s.tensors[key(p.ID, p.Tensor)] = tensor.FromFloat32s(p.Name, p.Value, p.Shape...)
	}
	return s
}

func (s *memory) Tensor(id param.ID, t param.Tensor, shape ...int) (tensor.Tensor, error) {
	s.asked = append(s.asked, key(id, t))
	x, ok := s.tensors[key(id, t)]
	if !ok || !slices.Equal(x.Shape, shape) || s.missing && id.Part == param.Router {
		return tensor.Tensor{}, errors.New("no such parameter: " + key(id, t))
	}
	return x, nil
}
func (s *memory) Packed(param.ID, int, int) (*kernel.Matrix, error) { return nil, nil }
func (s *memory) HasBias(id param.ID) bool                          { return s.tensors[key(id, param.Bias)].Data != nil }

func (s *memory) Skip(id param.ID, t param.Tensor)        { s.skipped = append(s.skipped, key(id, t)) }
func (s *memory) ByProjection(layer int) bool             { return layer == 1 }
func (s *memory) Negated() bool                           { return false }
func (s *memory) Name(id param.ID, t param.Tensor) string { return key(id, t) }
func (s *memory) Stored(id param.ID) string               { return key(id, param.Weight) }
func (s *memory) Release(b []byte)                        { s.released += len(b) }
func (s *memory) Close() error                            { s.closed = true; return nil }

// TestSource loads a network from memory: it asks for each parameter once, gives the logits of the model that has them, and
// tells of one that is missing.
func TestSource(t *testing.T) {
	mamba := &model.Mamba{DInner: 32, DState: 4, DConv: 3, DtRank: 2, ConvBias: true, InnerNorms: true, NormEps: 1e-6}
	attention := &model.Attention{NumAttentionHeads: 2, NumKeyValueHeads: 1, HeadDim: 8}
	c := model.Config{
		Architecture: "jamba", VocabSize: 40, HiddenSize: 16, RMSNormEps: 1e-6, BOSTokenID: -1, PADTokenID: -1,
		Layers: []model.Layer{
			{Mamba: mamba, MLP: &model.MLP{IntermediateSize: 24}},
			{Attention: attention, MoE: &model.MoE{IntermediateSize: 24, NumExperts: 3, NumExpertsPerTok: 2}},
		},
	}
	owner, err := model.New(c, 7, model.InitializerRange)
	if err != nil {
		t.Fatal(err)
	}
	logits := func(m *model.Model) []float32 {
		v, err := m.NewPass().Logits(context.Background(), model.Span{State: m.NewState(), Tokens: []int32{3, 1, 4, 1, 5}, Want: model.AllLogits})
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(v)
	}
	want := logits(owner)
	source := newMemory(owner)
	m, err := model.Load(c, model.Stage{}, source)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(logits(m), want) {
		t.Error("other logits than of the model that has the parameters")
	}
	slices.Sort(source.asked)
	if n := len(source.tensors); len(source.asked) != n || len(slices.Compact(source.asked)) != n || len(source.skipped) > 0 {
		t.Errorf("asked for %d parameters and skipped %d; there are %d", len(source.asked), len(source.skipped), n)
	}
	if err := m.Prepare(context.Background(), model.Fast, tensor.F16, nil); err != nil {
		t.Fatal(err)
	}
	if _, known := state.Available(); known && kernel.LargePages() && (m.InPlace() != 0 || source.released == 0) {
		t.Errorf("%d bytes of the source are still in use, %d were released", m.InPlace(), source.released)
	}
	if m.Close() != nil || !source.closed {
		t.Error("the source is not closed")
	}
	half := newMemory(owner)
	if _, err := model.Load(c, model.Stage{Lo: 1}, half); err != nil {
		t.Fatal(err)
	}
	if n := len(source.tensors); len(half.asked)+len(half.skipped) != n || slices.ContainsFunc(half.asked, func(k string) bool { return strings.HasPrefix(k, "{0 ") }) {
		t.Errorf("a stage asked for %d and skipped %d of %d parameters", len(half.asked), len(half.skipped), n)
	}
	broken := newMemory(owner)
	broken.missing = true
	if _, err := model.Load(c, model.Stage{}, broken); err == nil || !strings.Contains(err.Error(), "no such parameter: {1 feed_forward.router -1}") || broken.closed {
		t.Errorf("error %v, closed %v", err, broken.closed)
	}
}
