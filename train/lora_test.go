package train_test

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/checkpoint"
	"jamba/format/safetensors"
	"jamba/internal/testutil"
	"jamba/model"
	"jamba/model/lora"
	"jamba/model/param"
	"jamba/tensor"
	"jamba/train"
)

// adapted opens a reference model for training with a new adapter, B of it random if asked for.
func adapted(t *testing.T, dir string, random bool, c lora.Config, o train.Options) (*model.Model, *train.Trainer) {
	t.Helper()
	m, err := checkpoint.OpenForTraining(dir)
	if err != nil {
		t.Fatal(err)
	}
	a, err := lora.New(c, m.Modules(), 1)
	if err == nil {
		err = m.Attach(a)
	}
	if err != nil {
		t.Fatal(err)
	}
	if random {
		r := rand.New(rand.NewPCG(3, 4))
		for _, p := range a.Pairs {
			for i := range p.B {
				p.B[i] = float32(0.1 * r.NormFloat64())
			}
		}
	}
	tr, err := train.New(m, o)
	if err != nil {
		t.Fatal(err)
	}
	return m, tr
}

// noStep are options that leave the weights as they are.
func noStep() train.Options {
	return train.Options{Schedule: train.Schedule{Peak: 1e-30}, AdamW: train.AdamW{Betas: [2]float64{0.9, 0.95}, Eps: 1e-8}, AuxCoef: 0.01}
}

// TestLoRAGradients compares the gradients of A and B with those that follow from the gradients of the whole weights,
// dB = scale·dW·Aᵀ and dA = scale·Bᵀ·dW, in float64; those of whole weights are tested against the reference.
func TestLoRAGradients(t *testing.T) {
	goldens(t, func(t *testing.T, dir string, _ golden) {
		o := noStep()
		o.Trains = func(*model.Param) bool { return true }
		m, tr := adapted(t, dir, true, lora.Config{R: 3, Alpha: 5, Targets: []string{"all"}}, o)
		if _, err := tr.Step(context.Background(), goldenBatch(t, dir)); err != nil {
			t.Fatal(err)
		}
		type key struct {
			param.ID
			tensor param.Tensor
		}
		grads := map[key][]float32{}
		for _, p := range tr.Params {
			grads[key{p.ID, p.Tensor}] = p.Grad
		}
		used := 0
		for _, p := range m.Adapter().Pairs {
			dw := grads[key{p.ID, param.Weight}]
			da, db := make([]float64, len(p.A)), make([]float64, len(p.B))
			for n := range p.Out {
				for k := range p.In {
					d := float64(p.Scale) * float64(dw[n*p.In+k])
					for r := range p.R {
						da[r*p.In+k] += d * float64(p.B[n*p.R+r])
						db[n*p.R+r] += d * float64(p.A[r*p.In+k])
					}
				}
			}
			for suffix, want := range map[param.Tensor][]float64{lora.SuffixA: da, lora.SuffixB: db} {
				got, length, off := grads[key{p.ID, suffix}], 0.0, 0.0
				for i, v := range want {
					length += v * v
					off += (v - float64(got[i])) * (v - float64(got[i]))
				}
				if math.Sqrt(off) > 2e-5*math.Sqrt(length)+1e-9 {
					t.Errorf("%s%s: gradient of norm %.3g is off by %.2g", p.Name, suffix, math.Sqrt(length), math.Sqrt(off))
				}
				if length > 0 {
					used++
				}
			}
		}
		if used < len(m.Adapter().Pairs) {
			t.Errorf("only %d matrices of %d pairs have gradients", used, len(m.Adapter().Pairs))
		}
	})
}

// TestLoRADifferences moves all of A and B, and then only those of one module at a time, along their gradients: the loss
// has to change by the step times the norm, which also tests that the gradient passes on to earlier layers.
func TestLoRADifferences(t *testing.T) {
	testutil.SkipRace(t, testutil.SameSharing)
	for _, name := range []string{"jamba-odd-tied", "jamba-attn-moe-sharded", "mixtral-tiny", "mamba-tiny"} {
		t.Run(name, func(t *testing.T) {
			dir := testutil.Golden("models", name)
			_, tr := adapted(t, dir, true, lora.Config{R: 2, Alpha: 4, Targets: []string{"all"}}, noStep())
			batch := goldenBatch(t, dir)
			loss := func() float64 {
				s, err := tr.Evaluate(context.Background(), batch)
				if err != nil {
					t.Fatal(err)
				}
				return s.Loss
			}
			if _, err := tr.Step(context.Background(), batch); err != nil {
				t.Fatal(err)
			}
			check := func(what string, params []train.Param) {
				length := 0.0
				for _, p := range params {
					length += norm(p.Grad) * norm(p.Grad)
				}
				if length = math.Sqrt(length); length < 1e-2 {
					return // the difference of two losses in float32 says nothing about it
				}
				along := func(step float64) float64 {
					saved := [][]float32{}
					for _, p := range params {
						saved = append(saved, slices.Clone(p.Value))
						for i, g := range p.Grad {
							p.Value[i] += float32(step / length * float64(g))
						}
					}
					defer func() {
						for i, p := range params {
							copy(p.Value, saved[i])
						}
					}()
					return loss()
				}
				const step = 5e-4
				got := (along(step) - along(-step)) / (2 * step)
				near(t, what, got, length, 0.02*length+1e-3)
			}
			var own []train.Param
			for _, p := range tr.Params {
				if p.Adapter != nil {
					own = append(own, p)
				}
			}
			check("all", own)
			for i := 0; i < len(own); i += 2 {
				check(own[i].Adapter.Name, own[i:i+2])
			}
		})
	}
}

