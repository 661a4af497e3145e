package bench

import (
	"context"
	"errors"
	"testing"

	"jamba/checkpoint"
	"jamba/internal/testutil"
	"jamba/model/state"
)

// TestRunInTurn measures two models: each combination gives one result of each, in the order of the sides, with what their
// sequences keep; what does not fit is told and leaves the others alone.
func TestRunInTurn(t *testing.T) {
	jamba := open(t)
	llama, err := checkpoint.OpenModel(testutil.Golden("models", "llama-tiny"), checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer llama.Close()
	sides := []Side{{"jamba", jamba, 1 << 20}, {"llama", llama, 2 << 20}}
	plan := Plan{Prefill: []int{5}, Decode: []int{3}, Depth: []int{0, 300}, Batch: []int{1, 4}, Threads: []int{1}, Reps: 3}
	var all []Turn
	if err := RunInTurn(context.Background(), sides, plan, func(Limits) {}, func(r Turn) { all = append(all, r) }); err != nil {
		t.Fatal(err)
	}
	if len(all) != 2*6 {
		t.Fatalf("%d results", len(all))
	}
	for i, r := range all {
		side := sides[i%2]
		if r.Model != side.Name || r.Missing != "" {
			t.Errorf("result %d: %+v", i, r)
		}
		steps := 1.0
		if r.Work == "decode" {
			steps = 3
		}
		// The fastest repetition has the shortest time.
		if got := float64(r.Tokens*r.Batch) / (r.Seconds.Min * steps); got < 0.999*r.TokPerSec.Max || got > 1.001*r.TokPerSec.Max {
			t.Errorf("%v tok/s at most, %v by the time", r.TokPerSec.Max, got)
		}
		if first := all[i-i%2]; i%2 == 0 && r.Ratio != (Spread{1, 1, 1}) ||
			i%2 == 1 && (r.Ratio.Min > r.TokPerSec.Max/first.TokPerSec.Min || r.Ratio.Max < r.TokPerSec.Min/first.TokPerSec.Max) {
			t.Errorf("%s: ratio %+v", r.Model, r.Ratio)
		}
		if r.PeakRSS != 0 && r.PeakRSS < side.Opened {
			t.Errorf("%s: peak %d", r.Model, r.PeakRSS)
		}
		// One page of keys and values of one layer holds 256 positions.
		page := int64(0)
		for _, spec := range side.Model.StateSpecs() {
			page += 256 * int64(spec.KVBytes())
		}
		pages := int64((r.Depth + r.Tokens + 255) / 256)
		if r.KVBytes != int64(r.Batch)*pages*page {
			t.Errorf("%s at depth %d: %d bytes of keys and values, want %d pages of %d", r.Model, r.Depth, r.KVBytes, pages, page)
		}
		if want := int64(r.Batch) * side.Model.Config.StateBytes(); r.StateBytes != want {
			t.Errorf("%s: %d bytes of states, want %d", r.Model, r.StateBytes, want)
		}
	}

	ctx, stop := context.WithCancel(context.Background())
	plan = Plan{Decode: []int{1}, Depth: []int{0}, Batch: []int{1}, Threads: []int{1}, Reps: 1}
	err = RunInTurn(ctx, sides, plan, func(Limits) { stop() }, func(Turn) {})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}

	all = nil
	if _, known := state.Available(); !known {
		t.Skip("how much memory is free is not known here")
	}
	plan = Plan{Decode: []int{1}, Depth: []int{1 << 30}, Batch: []int{60000}, Threads: []int{1}, Reps: 1}
	if err := RunInTurn(context.Background(), []Side{{"llama", llama, 0}}, plan, func(Limits) {}, func(r Turn) { all = append(all, r) }); err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || all[0].Missing == "" || all[0].TokPerSec.Median != 0 {
		t.Errorf("%+v", all)
	}
}
