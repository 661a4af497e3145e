package loop

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/checkpoint"
	"jamba/model"
	"jamba/model/lora"
)

// A run that trains an adapter beside a frozen model, whose loss falls, resumes as one that trains all.
func TestResumeAdapter(t *testing.T) {
	base := t.TempDir()
	prepare(t, base)
	var m *model.Model
	adapted := func(seed uint64) func(o *Options) {
		return func(o *Options) {
			var err error
			if m, err = model.New(o.Model.Config, seed, model.InitializerRange); err != nil {
				t.Fatal(err)
			}
			// New weights are so small that nothing beside a frozen head could move the logits far.
			for _, p := range m.Params() {
				if k := p.Kind(); k == model.Projection || k == model.Embedding {
					for i := range p.Value {
						p.Value[i] *= 10
					}
				}
			}
			o.Model = m
			a, err := lora.New(lora.Config{R: 2, Alpha: 4, Targets: []string{"mamba", "experts", "o_proj"}}, m.Modules(), 1)
			if s, path, errLatest := Latest(o.Dir); errLatest == nil && s.Step > 0 {
				a, err = checkpoint.OpenAdapter(path, m.Modules())
			}
			if err == nil {
				err = m.Attach(a)
			}
			if err != nil {
				t.Fatal(err)
			}
			o.Settings.LR, o.Write = 2e-2, func(dir string) error { return checkpoint.WriteAdapter(dir, a) }
		}
	}
	begin := func(name string, seed uint64) (*Run, error) {
		o, err := options(base, settings())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { o.Data.Close() })
		o.Dir = filepath.Join(base, name)
		if err := os.MkdirAll(o.Dir, 0o777); err != nil {
			t.Fatal(err)
		}
		adapted(seed)(&o)
		s, path, err := Latest(o.Dir)
		if err != nil {
			return New(o, nil, "")
		}
		return New(o, &s, path)
	}
	must := func(name string) *Run {
		r, err := begin(name, 7)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	whole := must("whole")
	var before [][]float32
	var own, others int64
	for _, p := range m.Params() {
		before = append(before, slices.Clone(p.Value))
		if p.Adapter != nil {
			own += int64(len(p.Value))
		} else {
			others += int64(len(p.Value))
		}
	}
	if x := whole.Memory(); whole.Trained() != own || x.Gradients != 4*own || x.Moments != 8*own || x.Weights != 4*(own+others) {
		t.Errorf("%d parameters of %d are trained, in %+v", whole.Trained(), own, x)
	}
	finish(t, whole)
	for i, p := range m.Params() {
		if same := slices.Equal(p.Value, before[i]); same != (p.Adapter == nil) {
			t.Errorf("%s has changed: %v", p.Name, !same)
		}
	}
	log := lines(t, whole.Dir)
	if first, last := log[0]["loss"].(float64), log[len(log)-2]["loss"].(float64); last > first-0.5 {
		t.Errorf("the loss went from %v to %v", first, last)
	}

	ctx, stop := context.WithCancel(context.Background())
	r := must("parts")
	r.OnStep = func(l StepLine) {
		if l.Step == 6 {
			stop()
		}
	}
	if err := r.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	finish(t, must("parts"))
	sameRun(t, filepath.Join(base, "parts"), filepath.Join(base, "whole"), "adapter_model.safetensors", "adapter_config.json")

	if _, err := begin("parts", 8); err == nil || !strings.Contains(err.Error(), "the weights that are not trained are others") {
		t.Error("beside another model: error", err)
	}
}
