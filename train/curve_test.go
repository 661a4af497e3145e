package train_test

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"jamba/internal/testutil"
	"jamba/train"
)

// TestCurves follows ten steps of the reference, a new batch each, under two schedules: testdata/make_curves.py.
func TestCurves(t *testing.T) {
	type curve struct {
		Schedule    train.Kind
		Warmup      int
		Steps       int
		DecayAll    bool `json:"decay_all"`
		Clip        float64
		WeightDecay float64 `json:"weight_decay"`
		AuxCoef     float64 `json:"aux_coef"`
		LR          float64
		Betas       [2]float64
		Eps         float64
		Curve       []struct {
			Tokens, Labels [][]int32
			Loss           float64
			AuxLoss        float64 `json:"aux_loss"`
			GradNorm       float64 `json:"grad_norm"`
			LR             float64
		}
	}
	curves := testutil.JSON[[]curve](t, filepath.Join("testdata", "curves.json"))
	if len(curves) != 2 {
		t.Fatalf("%d curves, want 2", len(curves))
	}
	for _, c := range curves {
		t.Run(c.Schedule.String(), func(t *testing.T) {
			t.Parallel()
			_, tr := open(t, testutil.Golden("models", "jamba-v01-mini"), train.Options{
				Schedule: train.Schedule{Kind: c.Schedule, Peak: c.LR, Warmup: c.Warmup, Steps: c.Steps},
				AdamW:    train.AdamW{Betas: c.Betas, Eps: c.Eps, WeightDecay: c.WeightDecay, DecayAll: c.DecayAll},
				Clip:     c.Clip, AuxCoef: c.AuxCoef,
			})
			for i, want := range c.Curve {
				got, err := tr.Step(context.Background(), &train.Batch{Tokens: want.Tokens, Labels: want.Labels})
				if err != nil {
					t.Fatal(err)
				}
				step := fmt.Sprintf("step %d: ", i)
				near(t, step+"loss", got.Loss, want.Loss, 2e-4)
				near(t, step+"auxiliary loss", got.Aux, want.AuxLoss, 2e-4)
				near(t, step+"norm of the gradients", got.GradNorm, want.GradNorm, 1e-3*want.GradNorm)
				near(t, step+"learning rate", got.LR, want.LR, 1e-12)
			}
		})
	}
}

func TestSchedule(t *testing.T) {
	for _, c := range []struct {
		s    train.Schedule
		step int
		want float64
	}{
		{train.Schedule{Peak: 2}, 0, 2},
		{train.Schedule{Peak: 2, Warmup: 4}, 0, 0},
		{train.Schedule{Peak: 2, Warmup: 4}, 1, 0.5},
		{train.Schedule{Peak: 2, Warmup: 4}, 100, 2},
		{train.Schedule{Kind: train.Linear, Peak: 2, Min: 1, Steps: 10}, 5, 1.5},
		{train.Schedule{Kind: train.Linear, Peak: 2, Min: 1, Steps: 10}, 11, 1},
		{train.Schedule{Kind: train.Cosine, Peak: 2, Warmup: 2, Steps: 10}, 6, 1},
		{train.Schedule{Kind: train.Cosine, Peak: 2, Warmup: 2, Steps: 10}, 4, 1 + math.Sqrt2/2},
		{train.Schedule{Kind: train.Cosine, Peak: 2, Min: 0.5, Steps: 10}, 20, 0.5},
	} {
		near(t, fmt.Sprintf("%+v at %d", c.s, c.step), c.s.LR(c.step), c.want, 1e-12)
	}
	var k train.Kind
	for _, name := range []string{"constant", "cosine", "linear"} {
		if err := k.UnmarshalText([]byte(name)); err != nil || k.String() != name {
			t.Errorf("%s was read as %v, %v", name, k, err)
		}
	}
	if err := k.UnmarshalText([]byte("square")); err == nil {
		t.Error("square is a schedule")
	}
}
