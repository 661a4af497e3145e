package model_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/checkpoint"
	"jamba/format/safetensors"
	"jamba/internal/kernel/par"
	"jamba/internal/testutil"
	"jamba/internal/testutil/blocks"
	"jamba/internal/testutil/golden"
	"jamba/model"
	"jamba/model/lora"
	"jamba/quantize"
	"jamba/quantize/recipe"
	"jamba/tensor"
)

// adapters runs f on every adapter that PEFT made, with its model and the logits of both.
func adapters(t *testing.T, f func(t *testing.T, dir string, g *golden.Golden, want []float32)) {
	dirs, err := filepath.Glob(testutil.Golden("adapters", "*.*", "adapter_config.json"))
	if err != nil || len(dirs) != 5 {
		t.Fatalf("%d adapters, want 5 (%v)", len(dirs), err)
	}
	for _, path := range dirs {
		dir := filepath.Dir(path)
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			base, _, _ := strings.Cut(name, ".")
			want, _ := testutil.OpenTensors(t, filepath.Join(dir, "golden.safetensors")).Floats("logits")
			f(t, dir, golden.Open(t, testutil.Golden("models", base)), want)
		})
	}
}

func openAdapted(t *testing.T, base, adapter string, p model.Precision, weights recipe.Recipe) *model.Model {
	t.Helper()
	m, err := golden.OpenModel(base, checkpoint.Options{Precision: p, Weights: weights, Adapter: adapter})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func TestAdapter(t *testing.T) {
	adapters(t, func(t *testing.T, dir string, g *golden.Golden, want []float32) {
		base := filepath.Dir(g.Path)
		plain := g.Forward(t, g.Model.NewPass(), g.Model.NewState(), g.IDs)
		if d := testutil.MaxDiff(t, plain, want); d < 1 {
			t.Fatalf("the adapter changes logits by %.2g only", d)
		}
		m := openAdapted(t, base, dir, model.Exact, "")
		with := &golden.Golden{Name: g.Name, Model: m}
		got := with.Forward(t, m.NewPass(), m.NewState(), g.IDs)
		with.Near(t, "logits", got, want)
		if before, now := g.Model.Sizes().Total(), m.Sizes().Total(); now.Params-before.Params != m.Adapter().Params() || now.Bytes-before.Bytes != 4*m.Adapter().Params() {
			t.Errorf("sizes %+v with an adapter of %d parameters, %+v without", now, m.Adapter().Params(), before)
		}

		// The same adapter beside a GGUF file of the model, whose rows of q and k may lie otherwise.
		file := openAdapted(t, golden.Convert(t, g, base, tensor.F32), dir, model.Exact, "")
		with.Near(t, "logits with a GGUF file", (&golden.Golden{Model: file}).Forward(t, file.NewPass(), file.NewState(), g.IDs), want)
	})
}

// TestAdapterAlike asserts that with an adapter, too, logits are the same bits however the sequence is cut, next to others
// and on any number of threads, in both precisions and beside quantized weights.
func TestAdapterAlike(t *testing.T) {
	defer par.SetThreads(0)
	adapters(t, func(t *testing.T, dir string, g *golden.Golden, want []float32) {
		for _, o := range []struct {
			precision model.Precision
			weights   recipe.Recipe
		}{{model.Exact, ""}, {model.Exact, "q8_0"}, {model.Fast, ""}, {model.Fast, "q8_0"}} {
			m := openAdapted(t, filepath.Dir(g.Path), dir, o.precision, o.weights)
			own := &golden.Golden{Model: m}
			long := slices.Concat(g.IDs, g.IDs, g.IDs)
			all := own.Forward(t, m.NewPass(), m.NewState(), long)
			mean := 0.0
			for i, v := range want {
				mean += math.Abs(float64(all[i]-v)) / float64(len(want))
			}
			if mean > 0.1 { // mamba-tiny's weights of 8 bits are the worst; without its adapter it is the same
				t.Errorf("%v, %v: logits are off by %.2g on average", o.precision, o.weights, mean)
			}
			for _, chunks := range [][]int{slices.Repeat([]int{1}, len(long)), {9, 1, 14}, {33}} {
				if !slices.Equal(own.Forward(t, m.NewPass(), m.NewState(), long, chunks...), all) {
					t.Errorf("%v, %v: chunks %v give other logits", o.precision, o.weights, chunks)
				}
			}
			par.SetThreads(1)
			batch, err := m.NewPass().Logits(context.Background(),
				model.Span{State: m.NewState(), Tokens: g.IDs[:7], Want: model.NoLogits},
				model.Span{State: m.NewState(), Tokens: long, Want: model.AllLogits})
			if err != nil || !slices.Equal(batch, all) {
				t.Errorf("%v, %v: another batch on one thread gives other logits (%v)", o.precision, o.weights, err)
			}
			par.SetThreads(0)
		}
	})
}

// TestAdapterForTraining asserts that the forward pass of training is that of inference, bit for bit.
func TestAdapterForTraining(t *testing.T) {
	adapters(t, func(t *testing.T, dir string, g *golden.Golden, _ []float32) {
		base := filepath.Dir(g.Path)
		m := openAdapted(t, base, dir, model.Exact, "")
		own, err := checkpoint.OpenForTraining(base)
		if err != nil {
			t.Fatal(err)
		}
		n := len(own.Params())
		a, err := checkpoint.OpenAdapter(dir, own.Modules())
		if err == nil {
			err = own.Attach(a)
		}
		if err != nil {
			t.Fatal(err)
		}
		params := own.Params()[n:]
		if len(params) != 2*len(a.Pairs) || params[0].Name != a.Pairs[0].NameA() || &params[1].Value[0] != &a.Pairs[0].B[0] {
			t.Error("the adapter's parameters are not the last of the model's")
		}
		p := own.NewPass()
		p.Tape = &model.Tape{}
		with := &golden.Golden{Model: m}
		if !slices.Equal((&golden.Golden{Model: own}).Forward(t, p, own.NewState(), g.IDs), with.Forward(t, m.NewPass(), m.NewState(), g.IDs)) {
			t.Error("training computes other logits than inference")
		}
		if err := own.Attach(a); err == nil || !strings.Contains(err.Error(), "an adapter already") {
			t.Error("a second adapter:", err)
		}
	})
}

// TestAttachBad asserts that an adapter of another model is refused.
func TestAttachBad(t *testing.T) {
	g := golden.Open(t, testutil.Golden("models", "jamba-v01-mini"))
	modules := g.Model.Modules()
	for name, change := range map[string]func(p *lora.Pair){
		"name": func(p *lora.Pair) { p.Name += "x" }, "shape": func(p *lora.Pair) { p.In++ }, "a": func(p *lora.Pair) { p.A = p.A[1:] }, "b": func(p *lora.Pair) { p.B = nil },
	} {
		a, err := lora.New(lora.Config{R: 2, Alpha: 4, Targets: []string{"all"}}, modules, 1)
		if err != nil {
			t.Fatal(err)
		}
		change(a.Pairs[3])
		if err := g.Model.Attach(a); err == nil || !strings.Contains(err.Error(), a.Pairs[3].Name) {
			t.Errorf("%s: error %v, want one that names the module", name, err)
		}
	}
}

func TestMerge(t *testing.T) {
	adapters(t, func(t *testing.T, dir string, g *golden.Golden, want []float32) {
		base, out := filepath.Dir(g.Path), filepath.Join(t.TempDir(), "new", "merged")
		if err := quantize.Merge(base, dir, out); err != nil {
			t.Fatal(err)
		}
		m, err := golden.OpenModel(out, checkpoint.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		merged := &golden.Golden{Name: g.Name, Model: m}
		merged.Near(t, "logits", merged.Forward(t, m.NewPass(), m.NewState(), g.IDs), want)
		for _, name := range []string{"config.json", "generation_config.json"} {
			got, err := os.ReadFile(filepath.Join(out, name))
			if want, _ := os.ReadFile(filepath.Join(base, name)); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s is not copied: %v", name, err)
			}
		}
		if err := quantize.Merge(base, dir, out); err == nil || !strings.Contains(err.Error(), "merged: is there already") {
			t.Error("into a folder that is there:", err)
		}
		if err := quantize.Merge(filepath.Join(base, "model.safetensors"), dir, out); err == nil || !strings.Contains(err.Error(), "are folders") {
			t.Error("a file:", err)
		}
	})
}

// TestMergeRounds compares merged bfloat16 weights with float64 arithmetic, and the other tensors with the base's.
func TestMergeRounds(t *testing.T) {
	base := testutil.Golden("models", "jamba-v01-mini-bf16")
	m, err := golden.OpenModel(base, checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	a, err := lora.New(lora.Config{R: 3, Alpha: 5, Targets: []string{"in_proj", "attention", "experts"}}, m.Modules(), 1)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, p := range a.Pairs {
		for i := range p.B {
			p.B[i] = float32(random.NormFloat64())
		}
	}
	adapter, out := filepath.Join(t.TempDir(), "adapter"), filepath.Join(t.TempDir(), "merged")
	if err := checkpoint.WriteAdapter(adapter, a); err != nil {
		t.Fatal(err)
	}
	if err := quantize.Merge(base, adapter, out); err != nil {
		t.Fatal(err)
	}
	before, after := testutil.OpenTensors(t, filepath.Join(base, "model.safetensors")), testutil.OpenTensors(t, filepath.Join(out, "model.safetensors"))
	if !slices.Equal(before.Names(), after.Names()) {
		t.Fatal("other tensors")
	}
	pairs := map[string]*lora.Pair{}
	for _, p := range a.Pairs {
		pairs[p.Name+".weight"] = p
	}
	for _, name := range before.Names() {
		w, _ := before.Floats(name)
		got, _ := after.Floats(name)
		p := pairs[name]
		if p == nil {
			if !slices.Equal(got, w) {
				t.Errorf("%s has changed", name)
			}
			continue
		}
		for i, v := range w {
			want := float64(v)
			for r := range p.R {
				want += float64(p.Scale) * float64(p.B[i/p.In*p.R+r]) * float64(p.A[r*p.In+i%p.In])
			}
			// Half a unit in the last of 8 bits, and the rounding of float32 sums before.
			if d := math.Abs(float64(got[i]) - want); d > math.Abs(want)/256+1e-6 {
				t.Fatalf("%s[%d] is %v, want %v", name, i, got[i], want)
			}
		}
	}
}

// TestMergeStacked merges into a checkpoint that has all experts of a layer in one tensor.
func TestMergeStacked(t *testing.T) {
	base, adapter := testutil.Golden("models", "jamba-v01-mini"), testutil.Golden("adapters", "jamba-v01-mini.all")
	set, err := safetensors.OpenDir(base)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	stacks, entries := map[string][]byte{}, []safetensors.Entry(nil)
	for _, name := range set.Names() { // by expert, and down before gate before up
		x, err := set.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		prefix, rest, ok := strings.Cut(name, ".experts.")
		switch {
		case !ok:
			entries = append(entries, safetensors.Of(x))
		case strings.Contains(rest, "down_proj"):
			stacks[prefix+".experts.down_proj"] = append(stacks[prefix+".experts.down_proj"], x.Data...)
		default:
			stacks[prefix+".experts.gate_up_proj"] = append(stacks[prefix+".experts.gate_up_proj"], x.Data...)
		}
	}
	for name, b := range stacks {
		x := tensor.Tensor{Name: name, DType: tensor.F32, Shape: []int{4, 2 * 56, 32}, Data: b}
		if strings.HasSuffix(name, "down_proj") {
			x.Shape = []int{4, 32, 56}
		}
		entries = append(entries, safetensors.Of(x))
	}
	stacked, out := t.TempDir(), filepath.Join(t.TempDir(), "merged")
	config, err := os.ReadFile(filepath.Join(base, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	golden.Put(t, stacked, "config.json", config)
	if err := safetensors.WriteDir(stacked, entries, 0); err != nil {
		t.Fatal(err)
	}
	if err := quantize.Merge(stacked, adapter, out); err != nil {
		t.Fatal(err)
	}
	g := golden.Open(t, base)
	m, err := golden.OpenModel(out, checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	want, _ := testutil.OpenTensors(t, filepath.Join(adapter, "golden.safetensors")).Floats("logits")
	g.Near(t, "logits", (&golden.Golden{Model: m}).Forward(t, m.NewPass(), m.NewState(), g.IDs), want)
}

// TestMergeFails asserts that a merge that cannot be done leaves nothing: here a weight becomes too large for its type.
func TestMergeFails(t *testing.T) {
	m, err := golden.OpenModel(testutil.Golden("models", "jamba-v01-mini"), checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	a, err := lora.New(lora.Config{R: 1, Alpha: 1, Targets: []string{"o_proj"}}, m.Modules(), 1)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	a.Pairs[0].A[0], a.Pairs[0].B[0] = 1e10, 4
	if err := checkpoint.WriteAdapter(filepath.Join(dir, "adapter"), a); err != nil {
		t.Fatal(err)
	}
	half, err := safetensors.OpenDir(testutil.Golden("models", "jamba-v01-mini"))
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	var entries []safetensors.Entry
	for _, name := range half.Names() {
		x, err := half.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, blocks.Stored(x, tensor.F16))
	}
	config, err := json.Marshal(testutil.JSON[map[string]any](t, testutil.Golden("models", "jamba-v01-mini", "config.json")))
	if err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(dir, "base")
	if err := os.Mkdir(base, 0o777); err != nil {
		t.Fatal(err)
	}
	golden.Put(t, base, "config.json", config)
	if err := safetensors.WriteDir(base, entries, 0); err != nil {
		t.Fatal(err)
	}
	err = quantize.Merge(base, filepath.Join(dir, "adapter"), filepath.Join(dir, "merged"))
	if err == nil || !strings.Contains(err.Error(), "self_attn.o_proj.weight") {
		t.Errorf("error %v, want one that names the tensor", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("%v is left (%v)", left, err)
	}
}

// newAdapter writes an adapter of random values into a new folder.
func newAdapter(t *testing.T, m *model.Model, targets []string, r int) string {
	t.Helper()
	a, err := lora.New(lora.Config{R: r, Alpha: 2, RSLoRA: true, Targets: targets}, m.Modules(), 1)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, p := range a.Pairs {
		for _, x := range [][]float32{p.A, p.B} {
			for i := range x {
				x[i] = float32(0.1 * random.NormFloat64())
			}
		}
	}
	dir := filepath.Join(t.TempDir(), "adapter")
	if err := checkpoint.WriteAdapter(dir, a); err != nil {
		t.Fatal(err)
	}
	return dir
}
