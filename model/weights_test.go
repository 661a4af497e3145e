package model_test

import (
	"math"
	"testing"

	"jamba/internal/testutil"
	"jamba/model"
	"jamba/tensor"
)

// TestWeights rounds a checkpoint's weights while loading and compares with a file that holds them rounded.
func TestWeights(t *testing.T) {
	dir := testutil.Golden("models", "jamba-v01-mini")
	g := openGolden(t, dir)
	for _, d := range []tensor.DType{tensor.Q8_0, tensor.Q4_0} {
		m, err := model.OpenWith(dir, model.Options{Weights: d})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if q := m.Quantized; q.Matrices == 0 || q.Kept == 0 || q.After >= q.Before {
			t.Errorf("%v: %+v", d, q)
		}
		file := openPrecision(t, convert(t, g, dir, d), model.Exact)
		if got, want := m.Sizes.Total().Bytes, file.Sizes.Total().Bytes; got >= g.model.Sizes.Total().Bytes || got < want {
			t.Errorf("%v: %d bytes, in a file %d", d, got, want)
		}
		got := (&golden{model: m}).forward(t, m.NewPass(), m.NewState(), g.ids)
		want := (&golden{model: file}).forward(t, file.NewPass(), file.NewState(), g.ids)
		// The file's embedding is rounded, too.
		mean := 0.0
		for i := range got {
			mean += math.Abs(float64(got[i]-want[i])) / float64(len(got))
		}
		if limit := map[tensor.DType]float64{tensor.Q8_0: 0.05, tensor.Q4_0: 1}[d]; mean > limit {
			t.Errorf("%v: mean abs difference %.3g to a file's", d, mean)
		}
	}
	if _, err := model.OpenWith(dir, model.Options{Weights: tensor.Q4_K}); err == nil {
		t.Error("Q4_K, which cannot be made, was taken")
	}
}
