package checkpoint_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/checkpoint"
	"jamba/format/safetensors"
	"jamba/internal/kernel/quant"
	"jamba/internal/testutil"
	"jamba/internal/testutil/blocks"
	"jamba/internal/testutil/golden"
	"jamba/model"
	"jamba/quantize"
	"jamba/tensor"
)

// TestFP8 compares models of eight-bit floats with the reference, which testdata/fp8/make_fp8.py recorded; each is the
// model of its dequantized weights, bit for bit, and files are made of it as of that.
func TestFP8(t *testing.T) {
	b, err := os.ReadFile("testdata/fp8/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var expected map[string]struct {
		Tokens []int32
		Logits []float32
	}
	if err := json.Unmarshal(b, &expected); err != nil || len(expected) != 5 {
		t.Fatal(len(expected), err)
	}
	for kind, want := range expected {
		t.Run(kind, func(t *testing.T) {
			dir := filepath.Join("testdata/fp8", kind)
			logits := func(path string, o checkpoint.Options) []float32 {
				m := golden.OpenWith(t, path, o)
				if len(golden.From(m).Unused()) > 0 {
					t.Errorf("tensors that the network does not use: %v", golden.From(m).Unused())
				}
				return (&golden.Golden{Model: m}).Forward(t, m.NewPass(), m.NewState(), want.Tokens)
			}
			got := logits(dir, checkpoint.Options{})
			golden.NearRelative(t, "logits", got, want.Logits)
			plain := widened(t, dir)
			if !slices.Equal(got, logits(plain, checkpoint.Options{})) {
				t.Error("other logits than of the dequantized weights")
			}
			if !slices.Equal(logits(dir, checkpoint.Options{Weights: "q8_0"}), logits(plain, checkpoint.Options{Weights: "q8_0"})) {
				t.Error("other logits than of the dequantized weights, both rounded")
			}
			x, report := golden.Export(t, dir, "q4_0")
			y, _ := golden.Export(t, plain, "q4_0")
			if a, b := golden.Data(t, x), golden.Data(t, y); !slices.Equal(a, b) {
				t.Error("rounded, a file differs from one made from the dequantized weights")
			}
			if !slices.ContainsFunc(report, func(c model.Conversion) bool { return c.From == tensor.F8_E4M3 }) {
				t.Error("the report names no F8_E4M3")
			}
			a, err := checkpoint.OpenForTraining(dir)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, (&golden.Golden{Model: a}).Forward(t, a.NewPass(), a.NewState(), want.Tokens)) {
				t.Error("a model for training has other logits")
			}
		})
	}
}

// rebuilt copies a folder with those tensors that of makes of each of its own, and others, after a change to its settings.
func rebuilt(t *testing.T, dir string, of func(set *safetensors.Set, x tensor.Tensor) []safetensors.Entry, change func(settings map[string]any), others ...safetensors.Entry) string {
	t.Helper()
	set, err := safetensors.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	for _, name := range set.Names() {
		x, err := set.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		others = append(others, of(set, x)...)
	}
	out := t.TempDir()
	if err := safetensors.WriteFile(filepath.Join(out, "model.safetensors"), others, nil); err != nil {
		t.Fatal(err)
	}
	settings := testutil.JSON[map[string]any](t, filepath.Join(dir, "config.json"))
	if change != nil {
		change(settings)
	}
	b, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	golden.Put(t, out, "config.json", b)
	return out
}

// widened copies a folder with its matrices of eight bits as float32, by a plain evaluation of what their scales mean.
func widened(t *testing.T, dir string) string {
	t.Helper()
	return rebuilt(t, dir, func(set *safetensors.Set, x tensor.Tensor) []safetensors.Entry {
		if strings.Contains(x.Name, "_scale") {
			return nil
		}
		v := make([]float32, x.Numel())
		quant.Dequantize(v, x.DType, x.Data)
		for _, suffix := range []string{"_scale_inv", "_scale"} {
			s, err := set.Tensor(x.Name + suffix)
			if err != nil {
				continue
			}
			scale := make([]float32, s.Numel())
			quant.Dequantize(scale, s.DType, s.Data)
			n, k, rows, columns := x.Shape[0], x.Shape[1], s.Shape[0], 1
			if len(s.Shape) == 2 {
				columns = s.Shape[1]
			}
			for i := range v {
				v[i] *= scale[i/k*rows/n*columns+i%k*columns/k]
				if s.DType == tensor.BF16 && suffix == "_scale" {
					b := make([]byte, 2)
					if err := quant.Quantize(b, tensor.BF16, v[i:i+1]); err != nil {
						t.Fatal(err)
					}
					quant.Dequantize(v[i:i+1], tensor.BF16, b)
				}
			}
		}
		return []safetensors.Entry{safetensors.Of(tensor.FromFloat32s(x.Name, v, x.Shape...))}
	}, func(settings map[string]any) { delete(settings, "quantization_config") })
}

