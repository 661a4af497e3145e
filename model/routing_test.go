package model_test

import (
	"fmt"
	"slices"
	"testing"

	"jamba/internal/testutil/golden"
)

// TestRouting counts the experts that the reference's router logits are largest for, and expects a pass and one more to have counted
// as many.
func TestRouting(t *testing.T) {
	golden.Each(t, func(t *testing.T, g *golden.Golden) {
		p := g.Model.NewPass()
		p.Routing = g.Model.NewRouting()
		for range 2 {
			g.Forward(t, p, g.Model.NewState(), g.IDs)
		}
		got, router := p.Routing.Counts(), 0
		for i, l := range g.Model.Config.Layers {
			if l.MoE == nil {
				if got[i] != nil {
					t.Errorf("layer %d has no experts, and counts %v", i, got[i])
				}
				continue
			}
			logits, _ := g.Tensors.Floats(fmt.Sprintf("router_logits.%d", router))
			router++
			want := make([]int64, l.MoE.NumExperts)
			for row := range slices.Chunk(logits, l.MoE.NumExperts) {
				for e, v := range row {
					better := 0
					for _, o := range row {
						if o > v {
							better++
						}
					}
					if better < l.MoE.NumExpertsPerTok {
						want[e] += 2
					}
				}
			}
			if !slices.Equal(got[i], want) {
				t.Errorf("layer %d: %v, want %v", i, got[i], want)
			}
		}
	})
}
