package model_test

import (
	"context"
	"testing"

	"jamba/checkpoint"
	"jamba/internal/testutil"
	"jamba/internal/testutil/golden"
	"jamba/model"
	"jamba/tensor"
)

// TestSteadyState asserts that decoding allocates nothing but the pages that keys and values need, in both precisions,
// for one sequence and for several.
func TestSteadyState(t *testing.T) {
	if testing.Short() {
		t.Skip("short tests run under the race detector, whose pools forget at random")
	}
	for _, name := range []string{"jamba-v01-mini", "mixtral-tiny", "jamba-pure-mamba"} {
		for _, o := range []checkpoint.Options{{}, {Precision: model.Fast, Weights: "q8_0"}, {KV: tensor.Q8_0}} {
			m, err := golden.OpenModel(testutil.Golden("models", name), o)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			p, ctx := m.NewPass(), context.Background()
			p.Routing = m.NewRouting()
			spans := make([]model.Span, 32)
			for i := range spans {
				spans[i] = model.Span{State: m.NewState(), Tokens: []int32{int32(i)}}
			}
			for _, n := range []int{1, 3, 32} {
				step := func() {
					if _, err := p.Logits(ctx, spans[:n]...); err != nil {
						t.Fatal(err)
					}
				}
				// Pools fill, and the first page of 256 positions is taken.
				for range 10 {
					step()
				}
				if allocs := testing.AllocsPerRun(50, step); allocs != 0 {
					t.Errorf("%s, %v, keys and values %v, %d sequences: %v allocations a step", name, o.Precision, m.KV(), n, allocs)
				}
			}
		}
	}
}