// TestLoRATrains trains adapters on reference models: only they change, the loss falls, a new adapter changes nothing, and
// what is saved is loaded beside the checkpoint with the same bits. Set JAMBA_WRITE_TO to a folder to keep the adapters and
// their logits, which scripts/peft-check compares with PEFT's.
func TestLoRATrains(t *testing.T) {
	testutil.SkipRace(t, testutil.SameSharing)
	goldens(t, func(t *testing.T, dir string, _ golden) {
		targets := []string{"all"}
		name := filepath.Base(dir)
		for _, one := range [][]string{targets, {"attention", "mamba", "mlp"}, {"attention", "in_proj", "embed", "head"}} {
			t.Run(strings.Join(one, "-"), func(t *testing.T) {
				targets := slices.DeleteFunc(slices.Clone(one), func(group string) bool {
					m, err := checkpoint.OpenModel(dir, checkpoint.Options{})
					if err != nil {
						t.Fatal(err)
					}
					defer m.Close()
					return group != "all" && !slices.ContainsFunc(m.Modules(), func(m lora.Module) bool { return string(m.Group) == group || strings.HasSuffix(m.Name, "."+group) })
				})
				if name == "mamba-tiny" && !slices.Contains(targets, "embed") {
					targets = []string{"in_proj", "x_proj", "dt_proj"} // PEFT refuses out_proj of this architecture
				}
				trainLoRA(t, dir, name+"."+strings.Join(one, "-"), targets)
			})
		}
	})
}

func trainLoRA(t *testing.T, dir, name string, targets []string) {
	m, tr := adapted(t, dir, false, lora.Config{R: 4, Alpha: 8, Targets: targets, Base: filepath.Base(dir)}, train.Options{
		Schedule: train.Schedule{Peak: 2e-2}, AdamW: train.DefaultAdamW(), Clip: 1, AuxCoef: 0.01,
	})
	plain, err := checkpoint.OpenModel(dir, checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	ids, _ := testutil.OpenTensors(t, filepath.Join(dir, "golden.safetensors")).Ints("input_ids")
	logits := func(m *model.Model) []float32 {
		got, err := m.NewPass().Logits(context.Background(), model.Span{State: m.NewState(), Tokens: ids, Want: model.AllLogits})
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(got)
	}
	before := logits(plain)
	if !slices.Equal(logits(m), before) {
		t.Error("a new adapter changes logits")
	}
	var weights [][]float32
	for i, p := range tr.Params {
		if (p.Adapter != nil) != (p.Grad != nil) || (p.Grad != nil) != (tr.Moments.M[i] != nil) {
			t.Errorf("%s: a gradient: %v", p.Name, p.Grad != nil)
		}
		weights = append(weights, slices.Clone(p.Value))
	}
	batch := goldenBatch(t, dir)
	var first, last float64
	for step := range 12 {
		s, err := tr.Step(context.Background(), batch)
		if err != nil {
			t.Fatal(err)
		}
		if last = s.CE; step == 0 {
			first = s.CE
		}
	}
	if !(last < 0.9*first) {
		t.Errorf("the loss goes from %.3f to %.3f", first, last)
	}
	for i, p := range tr.Params {
		if p.Adapter == nil && !slices.Equal(p.Value, weights[i]) {
			t.Errorf("%s has changed", p.Name)
		}
		if strings.HasSuffix(p.Name, "q_proj"+lora.SuffixB) && slices.Equal(p.Value, weights[i]) {
			t.Errorf("%s has not changed", p.Name)
		}
	}

	out := t.TempDir()
	if keep := os.Getenv("JAMBA_WRITE_TO"); keep != "" {
		out = filepath.Join(keep, name)
	}
	if err := checkpoint.WriteAdapter(out, m.Adapter()); err != nil {
		t.Fatal(err)
	}
	loaded, err := checkpoint.OpenModel(dir, checkpoint.Options{Adapter: out})
	if err != nil {
		t.Fatal(err)
	}
	defer loaded.Close()
	got := logits(loaded)
	if !slices.Equal(got, logits(m)) {
		t.Error("the adapter that was saved gives other logits")
	}
	if d := testutil.MaxDiff(t, got, before); d < 0.5 {
		t.Errorf("training changed logits by %.2g only", d)
	}
	golden := tensor.FromFloat32s("logits", got, len(ids), m.Config.VocabSize)
	if err := safetensors.WriteFile(filepath.Join(out, "golden.safetensors"), []safetensors.Entry{safetensors.Of(golden)}, nil); err != nil {
		t.Fatal(err)
	}
}
