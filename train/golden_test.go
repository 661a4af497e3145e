package train_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"jamba/checkpoint"
	"jamba/internal/testutil"
	"jamba/model"
	"jamba/train"
)

// golden is the reference's training of one model: three steps on one batch.
type golden struct {
	Train struct {
		Hyper struct {
			LR          float64
			Betas       [2]float64
			Eps         float64
			WeightDecay float64 `json:"weight_decay"`
		}
		Steps []struct {
			Loss          float64
			AuxLoss       float64              `json:"aux_loss"`
			CELoss        float64              `json:"ce_loss"`
			GradNormTotal float64              `json:"grad_norm_total"`
			GradNorms     map[string]float64   `json:"grad_norms"`
			GradSamples   map[string][]float64 `json:"grad_samples"`
		}
		AuxCoef      float64              `json:"router_aux_loss_coef"`
		NormsAfter   map[string]float64   `json:"param_norms_after"`
		SamplesAfter map[string][]float64 `json:"param_samples_after"`
		CEAfter      float64              `json:"ce_loss_after_3_steps"`
	}
}

// goldens runs f on every reference model that has been trained.
func goldens(t *testing.T, f func(t *testing.T, dir string, g golden)) {
	dirs, err := filepath.Glob(testutil.Golden("models", "*", "golden_train.safetensors"))
	if err != nil || len(dirs) != 8 {
		t.Fatalf("%d trained reference models, want 8 (%v)", len(dirs), err)
	}
	for _, path := range dirs {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			f(t, dir, testutil.JSON[golden](t, filepath.Join(dir, "golden.json")))
		})
	}
}

func open(t *testing.T, dir string, o train.Options) (*model.Model, *train.Trainer) {
	t.Helper()
	m, err := checkpoint.OpenForTraining(dir)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := train.New(m, o)
	if err != nil {
		t.Fatal(err)
	}
	return m, tr
}

// goldenBatch returns the batch of the reference's training.
func goldenBatch(t *testing.T, dir string) *train.Batch {
	t.Helper()
	tensors := testutil.OpenTensors(t, filepath.Join(dir, "golden_train.safetensors"))
	ids, shape := tensors.Ints("input_ids")
	labels, _ := tensors.Ints("labels")
	b := &train.Batch{}
	for n := shape[1]; len(ids) > 0; ids, labels = ids[n:], labels[n:] {
		b.Tokens, b.Labels = append(b.Tokens, ids[:n]), append(b.Labels, labels[:n])
	}
	return b
}

func norm(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum)
}

// samples returns the values that the reference keeps of a tensor.
func samples(x []float32) []float64 {
	return []float64{float64(x[0]), float64(x[len(x)/2]), float64(x[len(x)-1])}
}

