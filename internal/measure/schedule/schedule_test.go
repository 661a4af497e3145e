package schedule

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"jamba/internal/kernel"
	"jamba/internal/measure/plan"
	"jamba/model"
	"jamba/model/param"
	"jamba/quantize/recipe"
	"jamba/tensor"
)

// layersOf counts the layers of each kind.
func layersOf(t *testing.T, name string) map[string]int {
	t.Helper()
	s, err := Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for _, l := range s.Config.Layers {
		n[l.String()]++
	}
	return n
}

func TestParse(t *testing.T) {
	for name, want := range map[string]map[string]int{
		"jamba-v0.1":                   {"mamba + mlp": 16, "mamba + moe": 12, "attention + mlp": 0, "attention + moe": 4},
		"jamba-v0.1/4":                 {"mamba + mlp": 3, "mamba + moe": 4, "attention + mlp": 1},
		"jamba-v0.1@attention/4":       {"attention + mlp": 4, "attention + moe": 4},
		"jamba-v0.1@mamba@dense/16":    {"mamba + mlp": 2},
		"jamba-v0.1@1:3/8":             {"mamba + mlp": 1, "mamba + moe": 2, "attention + mlp": 1},
		"mixtral-8x7b/16":              {"attention + moe": 2},
		"mixtral-8x7b@1:7/4":           {"attention + moe": 1, "mamba + moe": 7},
		"jamba-v0.1@attention@dense/8": {"attention + mlp": 4},
	} {
		got := layersOf(t, name)
		if name == "jamba-v0.1" { // attention is in the fifth of eight layers, experts in every other
			want = map[string]int{"mamba + mlp": 12, "mamba + moe": 16, "attention + mlp": 4}
		}
		for kind, n := range want {
			if got[kind] != n {
				t.Errorf("%s: %v, want %v", name, got, want)
			}
		}
	}
	// 1:7 of a Jamba is the Jamba.
	a, _ := Parse("jamba-v0.1")
	b, err := Parse("jamba-v0.1@1:7")
	if err != nil || !slices.EqualFunc(a.Config.Layers, b.Config.Layers, func(x, y model.Layer) bool { return x.String() == y.String() }) {
		t.Error("1:7 is another schedule", err)
	}
	for name, want := range map[string]string{
		"jamba":             `"jamba" is no preset: want PRESET[@MIX…][/K], with one of jamba-v0.1, `,
		"jamba-v0.1/3":      "jamba-v0.1/3: /3: its 32 layers are not 3 times the same; the most is /4",
		"jamba-v0.1/8":      "its 32 layers are not 8 times the same; the most is /4",
		"jamba-v0.1/x":      "invalid syntax",
		"jamba-v0.1/0":      "/0: its 32",
		"jamba-v0.1@moe":    "@moe: want attention, mamba, dense or A:M",
		"jamba-v0.1@0:7":    "@0:7: want",
		"jamba-v0.1@1:99":   "@1:99: want",
		"llama-2-7b@dense":  "@dense: there are no experts to leave out",
		"mamba-2.8b@1:7@x:": "@x:: want",
	} {
		if _, err := Parse(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", name, err, want)
		}
	}
}

// TestNarrow: what is narrower keeps its shares.
func TestNarrow(t *testing.T) {
	s, err := Parse("jamba-v0.1/4")
	if err != nil {
		t.Fatal(err)
	}
	before, err := plan.Weigh(&s.Config, "q8_0")
	if err != nil {
		t.Fatal(err)
	}
	s.Narrow(4)
	c := &s.Config
	if a, m := c.Layers[4].Attention, c.Layers[0].Mamba; c.HiddenSize != 1024 || c.VocabSize != 16384 || a.NumAttentionHeads != 8 || a.NumKeyValueHeads != 2 || a.HeadDim != 128 ||
		m.DInner != 2048 || m.DtRank != 64 || m.DState != 16 || c.Layers[0].MLP.IntermediateSize != 3584 || c.Layers[1].MoE.NumExperts != 16 {
		t.Errorf("%+v, %+v, %+v", c, a, m)
	}
	after, err := plan.Weigh(c, "q8_0")
	if err != nil {
		t.Fatal(err)
	}
	if ratio := float64(before.Total().Params) / float64(after.Total().Params); math.Abs(ratio/16-1) > 0.02 {
		t.Errorf("%v times fewer parameters, want 16", ratio)
	}
	if want := "8 layers of jamba-v0.1's 32, 4 times narrower"; s.Note != want {
		t.Errorf("%q, want %q", s.Note, want)
	}
	// The preset is as it was.
	if again, _ := Parse("jamba-v0.1/4"); again.Config.HiddenSize != 4096 || again.Config.Layers[4].Attention.NumAttentionHeads != 32 {
		t.Error("the preset has changed")
	}
}