// TestFP8Plain reads eight-bit floats without scales as what they are, both kinds.
func TestFP8Plain(t *testing.T) {
	for _, d := range []tensor.DType{tensor.F8_E4M3, tensor.F8_E5M2} {
		dir := changed(t, "testdata/fp8/blocks", func(e *safetensors.Entry, x tensor.Tensor) bool {
			b := slices.Clone(x.Data)
			for i := range b {
				b[i] &= 0xB7 // below one
			}
			*e = safetensors.Of(tensor.Tensor{Name: x.Name, DType: d, Shape: x.Shape, Data: b})
			return !strings.HasSuffix(x.Name, "_scale_inv")
		})
		plain := widened(t, dir)
		ids := []int32{1, 2, 3, 4, 5, 6, 7}
		a, b := golden.OpenPrecision(t, dir, model.Exact), golden.OpenPrecision(t, plain, model.Exact)
		got := (&golden.Golden{Model: a}).Forward(t, a.NewPass(), a.NewState(), ids)
		if want := (&golden.Golden{Model: b}).Forward(t, b.NewPass(), b.NewState(), ids); !slices.Equal(got, want) {
			t.Errorf("%v: other logits than of the values as F32", d)
		}
	}
}

// changed copies a folder with its tensors of eight bits and their scales changed; those for which change returns false are
// left out.
func changed(t *testing.T, dir string, change func(e *safetensors.Entry, x tensor.Tensor) bool) string {
	t.Helper()
	return rebuilt(t, dir, func(_ *safetensors.Set, x tensor.Tensor) []safetensors.Entry {
		e := safetensors.Of(x)
		if (x.DType == tensor.F8_E4M3 || strings.Contains(x.Name, "_scale")) && !change(&e, x) {
			return nil
		}
		return []safetensors.Entry{e}
	}, nil)
}

// TestFP8Refusals names what cannot be read.
func TestFP8Refusals(t *testing.T) {
	const q = "model.layers.0.self_attn.q_proj.weight"
	for want, change := range map[string]func(e *safetensors.Entry, x tensor.Tensor) bool{
		q + "_scale_inv: scales [3 2] are no grid that divides " + q + " [32 32] evenly": func(e *safetensors.Entry, _ tensor.Tensor) bool {
			if e.Name == q+"_scale_inv" {
				*e = safetensors.Of(tensor.FromFloat32s(e.Name, make([]float32, 6), 3, 2))
			}
			return true
		},
		q + "_scale_inv: scales [2 2 1] are no grid": func(e *safetensors.Entry, _ tensor.Tensor) bool {
			if e.Name == q+"_scale_inv" {
				e.Shape = []int{2, 2, 1}
			}
			return true
		},
		q + "_scale_inv: scales [0 2] are no grid": func(e *safetensors.Entry, _ tensor.Tensor) bool {
			if e.Name == q+"_scale_inv" {
				*e = safetensors.Of(tensor.FromFloat32s(e.Name, nil, 0, 2))
			}
			return true
		},
		q + "_scale_inv: scales of type F8_E5M2 are not supported; F32, F16 and BF16 are": func(e *safetensors.Entry, _ tensor.Tensor) bool {
			if e.Name == q+"_scale_inv" {
				*e = safetensors.Of(tensor.Tensor{Name: e.Name, DType: tensor.F8_E5M2, Shape: []int{2, 2}, Data: make([]byte, 4)})
			}
			return true
		},
		q + "_zero_point: a zero point beside F8_E4M3 is not supported": func(e *safetensors.Entry, _ tensor.Tensor) bool {
			if e.Name == "model.layers.1.self_attn.q_proj.weight_scale_inv" {
				e.Name = q + "_zero_point"
			}
			return true
		},
	} {
		dir := changed(t, "testdata/fp8/blocks", change)
		if _, err := golden.OpenModel(dir, checkpoint.Options{}); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), dir) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	// Blocks of 24 divide the 32 rows in one and a half, and two halves are something else.
	dir := rebuilt(t, "testdata/fp8/blocks", func(_ *safetensors.Set, x tensor.Tensor) []safetensors.Entry {
		return []safetensors.Entry{safetensors.Of(x)}
	}, func(settings map[string]any) {
		settings["quantization_config"].(map[string]any)["weight_block_size"] = []int{24, 16}
	})
	if _, err := golden.OpenModel(dir, checkpoint.Options{}); err == nil || !strings.Contains(err.Error(), "_scale_inv: blocks of [24 16], as weight_block_size says, do not divide ") {
		t.Errorf("blocks that are not whole: %v", err)
	}
	err := quantize.Merge("testdata/fp8/blocks", adapterFor(t), filepath.Join(t.TempDir(), "merged"))
	if err == nil || !strings.Contains(err.Error(), "weights of type F8_E4M3 are only read; adapters are merged into models of F32, F16 or BF16") {
		t.Errorf("merge: %v", err)
	}
	if _, err := quantize.Export(context.Background(), "testdata/fp8/blocks", filepath.Join(t.TempDir(), "x.native"), quantize.ExportOptions{Native: true}); err == nil {
		t.Error("native layout without a type")
	}
}

