package checkpoint_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/checkpoint"
	"jamba/format/gguf"
	"jamba/format/safetensors"
	"jamba/internal/testutil"
	"jamba/internal/testutil/golden"
	"jamba/model"
	"jamba/quantize"
	"jamba/tensor"
)

// TestBiasesOneByOne takes biases out of GGUF files in many ways, and expects the logits of a folder with zeros for them.
func TestBiasesOneByOne(t *testing.T) {
	const layers = 2
	parts := map[string]int{ // by GGUF's names, with their lengths
		"attn_q": 16, "attn_k": 8, "attn_v": 8, "attn_output": 16, "ffn_gate": 12, "ffn_up": 12, "ffn_down": 16,
	}
	hf := map[string]string{
		"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
		"ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
	}
	r := rand.New(rand.NewPCG(3, 1))
	values := map[string][]float32{}
	for i := range layers {
		for _, part := range slices.Sorted(maps.Keys(parts)) {
			v := make([]float32, parts[part])
			for j := range v {
				v[j] = float32(r.NormFloat64())
			}
			values[fmt.Sprintf("blk.%d.%s.bias", i, part)] = v
		}
	}
	folder := func(keep map[string]bool) string {
		f, err := safetensors.Open(testutil.Path("field", "settings", "llama.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		var entries []safetensors.Entry
		for _, name := range f.Names() {
			if s, err := f.Tensor(name); err != nil {
				t.Fatal(err)
			} else if !strings.HasPrefix(name, "spare.") {
				entries = append(entries, safetensors.Of(s))
			}
		}
		for i := range layers {
			for part, n := range parts {
				v := make([]float32, n)
				if name := fmt.Sprintf("blk.%d.%s.bias", i, part); keep[name] {
					v = values[name]
				}
				entries = append(entries, safetensors.Of(tensor.FromFloat32s(fmt.Sprintf("model.layers.%d.%s.bias", i, hf[part]), v, n)))
			}
		}
		dir := t.TempDir()
		if err := safetensors.WriteDir(dir, entries, 0); err != nil {
			t.Fatal(err)
		}
		config := map[string]any{}
		all := testutil.JSON[struct{ Cases []settingsCase }](t, testutil.Path("field", "settings", "settings.json"))
		if err := json.Unmarshal(all.Cases[0].Config, &config); err != nil {
			t.Fatal(err)
		}
		config["attention_bias"], config["mlp_bias"] = true, true
		b, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		golden.Put(t, dir, "config.json", b)
		return dir
	}
	logits := func(path string) []float32 {
		m, err := golden.OpenModel(path, checkpoint.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if len(golden.From(m).Warnings())+len(golden.From(m).Unused()) > 0 {
			t.Errorf("%s: warnings %q, unused %q", path, golden.From(m).Warnings(), golden.From(m).Unused())
		}
		v, err := m.NewPass().Logits(context.Background(), model.Span{State: m.NewState(), Tokens: []int32{1, 5, 9, 3, 6, 2}, Want: model.AllLogits})
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(v)
	}
	all := map[string]bool{}
	for name := range values {
		all[name] = true
	}
	full, _ := golden.Export(t, folder(all), "f32")
	names := slices.Sorted(maps.Keys(values))
	for round := range 24 {
		keep := map[string]bool{}
		for i, name := range names {
			// Each alone at first, then any.
			keep[name] = round < len(names) && i == round || round >= len(names) && r.IntN(2) == 0
		}
		path := rewrite(t, full, func(f *nativeFile) {
			f.tensors = slices.DeleteFunc(f.tensors, func(s gguf.Source) bool { return strings.HasSuffix(s.Name, ".bias") && !keep[s.Name] })
		})
		got, want := logits(path), logits(folder(keep))
		if d := testutil.MaxDiff(t, got, want); !(d < 1e-5) {
			t.Errorf("with %v: logits off by %v", keep, d)
		}
	}
	// Where there is no place for a bias, the file is refused.
	path := rewrite(t, full, func(f *nativeFile) {
		f.tensors = append(f.tensors, gguf.FromTensor(tensor.FromFloat32s("output.bias", make([]float32, 24), 24)))
	})
	if _, err := golden.OpenModel(path, checkpoint.Options{}); err == nil || !strings.Contains(err.Error(), "output.bias: this architecture's network has no place for it") {
		t.Errorf("output.bias: %v", err)
	}
}

// TestWindowsPerLayer writes a Mistral whose layers have different windows as a folder, which reads the same, and as GGUF,
// which has no way to say so.
func TestWindowsPerLayer(t *testing.T) {
	all := testutil.JSON[struct{ Cases []settingsCase }](t, testutil.Path("field", "settings", "settings.json"))
	i := slices.IndexFunc(all.Cases, func(c settingsCase) bool { return c.Name == "mistral: sliding, then full" })
	dir := all.Cases[i].folder(t)
	m, err := golden.OpenModel(dir, checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	b, err := checkpoint.WriteConfig(&m.Config, tensor.F32)
	if err != nil || !strings.Contains(string(b), "layer_types") {
		t.Errorf("%v: %s", err, b)
	}
	_, err = quantize.Export(context.Background(), dir, filepath.Join(t.TempDir(), "x.gguf"), quantize.ExportOptions{Recipe: "f32"})
	if err == nil || !strings.Contains(err.Error(), "layer_types") {
		t.Errorf("as GGUF: %v", err)
	}
}
