package model_test

import (
	"path/filepath"
	"slices"
	"testing"

	"jamba/format/gguf"
	"jamba/internal/testutil"
	"jamba/model"
	"jamba/tensor"
)

// Divisors of rotary frequencies in the file of a network without rotary embedding are a tensor that is not used, and told.
func TestRopeFactorsWithoutRope(t *testing.T) {
	goldens(t, func(t *testing.T, g *golden) {
		attention := slices.IndexFunc(g.model.Config.Layers, func(l model.Layer) bool { return l.Attention != nil })
		if g.name == "jamba-odd-tied" || g.name == "jamba-v01-mini-bf16" || g.name == "mistral-window" || attention >= 0 && g.model.Config.Layers[attention].Attention.RoPE != nil {
			t.Skip("has rotary embedding, or GGUF has none of it")
		}
		dir := testutil.Golden("models", g.name)
		if g.name == "model" {
			dir = testutil.Golden("e2e", "model")
		}
		f, err := gguf.Open(convert(t, g, dir))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var all []gguf.Source
		for _, info := range f.Tensors() {
			x, err := f.Tensor(info.Name)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, gguf.FromTensor(x))
		}
		all = append(all, gguf.FromTensor(tensor.FromFloat32s("rope_freqs.weight", []float32{1, 2}, 2)))
		path := filepath.Join(t.TempDir(), "model.gguf")
		if err := gguf.WriteFile(path, f.Metadata, all); err != nil {
			t.Fatal(err)
		}
		m, err := model.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if !slices.Equal(m.Unused, []string{"rope_freqs.weight"}) {
			t.Errorf("unused tensors %v", m.Unused)
		}
	})
}
