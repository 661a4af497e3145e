package bench

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"jamba/checkpoint"
	"jamba/internal/testutil"
	"jamba/model"
)

func training(t *testing.T) *model.Model {
	t.Helper()
	m, err := checkpoint.OpenForTraining(testutil.Golden("models", "jamba-v01-mini"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The default is the size that docs/benchmarks.md says.
func TestTrainConfig(t *testing.T) {
	c, err := TrainConfig()
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(c, 1, model.InitializerRange)
	if err != nil {
		t.Fatal(err)
	}
	total := m.Sizes().Total()
	// By hand: per Mamba layer in_proj, conv, x_proj, dt_proj, A_log, D, out_proj and three norms.
	const hidden, e, s, r, inter = 192, 384, 16, 12, 384
	const mamba = hidden*2*e + e*4 + e + e*(r+2*s) + r*e + e + e*s + e + e*hidden + r + 2*s
	const attention = hidden*(6+3+3)*32 + 6*32*hidden
	const mlp = 3 * hidden * inter
	const outer = 7*mamba + attention + 8*2*hidden + hidden + 4*mlp + 4*4*hidden
	embedding := int64(4096 * hidden)
	if total.Params != outer+4*4*mlp+embedding {
		t.Errorf("%d parameters", total.Params)
	}
	if total.ActiveParams != outer+4*2*mlp+embedding {
		t.Errorf("%d active parameters", total.ActiveParams)
	}
}

func TestRunTraining(t *testing.T) {
	m := training(t)
	before := slices.Clone(m.Params()[0].Value)
	asked := 0
	plan := TrainPlan{Batch: []int{1, 2}, Seq: []int{5, 30}, Threads: []int{1}, Reps: 2, Peer: func(_ context.Context, r Result) (float64, error) {
		asked++
		return 2, nil
	}}
	var all []Result
	err := RunTraining(context.Background(), m, plan, func(Limits) {}, func(r Result) { all = append(all, r) })
	if err != nil || len(all) != 4 || asked != 8 {
		t.Fatalf("%d results, %d runs of the peer, error %v", len(all), asked, err)
	}
	if slices.Equal(m.Params()[0].Value, before) {
		t.Error("nothing has been trained")
	}
	active := float64(m.Sizes().Total().ActiveParams)
	for i, r := range all {
		if r.Work != "train" || r.Batch != plan.Batch[i/2] || r.Tokens != plan.Seq[i%2] || r.TokPerSec.Min <= 0 || r.TokPerSec.Min > r.TokPerSec.Max || r.Ratio != r.TokPerSec.Median/2 {
			t.Errorf("%+v", r)
		}
		// The share is that of GFLOPS in the peak, whatever the peak.
		if want := 6 * active * r.TokPerSec.Median; math.Abs(r.GFLOPS*1e9/want-1) > 1e-9 || math.Abs(r.Fraction/(want/(2*r.Limits.F32MACs))-1) > 1e-9 {
			t.Errorf("%v GFLOPS, %v of %v: %+v", r.GFLOPS, r.Fraction, 2*r.Limits.F32MACs/1e9, r)
		}
		if r.Bound.Kind != "arithmetic" || r.Predicted < 16*m.Sizes().Total().Params {
			t.Errorf("%+v", r)
		}
	}
	if !(all[0].Predicted < all[1].Predicted && all[1].Predicted < all[3].Predicted) {
		t.Error("more tokens take no more memory", all)
	}

	ops, err := ProfileTraining(context.Background(), m, plan)
	calls := map[string]int{}
	for _, o := range ops {
		calls[o.Name] += o.Calls
	}
	if err != nil || calls["mamba.scan"] != 7 || calls["backward mamba.scan"] != 7 || calls["backward attention"] != 1 || calls["optimizer"] != 1 {
		t.Errorf("profile %+v, error %v", ops, err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := RunTraining(ctx, m, plan, func(Limits) {}, func(Result) {}); !errors.Is(err, context.Canceled) {
		t.Error("error", err)
	}
	open := open(t) // its weights are those of the file
	if err := RunTraining(context.Background(), open, plan, func(Limits) {}, func(Result) {}); err == nil || !strings.Contains(err.Error(), "open it for training") {
		t.Error("error", err)
	}
}
