package testutil

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jamba/format/safetensors"
)

// AdapterVariants are adapters with what PEFT computes with them; see testdata/field/adapters/make.py.
type AdapterVariants struct {
	IDs  []int32
	Step struct {
		LR          float64
		Betas       [2]float64
		Eps         float64
		WeightDecay float64 `json:"weight_decay"`
	}
	Variants []AdapterVariant

	values Tensors
}

// AdapterVariant is one of them.
type AdapterVariant struct {
	Name, Base string
	Config     map[string]any
	Tensors    map[string]string
	Loss, Aux  float64 // of the training step; 0: none
}

// Adapters reads the variants.
func Adapters(t testing.TB) *AdapterVariants {
	t.Helper()
	dir := Path("field", "adapters")
	a := JSON[AdapterVariants](t, filepath.Join(dir, "variants.json"))
	a.values = OpenTensors(t, filepath.Join(dir, "tensors.safetensors"))
	return &a
}

// BaseOf returns the folder of a variant's model.
func (a *AdapterVariants) BaseOf(v AdapterVariant) string {
	if at, ok := map[string]string{"jamba": "A06/model", "llama": "A07/model"}[v.Base]; ok {
		return Path("field", at)
	}
	return Path("field", "adapters", v.Base)
}

// Floats returns one of a variant's values; nil: there is none.
func (a *AdapterVariants) Floats(v AdapterVariant, name string) []float32 {
	if v.Tensors[name] == "" {
		return nil
	}
	f, _ := a.values.Floats(v.Tensors[name])
	return f
}

// Write writes a variant's adapter into a new folder.
func (a *AdapterVariants) Write(t testing.TB, v AdapterVariant) string {
	t.Helper()
	dir := t.TempDir()
	config, err := json.Marshal(v.Config)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "adapter_config.json"), config, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	var entries []safetensors.Entry
	for name, key := range v.Tensors {
		if name, ok := strings.CutPrefix(name, "t/"); ok {
			x, err := a.values.file.Tensor(key)
			if err != nil {
				t.Fatal(err)
			}
			x.Name = name
			entries = append(entries, safetensors.Of(x))
		}
	}
	if err := safetensors.WriteFile(filepath.Join(dir, "adapter_model.safetensors"), entries, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}
