package train_test

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/checkpoint"
	"jamba/internal/testutil"
	"jamba/model"
	"jamba/model/lora"
	"jamba/quantize"
	"jamba/quantize/recipe"
	"jamba/train"
)

// TestPEFTStep compares the loss, all gradients and one step of AdamW of adapters of the embedding, the head and layers
// with PEFT's, beside weights in memory, in the folder and in a GGUF file.
func TestPEFTStep(t *testing.T) {
	all, tested := testutil.Adapters(t), 0
	for _, v := range all.Variants {
		if v.Loss == 0 {
			continue
		}
		tested++
		base := all.BaseOf(v)
		file := filepath.Join(t.TempDir(), "base.gguf")
		if _, err := quantize.Export(context.Background(), base, file, quantize.ExportOptions{Recipe: "f32"}); err != nil {
			t.Fatal(err)
		}
		for name, open := range map[string]func() (*model.Model, error){
			"in memory": func() (*model.Model, error) { return checkpoint.OpenForTraining(base) },
			"folder":    func() (*model.Model, error) { return checkpoint.OpenFrozen(base) },
			"GGUF":      func() (*model.Model, error) { return checkpoint.OpenFrozen(file) },
		} {
			t.Run(v.Name+" "+name, func(t *testing.T) {
				m, err := open()
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				if name == "GGUF" {
					m.Config.PADTokenID = 0 // a file without a tokenizer says none
					if !strings.HasPrefix(v.Base, "tied") {
						m.Config.PADTokenID = -1
					}
				}
				a, err := checkpoint.OpenAdapter(all.Write(t, v), m.Modules())
				if err == nil {
					err = m.Attach(a)
				}
				if err != nil {
					t.Fatal(err)
				}
				tr, err := train.New(m, train.Options{
					Schedule: train.Schedule{Peak: all.Step.LR}, AuxCoef: v.Aux,
					AdamW: train.AdamW{Betas: all.Step.Betas, Eps: all.Step.Eps, WeightDecay: all.Step.WeightDecay, DecayAll: true},
				})
				if err != nil {
					t.Fatal(err)
				}
				s, err := tr.Step(context.Background(), &train.Batch{Tokens: [][]int32{all.IDs}})
				if err != nil {
					t.Fatal(err)
				}
				near(t, "loss", s.Loss, v.Loss, 1e-5*v.Loss)
				compared := 0
				for _, p := range tr.Params {
					grad, after := all.Floats(v, "grad/"+p.Name), all.Floats(v, "after/"+p.Name)
					if grad == nil {
						if p.Grad != nil {
							t.Errorf("%s is trained", p.Name)
						}
						continue
					}
					compared++
					length := 0.0
					for _, g := range grad {
						length = max(length, math.Abs(float64(g)))
					}
					if d := testutil.MaxDiff(t, p.Grad, grad); d > 1e-4*length {
						t.Errorf("%s: the gradient of at most %.2g is off by %.2g", p.Name, length, d)
					}
					// A step's size hangs on the gradient's sign alone: where that is nothing, nothing can be said.
					for i, want := range after {
						if math.Abs(float64(grad[i])) > 1e-4*length || grad[i] == 0 {
							near(t, fmt.Sprintf("%s[%d] after the step", p.Name, i), float64(p.Value[i]), float64(want), 2e-5)
						}
					}
				}
				if compared != 2*len(a.Pairs) {
					t.Errorf("%d tensors compared of %d pairs", compared, len(a.Pairs))
				}
			})
		}
	}
	if tested != 3 {
		t.Errorf("%d variants are trained, want 3", tested)
	}
}

// TestFrozenLikeOwned trains a step beside weights in memory and in a file, whose rows of q and k lie otherwise in GGUF, and
// expects the same gradients; beside weights of 8 bits those of a model that has their values.
func TestFrozenLikeOwned(t *testing.T) {
	for _, name := range []string{"jamba-v01-mini", "llama-tiny", "mixtral-tiny", "mamba-tiny"} {
		t.Run(name, func(t *testing.T) {
			dir := testutil.Golden("models", name)
			gradients := func(m *model.Model, err error) map[string][]float32 {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
				a, err := lora.New(lora.Config{R: 2, Alpha: 4, Targets: []string{"all", "embed", "head"}}, m.Modules(), 1)
				if err == nil {
					err = m.Attach(a)
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range a.Pairs {
					for i := range p.A {
						p.A[i] += 0.05 * float32(i%7-3)
					}
					for i := range p.B {
						p.B[i] = 0.05 * float32(i%5-2)
					}
				}
				tr, err := train.New(m, noStep())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := tr.Step(context.Background(), goldenBatch(t, dir)); err != nil {
					t.Fatal(err)
				}
				all := map[string][]float32{}
				for _, p := range tr.Params {
					if p.Adapter != nil {
						all[p.Name] = slices.Clone(p.Grad)
					}
				}
				return all
			}
			compare := func(what string, got, want map[string][]float32, tolerance float64) {
				t.Helper()
				if len(got) != len(want) {
					t.Fatalf("%s: %d gradients, want %d", what, len(got), len(want))
				}
				for name, g := range want {
					if d := testutil.MaxDiff(t, got[name], g); d > tolerance*norm(g)+1e-6 {
						t.Errorf("%s: %s: the gradient of norm %.2g is off by %.2g", what, name, norm(g), d)
					}
				}
			}
			want := gradients(checkpoint.OpenForTraining(dir))
			compare("folder", gradients(checkpoint.OpenFrozen(dir)), want, 0)
			file := filepath.Join(t.TempDir(), "f32.gguf")
			if _, err := quantize.Export(context.Background(), dir, file, quantize.ExportOptions{Recipe: "f32"}); err != nil {
				t.Fatal(err)
			}
			compare("GGUF", gradients(checkpoint.OpenFrozen(file)), want, 2e-3)
			rounded, wide := filepath.Join(t.TempDir(), "q8_0.gguf"), filepath.Join(t.TempDir(), "wide.gguf")
			for _, x := range []struct {
				from, to string
				recipe   recipe.Recipe
			}{{dir, rounded, "q8_0"}, {rounded, wide, "f32"}} {
				if _, err := quantize.Export(context.Background(), x.from, x.to, quantize.ExportOptions{Recipe: x.recipe}); err != nil {
					t.Fatal(err)
				}
			}
			if m, err := checkpoint.OpenFrozen(rounded); err != nil || !slices.ContainsFunc(m.Params(), func(p model.Param) bool { return p.Weight != nil && p.Weight.DType.Quantized() }) {
				t.Errorf("no weight is quantized (%v)", err)
			}
			compare("Q8_0", gradients(checkpoint.OpenFrozen(rounded)), gradients(checkpoint.OpenFrozen(wide)), 2e-3)
		})
	}
}
