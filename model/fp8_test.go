package model_test

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
	"jamba/internal/testutil/blocks"
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
				m := openWith(t, path, o)
				if len(from(m).Unused()) > 0 {
					t.Errorf("tensors that the network does not use: %v", from(m).Unused())
				}
				return (&golden{model: m}).forward(t, m.NewPass(), m.NewState(), want.Tokens)
			}
			got := logits(dir, checkpoint.Options{})
			nearRelative(t, "logits", got, want.Logits)
			plain := widened(t, dir)
			if !slices.Equal(got, logits(plain, checkpoint.Options{})) {
				t.Error("other logits than of the dequantized weights")
			}
			if !slices.Equal(logits(dir, checkpoint.Options{Weights: "q8_0"}), logits(plain, checkpoint.Options{Weights: "q8_0"})) {
				t.Error("other logits than of the dequantized weights, both rounded")
			}
			x, report := export(t, dir, "q4_0")
			y, _ := export(t, plain, "q4_0")
			if a, b := data(t, x), data(t, y); !slices.Equal(a, b) {
				t.Error("rounded, a file differs from one made from the dequantized weights")
			}
			if !slices.ContainsFunc(report, func(c model.Conversion) bool { return c.From == tensor.F8_E4M3 }) {
				t.Error("the report names no F8_E4M3")
			}
			a, err := checkpoint.OpenForTraining(dir)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, (&golden{model: a}).forward(t, a.NewPass(), a.NewState(), want.Tokens)) {
				t.Error("a model for training has other logits")
			}
		})
	}
}

// widened copies a folder with its matrices of eight bits as float32, by a plain evaluation of what their scales mean.
func widened(t *testing.T, dir string) string {
	t.Helper()
	set, err := safetensors.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	var entries []safetensors.Entry
	for _, name := range set.Names() {
		x, err := set.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		v := make([]float32, x.Numel())
		quant.Dequantize(v, x.DType, x.Data)
		for _, suffix := range []string{"_scale_inv", "_scale"} {
			s, err := set.Tensor(name + suffix)
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
		if !strings.Contains(name, "_scale") {
			entries = append(entries, safetensors.Of(tensor.FromFloat32s(name, v, x.Shape...)))
		}
	}
	out := t.TempDir()
	if err := safetensors.WriteFile(filepath.Join(out, "model.safetensors"), entries, nil); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	var settings map[string]any
	if err := json.Unmarshal(config, &settings); err != nil {
		t.Fatal(err)
	}
	delete(settings, "quantization_config")
	if config, err = json.Marshal(settings); err != nil {
		t.Fatal(err)
	}
	put(t, out, "config.json", config)
	return out
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
		a, b := openPrecision(t, dir, model.Exact), openPrecision(t, plain, model.Exact)
		got := (&golden{model: a}).forward(t, a.NewPass(), a.NewState(), ids)
		if want := (&golden{model: b}).forward(t, b.NewPass(), b.NewState(), ids); !slices.Equal(got, want) {
			t.Errorf("%v: other logits than of the values as F32", d)
		}
	}
}

// changed copies a folder with its tensors of eight bits and their scales changed; those for which change returns false are
// left out.
func changed(t *testing.T, dir string, change func(e *safetensors.Entry, x tensor.Tensor) bool) string {
	t.Helper()
	set, err := safetensors.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	var entries []safetensors.Entry
	for _, name := range set.Names() {
		x, err := set.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		e := safetensors.Of(x)
		if (x.DType == tensor.F8_E4M3 || strings.Contains(name, "_scale")) && !change(&e, x) {
			continue
		}
		entries = append(entries, e)
	}
	out := t.TempDir()
	if err := safetensors.WriteFile(filepath.Join(out, "model.safetensors"), entries, nil); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, out, "config.json", config)
	return out
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
		if _, err := openModel(dir, checkpoint.Options{}); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), dir) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	// Blocks of 24 divide the 32 rows in one and a half, and two halves are something else.
	dir := changed(t, "testdata/fp8/blocks", func(*safetensors.Entry, tensor.Tensor) bool { return true })
	config := filepath.Join(dir, "config.json")
	b, err := os.ReadFile(config)
	if err == nil {
		var all map[string]any
		if err = json.Unmarshal(b, &all); err == nil {
			all["quantization_config"].(map[string]any)["weight_block_size"] = []int{24, 16}
			if b, err = json.Marshal(all); err == nil {
				err = os.WriteFile(config, b, 0o600)
			}
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openModel(dir, checkpoint.Options{}); err == nil || !strings.Contains(err.Error(), "_scale_inv: blocks of [24 16], as weight_block_size says, do not divide ") {
		t.Errorf("blocks that are not whole: %v", err)
	}
	err = quantize.Merge("testdata/fp8/blocks", adapterFor(t), filepath.Join(t.TempDir(), "merged"))
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
	put(t, dir, "adapter_config.json", []byte(`{"peft_type":"LORA","r":1,"lora_alpha":1,"target_modules":["q_proj"],"layers_to_transform":[0],"bias":"none","task_type":"CAUSAL_LM"}`))
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
	set, err := safetensors.OpenDir("testdata/fp8/blocks")
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	folder := func(more ...safetensors.Entry) string {
		for _, name := range set.Names() {
			x, err := set.Tensor(name)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(name, "model.layers") || name == "model.norm.weight" {
				more = append(more, safetensors.Of(x))
			}
		}
		dir := t.TempDir()
		if err := safetensors.WriteFile(filepath.Join(dir, "model.safetensors"), more, nil); err != nil {
			t.Fatal(err)
		}
		config, err := os.ReadFile("testdata/fp8/blocks/config.json")
		if err != nil {
			t.Fatal(err)
		}
		put(t, dir, "config.json", []byte(strings.Replace(string(config), `"tie_word_embeddings": false`, `"tie_word_embeddings": true`, 1)))
		return dir
	}
	for name, c := range map[string]struct {
		dir  string
		tied bool
	}{
		"head alone":   {folder(matrix("lm_head.weight", 0.5)...), true},
		"both":         {folder(append(matrix("lm_head.weight", 0.5), matrix("model.embed_tokens.weight", 0.5)...)...), true},
		"other scales": {folder(append(matrix("lm_head.weight", 0.5), matrix("model.embed_tokens.weight", 0.25)...)...), false},
	} {
		a, b := openPrecision(t, c.dir, model.Exact), openPrecision(t, widened(t, c.dir), model.Exact)
		if a.Config.TieWordEmbeddings != c.tied || b.Config.TieWordEmbeddings != c.tied || len(from(a).Unused()) > 0 {
			t.Errorf("%s: tied %v, unused %v", name, a.Config.TieWordEmbeddings, from(a).Unused())
		}
		ids := []int32{1, 2, 3, 63}
		got := (&golden{model: a}).forward(t, a.NewPass(), a.NewState(), ids)
		if want := (&golden{model: b}).forward(t, b.NewPass(), b.NewState(), ids); !slices.Equal(got, want) {
			t.Errorf("%s: other logits than of the dequantized weights", name)
		}
	}
}
