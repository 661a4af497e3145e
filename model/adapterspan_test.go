package model_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/checkpoint"
	"jamba/internal/kernel/par"
	"jamba/internal/testutil"
	"jamba/internal/testutil/golden"
	"jamba/model"
	"jamba/model/lora"
	"jamba/tensor"
)

// adapted is a folder with an adapter, and the logits of a model that was opened with it.
type adapted struct {
	dir  string
	want []float32
}

// TestAdapterOfSpan lets spans of one pass compute with different adapters and with none, and expects each to have the logits of
// a model opened with its adapter, bit for bit: prompts, and the tokens after them one by one.
func TestAdapterOfSpan(t *testing.T) {
	defer par.SetThreads(0)
	variants := testutil.Adapters(t)
	bases := map[string][]string{} // adapters of each base
	for _, v := range variants.Variants {
		bases[variants.BaseOf(v)] = append(bases[variants.BaseOf(v)], variants.Write(t, v))
	}
	dirs, err := filepath.Glob(testutil.Golden("adapters", "*.*", "adapter_config.json"))
	if err != nil || len(dirs) != 5 || len(variants.Variants) < 48 {
		t.Fatalf("%d adapters, %d variants (%v)", len(dirs), len(variants.Variants), err)
	}
	for _, config := range dirs {
		dir := filepath.Dir(config)
		name, _, _ := strings.Cut(filepath.Base(dir), ".")
		base := testutil.Golden("models", name)
		bases[base] = append(bases[base], dir)
	}
	base := testutil.Golden("models", "jamba-v01-mini")
	bases[base] = append(bases[base], whole(t, base)) // whose rows are whole blocks of 8 bits
	ctx, ids := context.Background(), variants.IDs
	for base, dirs := range bases {
		for _, o := range []checkpoint.Options{{}, {Precision: model.Fast}, {Weights: "q8_0"}, {Weights: "q8_0", Precision: model.Fast}, {Weights: "experts-int8"}} {
			m, err := golden.OpenModel(base, o)
			if err != nil {
				t.Fatal(err)
			}
			var warnings []string // of the model that was opened last
			alone := func(dir string) []float32 {
				o := o
				o.Adapter = dir
				m, err := golden.OpenModel(base, o)
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				warnings = golden.From(m).Warnings()
				logits, err := m.NewPass().Logits(ctx, model.Span{State: m.NewState(), Tokens: ids, Want: model.AllLogits})
				if err != nil {
					t.Fatal(err)
				}
				return slices.Clone(logits)
			}
			vocab, half := m.Config.VocabSize, len(ids)/2
			all := []adapted{{"", alone("")}}
			spans := []model.Span{{State: m.NewState(), Tokens: ids[:half]}}
			for _, dir := range dirs {
				source, err := checkpoint.OpenAdapter(dir, m.Modules())
				if err != nil {
					t.Fatal(err)
				}
				a, err := m.NewAdapter(source)
				if err != nil {
					t.Fatal(err)
				}
				s := adapted{dir, alone(dir)}
				if own := slices.Concat(golden.From(m).Warnings(), a.Warnings()); o.Weights == "" && !slices.Equal(own, warnings) {
					t.Errorf("%s: warnings %q, want %q", dir, own, warnings)
				}
				if slices.Equal(s.want, all[0].want) {
					t.Fatalf("%s changes nothing", dir)
				}
				// Spans with an adapter, without, and with the same again.
				for _, s := range []adapted{s, all[0], s} {
					all, spans = append(all, s), append(spans, model.Span{State: m.NewState(), Tokens: ids[:half]})
					if s.dir != "" {
						spans[len(spans)-1].Adapter = a
					}
				}
			}
			p := m.NewPass()
			pass := func(what string, from, to int) {
				t.Helper()
				for i := range spans {
					spans[i].Tokens, spans[i].Want = ids[from:to], []model.Want{model.LastLogits, model.AllLogits, model.AllHidden}[i%3]
				}
				for i, r := range p.Forward(ctx, spans...) {
					want := all[i].want[from*vocab : to*vocab]
					switch spans[i].Want {
					case model.LastLogits:
						want = want[len(want)-vocab:]
					case model.AllHidden:
						want = nil
					}
					if r.Err != nil || !slices.Equal(r.Logits, want) {
						t.Errorf("%s %+v: %s: span %d with adapter %q has other logits than alone; %v", base, o, what, i, all[i].dir, r.Err)
					}
				}
			}
			pass("prompt", 0, half)
			par.SetThreads(1)
			for i := half; i < len(ids); i++ {
				pass(fmt.Sprint("token ", i), i, i+1)
			}
			par.SetThreads(0)
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// whole writes an adapter of embedding, head and Mamba, the first two beside weights of its own.
func whole(t *testing.T, base string) (dir string) {
	t.Helper()
	m := golden.OpenWith(t, base, checkpoint.Options{})
	a, err := lora.New(lora.Config{R: 3, Alpha: 2, Targets: []string{"embed", "head", "mamba"}}, m.Modules(), 1)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 4))
	fill := func(x []float32) []float32 {
		for i := range x {
			x[i] = float32(0.1 * random.NormFloat64())
		}
		return x
	}
	for _, p := range a.Pairs {
		fill(p.A)
		fill(p.B)
		if p.Group == lora.Embed || p.Group == lora.Head {
			vocab, hidden := m.Config.VocabSize, m.Config.HiddenSize
			a.Wholes = append(a.Wholes, lora.Whole{Module: p.Module, Weight: tensor.FromFloat32s("", fill(make([]float32, vocab*hidden)), vocab, hidden)})
		}
	}
	dir = t.TempDir()
	if err := checkpoint.WriteAdapter(dir, a); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestAdapterOfSpanBad asserts that an adapter is refused where it cannot be chosen, and leaves the other spans alone.
func TestAdapterOfSpanBad(t *testing.T) {
	base, dir := testutil.Golden("models", "jamba-v01-mini"), testutil.Golden("adapters", "jamba-v01-mini.all")
	open := func(o checkpoint.Options) (*model.Model, *model.Adapter, error) {
		m := golden.OpenWith(t, base, o)
		source, err := checkpoint.OpenAdapter(dir, m.Modules())
		if err != nil {
			t.Fatal(err)
		}
		a, err := m.NewAdapter(source)
		return m, a, err
	}
	if _, _, err := open(checkpoint.Options{Adapter: dir}); err == nil || !strings.Contains(err.Error(), "opened with an adapter") {
		t.Errorf("error %v", err)
	}
	m, own, err := open(checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := open(checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := m.NewPass().Forward(context.Background(), model.Span{State: m.NewState(), Tokens: []int32{1}, Adapter: other}, model.Span{State: m.NewState(), Tokens: []int32{1}, Adapter: own})
	if r[0].Err == nil || !strings.Contains(r[0].Err.Error(), "another model") || r[1].Err != nil || r[1].Logits == nil {
		t.Errorf("errors %v, %v", r[0].Err, r[1].Err)
	}
	training, err := checkpoint.OpenForTraining(base)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := training.NewAdapter(own.Source()); err == nil || !strings.Contains(err.Error(), "for training") {
		t.Errorf("error %v", err)
	}
	p := m.NewPass()
	p.Tape = &model.Tape{}
	if r := p.Forward(context.Background(), model.Span{State: m.NewState(), Tokens: []int32{1}, Adapter: own}); r[0].Err == nil {
		t.Error("a pass with a tape computed with a chosen adapter")
	}
}
