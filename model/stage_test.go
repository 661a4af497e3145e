package model_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/checkpoint"
	"jamba/format/safetensors"
	"jamba/internal/kernel"
	"jamba/internal/testutil"
	"jamba/internal/testutil/golden"
	"jamba/model"
	"jamba/model/state"
	"jamba/tensor"
)

// openStages opens the stages of the model at path that begin at 0 and at these layers.
func openStages(t *testing.T, path string, o checkpoint.Options, at ...int) (stages []*model.Model) {
	t.Helper()
	at = append([]int{0}, append(at, 0)...)
	for i := range len(at) - 1 {
		o.Stage = model.Stage{Lo: at[i], Hi: at[i+1]}
		stages = append(stages, golden.OpenWith(t, path, o))
	}
	return stages
}

// pipeline is passes over the stages of a model, with a state in each for some sequences.
type pipeline struct {
	passes []*model.Pass
	states [][]*state.State // by stage
}

func newPipeline(stages []*model.Model, sequences int) *pipeline {
	p := &pipeline{}
	for i, m := range stages {
		p.passes, p.states = append(p.passes, m.NewPass()), append(p.states, nil)
		arena := state.NewArena(m.StateSpecs(), 0)
		for range sequences {
			p.states[i] = append(p.states[i], arena.New())
		}
	}
	return p
}

// forward hands each stage what the one before gives.
func (p *pipeline) forward(spans ...model.Span) (results []model.Result) {
	spans = slices.Clone(spans)
	for i, pass := range p.passes {
		for j := range spans {
			spans[j].State = p.states[i][j]
		}
		results = pass.Forward(context.Background(), spans...)
		for j := range spans {
			spans[j].Tokens, spans[j].Hidden = nil, results[j].Hidden
		}
	}
	return results
}

// checkStages expects of stages, however the layers are divided, the whole model's numbers bit for bit, and its sizes and
// states in sum.
func checkStages(t *testing.T, path string, o checkpoint.Options, ids []int32) {
	t.Helper()
	whole := golden.OpenWith(t, path, o)
	n := len(whole.Config.Layers)
	var each []int
	for i := 1; i < n; i++ {
		each = append(each, i)
	}
	for _, at := range [][]int{{1}, {n / 2}, {n - 1}, each} {
		stages := openStages(t, path, o, at...)
		what := fmt.Sprintf("%s %v, stages at %v", filepath.Base(path), o.Precision, at)
		want, got := newPipeline([]*model.Model{whole}, 3), newPipeline(stages, 3)
		for i, tokens := range [][3][]int32{{ids[:5], ids[2:3], nil}, {ids[5:6], ids[3:9], ids[:4]}, {ids[6:], ids[9:10], ids[4:5]}} {
			spans := []model.Span{
				{Tokens: tokens[0], Want: model.AllLogits},
				{Tokens: tokens[1], Want: []model.Want{model.LastLogits, model.NoLogits, model.LastHidden}[i]},
				{Tokens: tokens[2], Want: model.AllHidden},
			}
			a, b := want.forward(spans...), got.forward(spans...)
			for j := range spans {
				if a[j].Err != nil || b[j].Err != nil {
					t.Fatalf("%s: %v, %v", what, a[j].Err, b[j].Err)
				}
				if !slices.Equal(a[j].Logits, b[j].Logits) || !slices.Equal(a[j].Hidden, b[j].Hidden) {
					t.Errorf("%s: pass %d, span %d differs from the whole network's", what, i, j)
				}
			}
		}
		var size model.Size
		var specs []state.Spec
		for _, m := range stages {
			s := m.Sizes().Total()
			size.Params, size.ActiveParams, size.Bytes = size.Params+s.Params, size.ActiveParams+s.ActiveParams, size.Bytes+s.Bytes
			size.ExpertBytes, size.IntegerParams = size.ExpertBytes+s.ExpertBytes, size.IntegerParams+s.IntegerParams
			specs = append(specs, m.StateSpecs()...)
			if !slices.Equal(golden.From(m).Unused(), golden.From(whole).Unused()) || !slices.Equal(golden.From(m).Warnings(), golden.From(whole).Warnings()) {
				t.Errorf("%s: unused %v, warnings %v", what, golden.From(m).Unused(), golden.From(m).Warnings())
			}
		}
		total := whole.Sizes().Total()
		if whole.Config.TieWordEmbeddings { // both ends have it
			head, embed := stages[len(stages)-1].Sizes().Head, stages[0].Sizes().Embedding
			total.Params += embed.Params
			total.ActiveParams += embed.Params
			total.Bytes = size.Bytes // in two forms
			if head.Params != whole.Sizes().Head.Params+embed.Params {
				t.Errorf("%s: head %+v", what, head)
			}
		}
		if size != total {
			t.Errorf("%s: sizes %+v, want %+v", what, size, total)
		}
		if !slices.Equal(specs, whole.StateSpecs()) {
			t.Errorf("%s: states %+v", what, specs)
		}
	}
}