func TestGolden(t *testing.T) {
	goldens(t, func(t *testing.T, dir string, g golden) {
		h := g.Train.Hyper
		m, tr := open(t, dir, train.Options{
			Schedule: train.Schedule{Peak: h.LR},
			AdamW:    train.AdamW{Betas: h.Betas, Eps: h.Eps, WeightDecay: h.WeightDecay, DecayAll: true},
			AuxCoef:  g.Train.AuxCoef,
		})
		batch := goldenBatch(t, dir)
		sure := map[string][]bool{} // parameters whose gradients are far from 0
		for i, want := range g.Train.Steps {
			got, err := tr.Step(context.Background(), batch)
			if err != nil {
				t.Fatal(err)
			}
			if want.CELoss == 0 {
				want.CELoss = want.Loss
			}
			near(t, "loss", got.Loss, want.Loss, 1e-4)
			near(t, "cross entropy", got.CE, want.CELoss, 1e-4)
			near(t, "auxiliary loss", got.Aux, want.AuxLoss, 1e-4)
			near(t, "norm of all gradients", got.GradNorm, want.GradNormTotal, 1e-4*want.GradNormTotal)
			if i == 0 {
				checkGradients(t, tr, filepath.Join(dir, "golden_grads.safetensors"), want.GradNorms, want.GradSamples)
				for _, p := range tr.Params {
					own := make([]bool, len(p.Grad))
					for j, v := range p.Grad {
						own[j] = math.Abs(float64(v)) > 1e-6
					}
					sure[p.Name] = own
				}
			}
		}
		checkWeights(t, tr, filepath.Join(dir, "golden_params_after_3_steps.safetensors"), g.Train.NormsAfter, g.Train.SamplesAfter, sure)

		after, err := tr.Evaluate(context.Background(), batch)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "cross entropy after three steps", after.CE, g.Train.CEAfter, 1e-4)
		tensors := testutil.OpenTensors(t, filepath.Join(dir, "golden_train.safetensors"))
		want, _ := tensors.Floats("logits_after_3_steps")
		var logits []float32
		for _, tokens := range batch.Tokens {
			row, err := m.NewPass().Logits(context.Background(), model.Span{State: m.NewState(), Tokens: tokens, Want: model.AllLogits})
			if err != nil {
				t.Fatal(err)
			}
			logits = append(logits, row...)
		}
		if d := testutil.MaxDiff(t, logits, want); !(d <= 2e-3) {
			t.Errorf("logits after three steps differ by %.2g", d)
		}
	})
}

// checkGradients compares with all gradients of the reference where there is a file of them, else with norms and samples.
func checkGradients(t *testing.T, tr *train.Trainer, file string, norms map[string]float64, values map[string][]float64) {
	t.Helper()
	if len(tr.Params) != len(norms) {
		t.Errorf("%d gradients, want %d", len(tr.Params), len(norms))
	}
	var all testutil.Tensors
	_, err := os.Stat(file)
	if whole := err == nil; whole {
		all = testutil.OpenTensors(t, file)
	}
	for _, p := range tr.Params {
		want, ok := norms[p.Name]
		if !ok {
			t.Errorf("the reference has no gradient %s", p.Name)
			continue
		}
		tolerance := 1e-4*want + 1e-6
		near(t, p.Name+": norm of the gradient", norm(p.Grad), want, tolerance)
		for i, v := range samples(p.Grad) {
			if values != nil {
				near(t, p.Name+": gradient", v, values[p.Name][i], tolerance)
			}
		}
		if err == nil {
			grad, _ := all.Floats(p.Name)
			for i, v := range p.Grad {
				grad[i] -= v
			}
			near(t, p.Name+": norm of the gradient's difference", norm(grad), 0, tolerance)
		}
	}
	if err != nil && values == nil {
		t.Error("no gradients to compare with")
	}
}

func checkWeights(t *testing.T, tr *train.Trainer, file string, norms map[string]float64, values map[string][]float64, sure map[string][]bool) {
	t.Helper()
	for _, p := range tr.Params {
		near(t, p.Name+": norm after three steps", norm(p.Value), norms[p.Name], 1e-4*norms[p.Name])
		at := []int{0, len(p.Value) / 2, len(p.Value) - 1}
		for i, v := range samples(p.Value) {
			if values != nil && sure[p.Name][at[i]] {
				near(t, p.Name+": value after three steps", v, values[p.Name][i], 2e-5)
			}
		}
	}
	if _, err := os.Stat(file); err != nil {
		return
	}
	all := testutil.OpenTensors(t, file)
	for _, p := range tr.Params {
		want, _ := all.Floats(p.Name)
		for i, v := range p.Value {
			if d := math.Abs(float64(v - want[i])); sure[p.Name][i] && !(d <= 2e-5) {
				t.Errorf("%s: value %d is %v after three steps, want %v", p.Name, i, v, want[i])
				break
			}
		}
	}
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: %v, want %v (off by %.2g, may be %.2g)", what, got, want, math.Abs(got-want), tolerance)
	}
}
