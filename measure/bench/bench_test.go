package bench

import (
	"context"
	"math"
	"testing"

	"jamba/internal/testutil"
	"jamba/model"
)

func open(t *testing.T) *model.Model {
	t.Helper()
	m, err := model.Open(testutil.Golden("models", "jamba-v01-mini"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// TestBounds counts by hand what jamba-v01-mini reads and multiplies: 4 layers with MLPs, 4 with 4 experts of which a
// token uses 2, each expert 3·32·56 parameters, all in float32.
func TestBounds(t *testing.T) {
	m := open(t)
	const expert, head = 3 * 32 * 56, 256*32 + 32
	dense := float64(m.Sizes.Total().Params) - 256*32 - head - 4*4*expert
	// Memory that reads one byte a second, arithmetic that is no limit.
	l := Limits{ReadBytes: 1, F32MACs: 1e18, I8MACs: 1e18}
	for _, test := range []struct {
		batch, depth int
		experts      float64 // that a batch uses, of 4
	}{{1, 0, 2}, {2, 10, 3}, {3, 100, 3.5}} {
		bytes := 4 * (dense + 4*test.experts*expert + head)
		bytes += float64(test.batch) * (float64(test.depth)*128 + 2*float64(m.Config.StateBytes()))
		want := float64(test.batch) / bytes
		if got := decodeBound(m, test.batch, test.depth, false, l); got.Kind != "memory" || math.Abs(got.TokPerSec/want-1) > 1e-9 {
			t.Errorf("%+v: %+v, want %v", test, got, want)
		}
	}
	// And the other way round: attention has 4 heads of 8 in one layer.
	l = Limits{ReadBytes: 1e18, F32MACs: 1, I8MACs: 1e18}
	layers := dense + 4*2*expert
	if got, want := prefillBound(m, 10, 100, true, l).TokPerSec, 1/(layers+2*105*32); math.Abs(got/want-1) > 1e-9 {
		t.Errorf("prefill %v, want %v", got, want)
	}
	if got, want := decodeBound(m, 4, 100, true, l), 1/(layers+256*32+2*100*32); got.Kind != "arithmetic" || math.Abs(got.TokPerSec/want-1) > 1e-9 {
		t.Errorf("decode %+v, want %v", got, want)
	}
}

func TestRun(t *testing.T) {
	m := open(t)
	plan := Plan{Prefill: []int{5, 20}, Decode: []int{3}, Depth: []int{0, 300}, Batch: []int{1, 4}, Threads: []int{1}, Reps: 2}
	asked := 0
	plan.Peer = func(_ context.Context, r Result) (float64, error) {
		asked++
		return 1, nil
	}
	var all []Result
	err := Run(context.Background(), m, plan, func(l Limits) {
		if l.ReadBytes <= 0 || l.F32MACs <= 0 {
			t.Errorf("limits %+v", l)
		}
	}, func(r Result) { all = append(all, r) })
	if err != nil || len(all) != 8 || asked != 16 {
		t.Fatalf("%d results, %d runs of the peer, error %v", len(all), asked, err)
	}
	for _, r := range all {
		if r.TokPerSec.Min <= 0 || r.TokPerSec.Min > r.TokPerSec.Median || r.TokPerSec.Median > r.TokPerSec.Max || r.Fraction <= 0 || r.Ratio != r.TokPerSec.Median {
			t.Errorf("%+v", r)
		}
	}
	ops := func(ops []model.Operation) (names map[string]int) {
		names = map[string]int{}
		for _, o := range ops {
			names[o.Name] = o.Calls
		}
		return names
	}
	prefill, decode, err := Profile(context.Background(), m, plan)
	if err != nil || ops(prefill)["mamba.scan"] != 7 || ops(prefill)["lm_head"] != 1 || ops(decode)["mamba.scan"] != 3*7 {
		t.Errorf("profiles %+v, %+v, error %v", prefill, decode, err)
	}
}