// TestStages divides every reference model, as a folder, as GGUF files and in native layout, in both precisions.
func TestStages(t *testing.T) {
	testutil.SkipRace(t, testutil.SameSharing)
	golden.Each(t, func(t *testing.T, g *golden.Golden) {
		folder := filepath.Dir(g.Path)
		paths := []string{folder}
		if g.Name != "jamba-odd-tied" { // whose biases GGUF has no tensors for
			plain, _ := golden.Export(t, folder, "f32")
			rounded, _ := golden.Export(t, folder, "q4_0")
			paths = append(paths, plain, rounded)
			if kernel.PanelRows() != 0 {
				native, _ := golden.ExportNative(t, folder, "q8_0")
				paths = append(paths, native)
			}
		}
		for _, path := range paths {
			checkStages(t, path, checkpoint.Options{}, g.IDs)
			checkStages(t, path, checkpoint.Options{Precision: model.Fast}, g.IDs)
		}
		checkStages(t, folder, checkpoint.Options{Precision: model.Fast, Weights: "q8_0", KV: tensor.Q8_0}, g.IDs)
	})
}

func TestStagesWithAdapter(t *testing.T) {
	adapters(t, func(t *testing.T, dir string, g *golden.Golden, _ []float32) {
		checkStages(t, filepath.Dir(g.Path), checkpoint.Options{Adapter: dir}, g.IDs)
	})
}

// TestStagesWithAdapterVariants expects of adapters of all kinds, of the embedding and the head among them, the same bits
// from two stages as from the whole network, whether it was opened with them or spans choose them.
func TestStagesWithAdapterVariants(t *testing.T) {
	all := testutil.Adapters(t)
	for _, v := range all.Variants {
		base, dir := all.BaseOf(v), all.Write(t, v)
		for _, o := range []checkpoint.Options{{}, {Precision: model.Fast, Weights: "q8_0"}} {
			with := o
			with.Adapter = dir
			want := newPipeline(openStages(t, base, with), 1).forward(model.Span{Tokens: all.IDs, Want: model.AllLogits})[0]
			if want.Err != nil {
				t.Fatal(want.Err)
			}
			if got := newPipeline(openStages(t, base, with, 1), 1).forward(model.Span{Tokens: all.IDs, Want: model.AllLogits})[0]; got.Err != nil || !slices.Equal(got.Logits, want.Logits) {
				t.Errorf("%s, %+v: %v", v.Name, o, got.Err)
			}
			stages := openStages(t, base, o, 1)
			span := model.Span{Tokens: all.IDs, Want: model.AllLogits}
			var got model.Result
			for _, m := range stages {
				a, err := checkpoint.OpenAdapter(dir, m.Modules())
				if err != nil {
					t.Fatal(err)
				}
				if span.Adapter, err = m.NewAdapter(a); err != nil {
					t.Fatal(err)
				}
				span.State = m.NewState()
				if got = m.NewPass().Forward(context.Background(), span)[0]; got.Err != nil {
					t.Fatal(got.Err)
				}
				span.Tokens, span.Hidden = nil, got.Hidden
			}
			if !slices.Equal(got.Logits, want.Logits) {
				t.Errorf("%s, %+v: chosen by a span it differs", v.Name, o)
			}
		}
	}
}

