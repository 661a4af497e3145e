package checkpoint_test

import (
	"path/filepath"
	"slices"
	"testing"

	"jamba/format/gguf"
	"jamba/internal/testutil/golden"
	"jamba/model"
	"jamba/tensor"
)

// Divisors of rotary frequencies in the file of a network without rotary embedding are a tensor that is not used, and told.
func TestRopeFactorsWithoutRope(t *testing.T) {
	golden.Each(t, func(t *testing.T, g *golden.Golden) {
		attention := slices.IndexFunc(g.Model.Config.Layers, func(l model.Layer) bool { return l.Attention != nil })
		if g.Name == "jamba-odd-tied" || g.Name == "jamba-v01-mini-bf16" || g.Name == "mistral-window" || attention >= 0 && g.Model.Config.Layers[attention].Attention.RoPE != nil {
			t.Skip("has rotary embedding, or GGUF has none of it")
		}
		f, err := gguf.Open(golden.Convert(t, g, golden.Dir(g.Name)))
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
		if unused := golden.From(golden.OpenPrecision(t, path, model.Exact)).Unused(); !slices.Equal(unused, []string{"rope_freqs.weight"}) {
			t.Errorf("unused tensors %v", unused)
		}
	})
}
