package model_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"jamba/internal/testutil"
	"jamba/model"
	"jamba/tensor"
)

// TestFast runs quantized copies of reference models, those whose rows are whole blocks in the main, and asserts of the
// fast pass what holds for the exact one: the same bits however a sequence is cut, and beside whatever others. Its
// results may differ from the exact pass's on the same weights by what rounding activations to 16 bits costs.
func TestFast(t *testing.T) {
	for _, name := range []string{"jamba-v01-mini", "jamba-attn-moe-sharded", "mixtral-tiny", "jamba-pure-mamba"} {
		for _, d := range []tensor.DType{tensor.Q8_0, tensor.Q4_0, tensor.Q4_1, tensor.Q5_0, tensor.Q5_1} {
			t.Run(name+"/"+d.String(), func(t *testing.T) {
				dir := testutil.Golden("models", name)
				g := openGolden(t, dir)
				path := convert(t, g, dir, d)
				exact := openPrecision(t, path, model.Exact)
				fast := openPrecision(t, path, model.Fast)

				want := (&golden{model: exact}).forward(t, exact.NewPass(), exact.NewState(), g.ids)
				f := &golden{model: fast}
				p := fast.NewPass()
				got := f.forward(t, p, fast.NewState(), g.ids)
				mean := 0.0
				for i := range got {
					mean += math.Abs(float64(got[i]-want[i])) / float64(len(got))
				}
				// Logits have a standard deviation of 2. A choice of another expert may move single ones far.
				if mean > 1e-3 {
					t.Errorf("mean abs difference to the exact pass %.3g", mean)
				}

				for _, chunks := range [][]int{slices.Repeat([]int{1}, 24), slices.Repeat([]int{3}, 8), slices.Repeat([]int{7}, 4), {9, 1, 14}} {
					if !slices.Equal(got, f.forward(t, p, fast.NewState(), g.ids, chunks...)) {
						t.Errorf("chunks %v give other bits", chunks)
					}
				}
				both, err := p.Forward(context.Background(),
					model.Span{State: fast.NewState(), Tokens: g.ids[5:], Want: model.AllLogits},
					model.Span{State: fast.NewState(), Tokens: g.ids, Want: model.AllLogits})
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got, both[len(both)-len(got):]) {
					t.Error("beside another sequence the bits differ")
				}
			})
		}
	}
}

func openPrecision(t *testing.T, path string, p model.Precision) *model.Model {
	t.Helper()
	m, err := model.OpenWith(path, model.Options{Precision: p})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}
