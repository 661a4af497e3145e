package checkpoint_test

import (
	"strings"
	"testing"

	"jamba/checkpoint"
	"jamba/internal/testutil"
	"jamba/internal/testutil/golden"
	"jamba/model"
	"jamba/quantize/recipe"
	"jamba/tensor"
)

// TestWeights rounds a checkpoint's weights while loading and compares with a file that holds them rounded.
func TestWeights(t *testing.T) {
	dir := testutil.Golden("models", "jamba-v01-mini")
	g := golden.Open(t, dir)
	for recipe, d := range map[recipe.Recipe]tensor.DType{"q8_0": tensor.Q8_0, "q4_0": tensor.Q4_0} {
		m, err := golden.OpenModel(dir, checkpoint.Options{Weights: recipe})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		types := map[tensor.DType]int{}
		var all, kept int64
		for _, c := range m.Rounded() {
			if all += c.Before; c.To == c.From {
				kept += c.Before
			}
			types[c.To]++
			if c.From != tensor.F32 || c.Kept || (c.To != c.From) != (c.After < c.Before) || (c.To == d) != (c.Note == "") {
				t.Errorf("%s: %+v", recipe, c)
			}
		}
		if types[d] == 0 || types[tensor.F32] == 0 {
			t.Errorf("%s: %v", recipe, types)
		}
		if m.InPlace() != kept || g.Model.InPlace() != all {
			t.Errorf("%s: %d bytes are used in place, want %d; as they are %d of %d", recipe, m.InPlace(), kept, g.Model.InPlace(), all)
		}
		file := golden.OpenPrecision(t, golden.Convert(t, g, dir, d), model.Exact)
		if got, want := m.Sizes().Total().Bytes, file.Sizes().Total().Bytes; got >= g.Model.Sizes().Total().Bytes || got < want {
			t.Errorf("%s: %d bytes, in a file %d", recipe, got, want)
		}
		got := (&golden.Golden{Model: m}).Forward(t, m.NewPass(), m.NewState(), g.IDs)
		want := (&golden.Golden{Model: file}).Forward(t, file.NewPass(), file.NewState(), g.IDs)
		// The file's embedding is rounded, too.
		if limit := map[tensor.DType]float64{tensor.Q8_0: 0.05, tensor.Q4_0: 1}[d]; golden.MeanDiff(got, want) > limit {
			t.Errorf("%s: mean abs difference %.3g to a file's", recipe, golden.MeanDiff(got, want))
		}
	}
	again, err := golden.OpenModel(golden.Convert(t, g, dir, tensor.Q4_0), checkpoint.Options{Weights: "q8_0"})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	kept := 0
	for _, c := range again.Rounded() {
		if c.Kept {
			kept++
		}
		if c.Kept != (c.From == tensor.Q4_0) || c.Kept && (c.To != tensor.Q4_0 || c.Note != "quantized already") {
			t.Errorf("rounded before: %+v", c)
		}
	}
	if kept == 0 {
		t.Error("no weight was rounded before")
	}
	if _, err := golden.OpenModel(dir, checkpoint.Options{Weights: "iq2_xs"}); err == nil || !strings.Contains(err.Error(), "q4_k_m") {
		t.Errorf("iq2_xs: %v", err)
	}
}

// TestInt8 expects all large matrices in 8 bits with a scale a row that fit, and logits near the reference's.
func TestInt8(t *testing.T) {
	dir := testutil.Golden("models", "jamba-v01-mini")
	g := golden.Open(t, dir)
	want, _ := g.Tensors.Floats("logits")
	var exact []float32
	for _, p := range []model.Precision{model.Exact, model.Fast} {
		m, err := golden.OpenModel(dir, checkpoint.Options{Weights: recipe.Int8, Precision: p})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		for _, c := range m.Rounded() {
			want := tensor.INT8
			switch {
			case c.Shape[1]%32 != 0:
				want = c.From
			case c.Note == "more bits for the output and the embedding":
				want = tensor.Q8_0
			}
			if c.To != want {
				t.Errorf("%+v", c)
			}
		}
		got := (&golden.Golden{Model: m}).Forward(t, m.NewPass(), m.NewState(), g.IDs)
		if d := golden.MeanDiff(got, want); d == 0 || d > 0.08 {
			t.Errorf("%v: mean abs difference %.3g to the reference", p, d)
		}
		if p == model.Exact {
			exact = got
		} else if d := golden.MeanDiff(got, exact); d > 0.02 {
			t.Errorf("the fast pass: mean abs difference %.3g", d)
		}
	}
}

// TestExpertsInt8 expects experts and MLPs in 8 bits with a scale a row, other large matrices in bfloat16, and logits near the
// reference's.
func TestExpertsInt8(t *testing.T) {
	// The experts of the other folders have rows that are no multiple of 32.
	dir := testutil.Golden("models", "jamba-v01-mini")
	g := golden.Open(t, dir)
	m, err := golden.OpenModel(dir, checkpoint.Options{Weights: recipe.ExpertsInt8})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	experts, mlps := 0, 0
	for _, c := range m.Rounded() {
		want, note := tensor.BF16, "no MLP"
		if strings.Contains(c.Name, "feed_forward.") {
			if want, note = tensor.INT8, ""; c.Shape[1] == 56 {
				want, note = tensor.BF16, "rows of 56 are no multiple of 32"
			}
			if strings.Contains(c.Name, "experts.") {
				experts++
			} else {
				mlps++
			}
		}
		if c.To != want || c.Note != note {
			t.Errorf("%+v, want %v", c, want)
		}
	}
	if experts != 4*4*3 || mlps != 4*3 {
		t.Errorf("%d matrices of experts and %d of MLPs, want 48 and 12", experts, mlps)
	}
	got := (&golden.Golden{Model: m}).Forward(t, m.NewPass(), m.NewState(), g.IDs)
	want, _ := g.Tensors.Floats("logits")
	if d := golden.MeanDiff(got, want); d == 0 || d > 0.05 {
		t.Errorf("mean abs difference %.3g to the reference", d)
	}
	fast, err := golden.OpenModel(dir, checkpoint.Options{Weights: recipe.ExpertsInt8, Precision: model.Fast})
	if err != nil {
		t.Fatal(err)
	}
	defer fast.Close()
	if d := golden.MeanDiff((&golden.Golden{Model: fast}).Forward(t, fast.NewPass(), fast.NewState(), g.IDs), got); d > 0.02 {
		t.Errorf("the fast pass: mean abs difference %.3g", d)
	}
}