// adapterFor writes an adapter of rank 1 for the first query projection of the models in testdata/fp8.
func adapterFor(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	golden.Put(t, dir, "adapter_config.json", []byte(`{"peft_type":"LORA","r":1,"lora_alpha":1,"target_modules":["q_proj"],"layers_to_transform":[0],"bias":"none","task_type":"CAUSAL_LM"}`))
	const name = "base_model.model.model.layers.0.self_attn.q_proj.lora_"
	a, b := make([]float32, 32), make([]float32, 32)
	a[3], b[4] = 1, 1
	if err := safetensors.WriteFile(filepath.Join(dir, "adapter_model.safetensors"), []safetensors.Entry{
		safetensors.Of(tensor.FromFloat32s(name+"A.weight", a, 1, 32)), safetensors.Of(tensor.FromFloat32s(name+"B.weight", b, 32, 1)),
	}, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestFP8Tied has a tied model whose only copy is an lm_head of eight bits: its scales go with it; and one with both, of
// the same bits with other scales, which are two matrices.
func TestFP8Tied(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	head := blocks.Random(r, tensor.F8_E4M3, 64*32, 1)
	for i := range head {
		head[i] &= 0xB7 // below one
	}
	matrix := func(name string, factor float32) []safetensors.Entry {
		scale := make([]float32, 8)
		for i := range scale {
			scale[i] = factor * float32(i+1)
		}
		return []safetensors.Entry{
			safetensors.Of(tensor.Tensor{Name: name, DType: tensor.F8_E4M3, Shape: []int{64, 32}, Data: head}),
			safetensors.Of(tensor.FromFloat32s(name+"_scale_inv", scale, 4, 2)),
		}
	}
	folder := func(more ...safetensors.Entry) string {
		return rebuilt(t, "testdata/fp8/blocks", func(_ *safetensors.Set, x tensor.Tensor) []safetensors.Entry {
			if strings.HasPrefix(x.Name, "model.layers") || x.Name == "model.norm.weight" {
				return []safetensors.Entry{safetensors.Of(x)}
			}
			return nil
		}, func(settings map[string]any) { settings["tie_word_embeddings"] = true }, more...)
	}
	for name, c := range map[string]struct {
		dir  string
		tied bool
	}{
		"head alone":   {folder(matrix("lm_head.weight", 0.5)...), true},
		"both":         {folder(append(matrix("lm_head.weight", 0.5), matrix("model.embed_tokens.weight", 0.5)...)...), true},
		"other scales": {folder(append(matrix("lm_head.weight", 0.5), matrix("model.embed_tokens.weight", 0.25)...)...), false},
	} {
		a, b := golden.OpenPrecision(t, c.dir, model.Exact), golden.OpenPrecision(t, widened(t, c.dir), model.Exact)
		if a.Config.TieWordEmbeddings != c.tied || b.Config.TieWordEmbeddings != c.tied || len(golden.From(a).Unused()) > 0 {
			t.Errorf("%s: tied %v, unused %v", name, a.Config.TieWordEmbeddings, golden.From(a).Unused())
		}
		ids := []int32{1, 2, 3, 63}
		got := (&golden.Golden{Model: a}).Forward(t, a.NewPass(), a.NewState(), ids)
		if want := (&golden.Golden{Model: b}).Forward(t, b.NewPass(), b.NewState(), ids); !slices.Equal(got, want) {
			t.Errorf("%s: other logits than of the dequantized weights", name)
		}
	}
}