// TestStageOwnTensors opens each stage of a checkpoint from which all tensors of other stages are gone.
func TestStageOwnTensors(t *testing.T) {
	for _, tied := range []bool{false, true} {
		dir := golden.Wide(t, tied)
		ids := []int32{1, 2, 3, 4, 5, 6}
		want, err := golden.OpenWith(t, dir, checkpoint.Options{}).NewPass().Logits(context.Background(), model.Span{State: golden.OpenWith(t, dir, checkpoint.Options{}).NewState(), Tokens: ids})
		if err != nil {
			t.Fatal(err)
		}
		own := [2]string{}
		for i, others := range [2][]string{{"layers.1.", "lm_head", "final_layernorm"}, {"layers.0.", "embed_tokens"}} {
			own[i] = t.TempDir()
			config, err := os.ReadFile(filepath.Join(dir, "config.json"))
			if err != nil {
				t.Fatal(err)
			}
			golden.Put(t, own[i], "config.json", config)
			tensors := testutil.OpenTensors(t, filepath.Join(dir, "model.safetensors"))
			var entries []safetensors.Entry
			for _, name := range checkpointNames(t, dir) {
				other := slices.ContainsFunc(others, func(part string) bool { return strings.Contains(name, part) })
				if other && !(tied && strings.Contains(name, "embed_tokens")) {
					continue
				}
				v, shape := tensors.Floats(name)
				entries = append(entries, safetensors.Of(tensor.FromFloat32s(name, v, shape...)))
			}
			if err := safetensors.WriteFile(filepath.Join(own[i], "model.safetensors"), entries, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := golden.OpenModel(own[i], checkpoint.Options{}); err == nil {
				t.Error("the whole model opens without some of its tensors")
			}
		}
		p := newPipeline([]*model.Model{
			golden.OpenWith(t, own[0], checkpoint.Options{Stage: model.Stage{Hi: 1}}), golden.OpenWith(t, own[1], checkpoint.Options{Stage: model.Stage{Lo: 1}}),
		}, 1)
		if r := p.forward(model.Span{Tokens: ids})[0]; r.Err != nil || !slices.Equal(r.Logits, want) {
			t.Errorf("tied %v: %v", tied, r.Err)
		}
	}
}

// TestStageSpans expects errors for what is no input of a stage, and that a span that fails in a later stage can go on from
// a Fork in the earlier ones.
func TestStageSpans(t *testing.T) {
	dir := golden.Dir("jamba-v01-mini")
	stages := openStages(t, dir, checkpoint.Options{}, 3)
	m := stages[0].Config.HiddenSize
	for want, test := range map[string]struct {
		stage int
		span  model.Span
	}{
		"a span has hidden states; the stage with the first layer takes tokens":               {0, model.Span{Hidden: make([]float32, m)}},
		"a span has tokens; the stage that begins with layer 3 takes hidden states":           {1, model.Span{Tokens: []int32{1}}},
		fmt.Sprintf("a span has %d values of hidden states, which are no rows of %d", m+1, m): {1, model.Span{Hidden: make([]float32, m+1)}},
	} {
		test.span.State = stages[test.stage].NewState()
		r := stages[test.stage].NewPass().Forward(context.Background(), test.span)[0]
		if r.Err == nil || r.Err.Error() != want || test.span.State.Pos() != 0 {
			t.Errorf("%v, want %s", r.Err, want)
		}
	}
	for want, s := range map[string]model.Stage{
		"a stage of the layers from 8 on before 8: the model has layers 0 to 7":  {Lo: 8},
		"a stage of the layers from 0 on before 9: the model has layers 0 to 7":  {Hi: 9},
		"a stage of the layers from -1 on before 2: the model has layers 0 to 7": {Lo: -1, Hi: 2},
		"a stage of the layers from 3 on before 3: the model has layers 0 to 7":  {Lo: 3, Hi: 3},
	} {
		if _, err := golden.OpenModel(dir, checkpoint.Options{Stage: s}); err == nil || err.Error() != dir+": "+want {
			t.Errorf("%v, want %s", err, want)
		}
	}

	ctx, nan := context.Background(), float32(math.NaN())
	p := newPipeline(stages, 2)
	begin := model.Span{Tokens: []int32{5, 6, 7}}
	if r := p.forward(begin, begin); r[0].Err != nil || r[1].Err != nil {
		t.Fatal(r)
	}
	// Both go on alike, but for a NaN on the way.
	before := p.states[0][0].Fork()
	hidden := p.passes[0].Forward(ctx, model.Span{State: p.states[0][0], Tokens: []int32{8, 9}}, model.Span{State: p.states[0][1], Tokens: []int32{8, 9}})
	damaged := slices.Clone(hidden[0].Hidden)
	damaged[m+1] = nan
	r := p.passes[1].Forward(ctx, model.Span{State: p.states[1][0], Hidden: damaged}, model.Span{State: p.states[1][1], Hidden: hidden[1].Hidden, Want: model.AllLogits})
	if r[0].Err == nil || !strings.HasPrefix(r[0].Err.Error(), "layer 3 (mamba + moe): activations are infinite") || r[1].Err != nil || p.states[1][0].Pos() != 3 {
		t.Fatalf("%v, %v, at %d", r[0].Err, r[1].Err, p.states[1][0].Pos())
	}
	want := slices.Clone(r[1].Logits)
	p.states[0][0].Free()
	p.states[0][0] = before
	if r := p.forward(model.Span{Tokens: []int32{8, 9}, Want: model.AllLogits}, model.Span{}); r[0].Err != nil || !slices.Equal(r[0].Logits, want) {
		t.Errorf("after a span that failed: %v", r[0].Err)
	}
}

// TestStageProbes expects of stages the probes of the whole network, numbered by its layers.
func TestStageProbes(t *testing.T) {
	dir, ids := golden.Dir("jamba-v01-mini"), []int32{1, 2, 3}
	type key struct {
		layer int
		what  model.Probe
	}
	probes := func(stages ...*model.Model) map[key]string {
		seen := map[key]string{}
		p := newPipeline(stages, 1)
		for _, pass := range p.passes {
			pass.Probe = func(layer int, what model.Probe, v []float32) { seen[key{layer, what}] = fmt.Sprint(v) }
		}
		if r := p.forward(model.Span{Tokens: ids}); r[0].Err != nil {
			t.Fatal(r[0].Err)
		}
		return seen
	}
	if want, got := probes(golden.OpenWith(t, dir, checkpoint.Options{})), probes(openStages(t, dir, checkpoint.Options{}, 2, 5)...); !maps.Equal(got, want) {
		t.Errorf("%d probes, want %d", len(got), len(want))
	}
}