// TestRouting: tokens at random go to all experts, to none of them to most.
func TestRouting(t *testing.T) {
	s, err := Parse("jamba-v0.1/4")
	if err != nil {
		t.Fatal(err)
	}
	s.Narrow(32)
	m, err := s.Model("q8_0", tensor.Invalid)
	if err != nil {
		t.Fatal(err)
	}
	const n = 256
	tokens := make([]int32, n)
	for i := range tokens {
		tokens[i] = int32(i * 7 % m.Config.VocabSize)
	}
	pass, layers := m.NewPass(), 0
	pass.Probe = func(layer int, p model.Probe, values []float32) {
		if p != model.RouterLogits {
			return
		}
		layers++
		first := make([]int, 16)
		for i := range n {
			row := values[16*i : 16*i+16]
			first[slices.Index(row, slices.Max(row))]++
		}
		if slices.Min(first) == 0 || slices.Max(first) > n/3 {
			t.Errorf("layer %d: tokens by expert: %v", layer, first)
		}
	}
	if _, err := pass.Logits(context.Background(), model.Span{State: m.NewState(), Tokens: tokens}); err != nil || layers != 4 {
		t.Error(layers, err)
	}
}

// unpacked is a source whose matrices the model packs itself.
type unpacked struct{ *source }

func (unpacked) Packed(param.ID, int, int) (*kernel.Matrix, error) { return nil, nil }

// TestPacked: matrices that are packed from the same memory, one after the other, are those that have memory of their own.
func TestPacked(t *testing.T) {
	s, err := Parse("jamba-v0.1@1:3/8")
	if err != nil {
		t.Fatal(err)
	}
	s.Narrow(32)
	for _, weights := range []recipe.Recipe{"q8_0", "q4_k_m", "bf16"} {
		typeOf, err := plan.Types(&s.Config, weights)
		if err != nil {
			t.Fatal(err)
		}
		own, err := model.Load(s.Config, model.Stage{}, unpacked{&source{typeOf: typeOf}})
		if err != nil {
			t.Fatal(err)
		}
		if err := own.Prepare(context.Background(), model.Fast, tensor.F16, nil); err != nil {
			t.Fatal(err)
		}
		made, err := s.Model(weights, tensor.F16)
		if err != nil {
			t.Fatal(err)
		}
		var logits [2][]float32
		for i, m := range []*model.Model{own, made} {
			l, err := m.NewPass().Logits(context.Background(), model.Span{State: m.NewState(), Tokens: []int32{1, 2, 3}})
			if err != nil {
				t.Fatal(err)
			}
			logits[i] = slices.Clone(l)
		}
		if !slices.Equal(logits[0], logits[1]) {
			t.Errorf("in %s the logits are others", weights)
		}
	}
}

// TestModel makes networks of each kind: they take what plan counts, and their logits are numbers of a sensible size that
// depend on the token.
func TestModel(t *testing.T) {
	for _, name := range []string{"jamba-v0.1@1:3/8", "mixtral-8x7b/16", "llama-2-7b/16", "mamba-2.8b/32", "jamba-reasoning-3b/2"} {
		s, err := Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		s.Narrow(32)
		for _, weights := range []recipe.Recipe{"q8_0", "q4_k_m", "bf16"} {
			m, err := s.Model(weights, tensor.Invalid)
			if err != nil {
				t.Fatalf("%s in %s: %v", name, weights, err)
			}
			sizes, err := plan.Weigh(&s.Config, weights)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := m.Sizes().Total(), sizes.Total(); got.Params != want.Params || got.Bytes != want.Bytes || got.ActiveParams != want.ActiveParams {
				t.Errorf("%s in %s takes %+v, the plan says %+v", name, weights, got, want)
			}
			var logits [2][]float32
			for i := range logits {
				logits[i], err = m.NewPass().Logits(context.Background(), model.Span{State: m.NewState(), Tokens: []int32{1, 2, int32(3 + i)}})
				if err != nil {
					t.Fatal(err)
				}
				logits[i] = slices.Clone(logits[i])
				for j, v := range logits[i] {
					if math.IsNaN(float64(v)) || math.Abs(float64(v)) > 100 {
						t.Fatalf("%s in %s: logit %d is %v", name, weights, j, v)
					}
				}
			}
			if slices.Equal(logits[0], logits[1]) {
				t.Errorf("%s in %s: the token does not matter", name, weights)
			}
		}
	}
}
