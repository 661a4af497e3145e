package model_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"jamba/checkpoint"
	"jamba/internal/testutil"
	"jamba/internal/testutil/golden"
	"jamba/model"
	"jamba/tensor"
)

// TestFast runs quantized copies of reference models, those whose rows are whole blocks in the main, and asserts of the
// fast pass what holds for the exact one: the same bits however a sequence is cut, and beside whatever others. Its
// results may differ from the exact pass's on the same weights by what rounding activations to 16 bits costs, and keys
// and values to 16 or to 8.
func TestFast(t *testing.T) {
	for _, name := range []string{"jamba-v01-mini", "jamba-attn-moe-sharded", "mixtral-tiny", "jamba-pure-mamba"} {
		for _, d := range []tensor.DType{tensor.Q8_0, tensor.Q4_0, tensor.Q4_1, tensor.Q5_0, tensor.Q5_1} {
			dir := testutil.Golden("models", name)
			g := golden.Open(t, dir)
			path := golden.Convert(t, g, dir, d)
			exact := golden.OpenPrecision(t, path, model.Exact)
			want := (&golden.Golden{Model: exact}).Forward(t, exact.NewPass(), exact.NewState(), g.IDs)
			t.Run(name+"/"+d.String(), func(t *testing.T) {
				// Logits have a standard deviation of 2. A choice of another expert may move single ones far.
				fast(t, golden.OpenWith(t, path, checkpoint.Options{Precision: model.Fast}), g.IDs, want, 1e-3)
			})
			if d == tensor.Q8_0 {
				t.Run(name+"/"+d.String()+"/K and V in Q8_0", func(t *testing.T) {
					fast(t, golden.OpenWith(t, path, checkpoint.Options{Precision: model.Fast, KV: tensor.Q8_0}), g.IDs, want, keysTolerance)
				})
			}
		}
	}
}

// keysTolerance is what 8-bit keys and values, a 254th part of the largest of 32 off at most, may move logits on average.
const keysTolerance = 1e-2

// fast asserts that m's logits are near those wanted, and the same bits however ids are cut.
func fast(t *testing.T, m *model.Model, ids []int32, want []float32, tolerance float64) {
	f, p := &golden.Golden{Model: m}, m.NewPass()
	got := f.Forward(t, p, m.NewState(), ids)
	mean := 0.0
	for i := range got {
		mean += math.Abs(float64(got[i]-want[i])) / float64(len(got))
	}
	if mean > tolerance {
		t.Errorf("mean abs difference to the exact pass %.3g", mean)
	}
	for _, chunks := range [][]int{slices.Repeat([]int{1}, 24), slices.Repeat([]int{3}, 8), slices.Repeat([]int{7}, 4), {9, 1, 14}} {
		if !slices.Equal(got, f.Forward(t, p, m.NewState(), ids, chunks...)) {
			t.Errorf("chunks %v give other bits", chunks)
		}
	}
	both, err := p.Logits(context.Background(),
		model.Span{State: m.NewState(), Tokens: ids[5:], Want: model.AllLogits},
		model.Span{State: m.NewState(), Tokens: ids, Want: model.AllLogits})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, both[len(both)-len(got):]) {
		t.Error("beside another sequence the bits differ")
	}
}
