// Package golden is the reference models for tests, and what is made of them.
package golden

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"jamba/checkpoint"
	"jamba/internal/testutil"
	"jamba/model"
	"jamba/model/state"
)

// tolerance is what testdata/goldens/models/README.md calls good for float32 logits of standard deviation 2.
const tolerance = 5e-5

// Golden is one reference model with what the reference computes.
type Golden struct {
	Name    string
	Path    string // of the reference's outputs, in the checkpoint's folder
	Model   *model.Model
	Tensors testutil.Tensors
	IDs     []int32
	Vocab   int
	Info    struct {
		Prefill int
		Forward struct{ Greedy []int32 }
	}
}

// Each runs f on every reference model.
func Each(t *testing.T, f func(t *testing.T, g *Golden)) {
	dirs := []string{testutil.Golden("e2e", "model")}
	entries, err := os.ReadDir(testutil.Golden("models"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			dirs = append(dirs, testutil.Golden("models", e.Name()))
		}
	}
	if len(dirs) != 14 {
		t.Fatalf("found %d reference models, want 14", len(dirs))
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			f(t, Open(t, dir))
		})
	}
}

// Open opens the reference model in a folder until the test ends.
func Open(t *testing.T, dir string) *Golden {
	t.Helper()
	m, err := OpenModel(dir, checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	if len(From(m).Unused()) > 0 {
		t.Errorf("tensors that the network does not use: %v", From(m).Unused())
	}
	g := &Golden{Name: filepath.Base(dir), Path: filepath.Join(dir, "golden.safetensors"), Model: m, Vocab: m.Config.VocabSize}
	g.Tensors = testutil.OpenTensors(t, g.Path)
	g.IDs, _ = g.Tensors.Ints("input_ids")
	g.Info = testutil.JSON[struct {
		Prefill int
		Forward struct{ Greedy []int32 }
	}](t, filepath.Join(dir, "golden.json"))
	return g
}

// Forward appends ids to s, in chunks of the given lengths and the rest at once, and returns all logits.
func (g *Golden) Forward(t *testing.T, p *model.Pass, s *state.State, ids []int32, chunks ...int) []float32 {
	t.Helper()
	var all []float32
	for len(ids) > 0 {
		n := len(ids)
		if len(chunks) > 0 {
			n, chunks = min(n, chunks[0]), chunks[1:]
		}
		logits, err := p.Logits(context.Background(), model.Span{State: s, Tokens: ids[:n], Want: model.AllLogits})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, logits...)
		ids = ids[n:]
	}
	return all
}

// Near compares with the reference.
func (g *Golden) Near(t *testing.T, what string, got, want []float32) {
	t.Helper()
	tol := tolerance
	if g.Name == "mamba-tiny" {
		tol = 2e-4 // its hidden states reach 300; this is what the README calls comfortable
	}
	if d := testutil.MaxDiff(t, got, want); !(d <= tol) {
		t.Errorf("%s: max abs difference %.2g, want at most %.2g", what, d, tol)
	}
}

// NearRelative allows a share of the largest value, for hidden states that grow large.
func NearRelative(t *testing.T, what string, got, want []float32) {
	t.Helper()
	top := 1.0
	for _, v := range want {
		top = max(top, math.Abs(float64(v)))
	}
	if d := testutil.MaxDiff(t, got, want); !(d <= tolerance*top) {
		t.Errorf("%s: max abs difference %.2g of values up to %.3g", what, d, top)
	}
}

// Dir returns the folder of the reference model of that name.
func Dir(name string) string {
	if name == "model" {
		return testutil.Golden("e2e", "model")
	}
	return testutil.Golden("models", name)
}

// MeanDiff returns the mean absolute difference.
func MeanDiff(a, b []float32) float64 {
	mean := 0.0
	for i := range a {
		mean += math.Abs(float64(a[i]-b[i])) / float64(len(a))
	}
	return mean
}
