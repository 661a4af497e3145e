package model_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"jamba/internal/testutil"
	"jamba/internal/testutil/golden"
	"jamba/model"
)

// TestSmolLM2 compares a real model with real weights with the reference, if scripts/fetch-smollm2 has brought it, in
// both precisions.
func TestSmolLM2(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	path := filepath.Join(testutil.Path(), "..", "models", "SmolLM2-135M-Instruct.Q4_1.gguf")
	if _, err := os.Stat(path); err != nil {
		t.Skip("run scripts/fetch-smollm2 for this test")
	}
	for precision, tolerance := range map[model.Precision]float64{model.Exact: 1e-3, model.Fast: 0.03} {
		t.Run(precision.String(), func(t *testing.T) { smolLM2(t, golden.OpenPrecision(t, path, precision), tolerance) })
	}
}

func smolLM2(t *testing.T, m *model.Model, tolerance float64) {
	ref := testutil.JSON[struct {
		Prompts []struct {
			IDs       []int32      `json:"ids"`
			SumNLL    float64      `json:"sum_nll"`
			LastTop5  [][2]float64 `json:"last_top5"`
			GreedyIDs []int32      `json:"greedy_ids"`
		}
	}](t, testutil.Golden("real", "smollm2-135m-q4_1.json"))
	v := m.Config.VocabSize
	for i, prompt := range ref.Prompts {
		p, s := m.NewPass(), m.NewState()
		logits, err := p.Logits(context.Background(), model.Span{State: s, Tokens: prompt.IDs, Want: model.AllLogits})
		if err != nil {
			t.Fatal(err)
		}
		nll := 0.0
		for j, id := range prompt.IDs[1:] {
			row := logits[j*v : (j+1)*v]
			top, sum := slices.Max(row), 0.0
			for _, x := range row {
				sum += math.Exp(float64(x - top))
			}
			nll += math.Log(sum) + float64(top) - float64(row[id])
		}
		if math.Abs(nll-prompt.SumNLL) > tolerance {
			t.Errorf("prompt %d: negative log-likelihood %v, want %v", i, nll, prompt.SumNLL)
		}
		last := logits[len(logits)-v:]
		for _, top := range prompt.LastTop5 {
			if d := math.Abs(float64(last[int(top[0])]) - top[1]); d > tolerance {
				t.Errorf("prompt %d: logit of %v is %v, want %v", i, top[0], last[int(top[0])], top[1])
			}
		}
		var got []int32
		for len(got) < len(prompt.GreedyIDs) {
			best := int32(slices.Index(last, slices.Max(last)))
			got = append(got, best)
			if last, err = p.Logits(context.Background(), model.Span{State: s, Tokens: []int32{best}}); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(got, prompt.GreedyIDs) {
			t.Errorf("prompt %d: greedy tokens %v, want %v", i, got, prompt.GreedyIDs)
		}
	}
}
