package bench

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"jamba/checkpoint"
	"jamba/internal/kernel"
	"jamba/internal/testutil"
	"jamba/model"
	"jamba/tensor"
)

func open(t *testing.T) *model.Model {
	t.Helper()
	m, err := checkpoint.OpenModel(testutil.Golden("models", "jamba-v01-mini"), checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// TestBounds counts by hand what jamba-v01-mini reads and multiplies: 4 layers with MLPs, 4 with 4 experts of which a
// token uses 2, each expert 3·32·56 parameters, all in float32; attention has 4 heads of 8 and 2 of keys and values in
// one layer.
func TestBounds(t *testing.T) {
	m := open(t)
	const expert, head = 3 * 32 * 56, 256*32 + 32
	dense := float64(m.Sizes().Total().Params) - 256*32 - head - 4*4*expert
	state := 2 * float64(m.Config.StateBytes())
	near := func(what string, got Bound, kind string, want float64) {
		t.Helper()
		if got.Kind != kind || math.Abs(got.TokPerSec/want-1) > 1e-9 {
			t.Errorf("%s: %+v, want %s %v", what, got, kind, want)
		}
	}
	// Memory that reads one byte a second, arithmetic that is no limit.
	l := Limits{ReadBytes: 1, F32MACs: 1e18, I8MACs: 1e18}
	for _, test := range []struct {
		batch, depth int
		experts      float64 // that a batch uses, of 4
	}{{1, 0, 2}, {2, 10, 3}, {3, 100, 3.5}} {
		bytes := 4*(dense+4*test.experts*expert+head) + float64(test.batch)*(float64(test.depth)*128+state)
		near("decode", NetworkOf(m).Decode(test.batch, test.depth, l), "memory", float64(test.batch)/bytes)
	}
	// A prompt of one token reads what a step of one sequence does; one of 2 chunks reads the layers twice, the second
	// time with all experts for sure, and the keys and values of those before; and the head once.
	near("prefill 1", NetworkOf(m).Prefill(1, 10, l), "memory", NetworkOf(m).Decode(1, 10, l).TokPerSec)
	bytes := 4*(2*dense+4*(4+2)*expert+head) + 2*state + 128*(10+10+512)
	near("prefill 513", NetworkOf(m).Prefill(513, 10, l), "memory", 513/bytes)

	// And the other way round.
	l = Limits{ReadBytes: 1e18, F32MACs: 1, I8MACs: 1e18}
	layers := dense + 4*2*expert
	near("prefill", NetworkOf(m).Prefill(10, 100, l), "arithmetic", 10/(10*layers+head+2*(10*100+55)*32))
	near("decode", NetworkOf(m).Decode(4, 100, l), "arithmetic", 1/(layers+head+2*101*32))
}

// TestIntegerBounds rounds to 8 bits: each matrix is counted by the arithmetic that multiplies it. Rows of 56, which
// down_proj has, are no whole blocks and stay float32.
func TestIntegerBounds(t *testing.T) {
	m, err := checkpoint.OpenModel(testutil.Golden("models", "jamba-v01-mini"), checkpoint.Options{Precision: model.Fast, Weights: "q8_0"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	total := m.Sizes().Total()
	if kernel.PeakI8(1<<10) == 0 {
		if total.IntegerParams != 0 {
			t.Errorf("%d parameters multiplied as integers, which these kernels cannot", total.IntegerParams)
		}
		t.Skip("no kernels for integers in tier " + kernel.Tier())
	}
	// lm_head; gate and up of 4 MLPs and of the 2 experts that a token uses in 4 layers; the Mamba layers' in_proj, x_proj
	// and out_proj (E 64, R 2, S 16; rows of dt_proj are no whole blocks); q, k, v and o.
	ma := m.Config.Layers[0].Mamba
	mamba := 2*ma.DInner*32 + (ma.DtRank+2*ma.DState)*ma.DInner + 32*ma.DInner
	want := int64(256*32 + (4+4*2)*2*56*32 + 7*mamba + 32*32 + 2*16*32 + 32*32)
	if total.IntegerParams != want {
		t.Errorf("%d parameters multiplied as integers, want %d", total.IntegerParams, want)
	}
	got := NetworkOf(m).Decode(1, 0, Limits{ReadBytes: 1e18, F32MACs: 1e18, I8MACs: 1})
	if math.Abs(got.TokPerSec*float64(want)-1) > 1e-9 {
		t.Errorf("bound %+v, want 1/%d", got, want)
	}
}

// TestWindow counts what sequences see of a window of 100 positions: 2·32 multiply-adds and 128 bytes each.
func TestWindow(t *testing.T) {
	c := open(t).Config
	for i, layer := range c.Layers {
		if layer.Attention != nil {
			a := *layer.Attention
			a.SlidingWindow = 100
			c.Layers[i].Attention = &a
		}
	}
	for _, test := range []struct{ depth, rows, seen, before int }{
		{0, 1, 1, 0},
		{98, 4, 99 + 100 + 100 + 100, 98},
		{1000, 2, 200, 99},
		{0, 100, 5050, 0},
	} {
		w := sequence(&c, tensor.F32, test.depth, test.rows)
		if bytes := w.bytes - 2*float64(c.StateBytes()); w.float != float64(64*test.seen) || bytes != float64(128*test.before) {
			t.Errorf("%+v: %+v, %v bytes of keys and values", test, w, bytes)
		}
		// In Q8_0 each of the 4 rows of 8 values is a block of 34 bytes.
		w = sequence(&c, tensor.Q8_0, test.depth, test.rows)
		if bytes := w.bytes - 2*float64(c.StateBytes()); bytes != float64(4*34*test.before) {
			t.Errorf("%+v: %+v, %v bytes of keys and values in Q8_0", test, w, bytes)
		}
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
		if r.TokPerSec.Min <= 0 || r.TokPerSec.Min > r.TokPerSec.Median || r.TokPerSec.Median > r.TokPerSec.Max || r.Fraction <= 0 || r.Ratio != r.TokPerSec.Median || r.Limits.ReadBytes <= 0 {
			t.Errorf("%+v", r)
		}
	}
	// Ctrl-C stops it, also while it measures the limits.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if l, err := MeasureLimits(ctx); !errors.Is(err, context.Canceled) || l.F32MACs != 0 {
		t.Errorf("limits %+v, error %v", l, err)
	}
	ops := func(ops []model.Operation) (names map[string]int) {
		names = map[string]int{}
		for _, o := range ops {
			names[o.Name] = o.Calls
		}
		return names
	}
	prefill, decode, limits, err := Profile(context.Background(), m, plan)
	if err != nil || ops(prefill)["mamba.scan"] != 7 || ops(prefill)["lm_head"] != 1 || ops(decode)["mamba.scan"] != 3*7 {
		t.Errorf("profiles %+v, %+v, error %v", prefill, decode, err)
	}
	if limits.ReadBytes <= 0 || !slices.ContainsFunc(decode, func(o model.Operation) bool { return o.Name == "attention" && o.Bytes > 0 }) {
		t.Errorf("limits %+v, profile %+v", limits, decode)
	}
}
