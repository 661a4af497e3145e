package model

import (
	"context"
	"math"
	"testing"
)

// TestPassFloats compares with how much of its arena a pass writes: of a network of each part that a layer can have.
func TestPassFloats(t *testing.T) {
	const hidden, vocab, rows = 32, 40, 32
	mamba := &Mamba{DInner: 64, DState: 8, DConv: 4, DtRank: 4, InnerNorms: true}
	attention := &Attention{NumAttentionHeads: 4, NumKeyValueHeads: 2, HeadDim: 8}
	// With all experts for all rows, shares are equal.
	for name, l := range map[string]Layer{
		"mamba":           {Mamba: mamba},
		"mamba, mlp":      {Mamba: mamba, MLP: &MLP{IntermediateSize: 48}},
		"attention, mlp":  {Attention: attention, MLP: &MLP{IntermediateSize: 48}},
		"attention, moe":  {Attention: attention, MoE: &MoE{IntermediateSize: 48, NumExperts: 1, NumExpertsPerTok: 1}},
		"mamba, both two": {Mamba: mamba, MoE: &MoE{IntermediateSize: 48, NumExperts: 2, NumExpertsPerTok: 2}},
		// Four of eight experts are computed together.
		"mamba, all eight": {Mamba: mamba, MoE: &MoE{IntermediateSize: 48, NumExperts: 8, NumExpertsPerTok: 8}},
	} {
		m, err := New(Config{Architecture: "jamba", VocabSize: vocab, HiddenSize: hidden, RMSNormEps: 1e-6, PADTokenID: -1, Layers: []Layer{l, l}}, 1, InitializerRange)
		if err != nil {
			t.Fatal(err)
		}
		p := m.NewPass()
		ids := make([]int32, rows)
		for range 2 {
			for i := range p.arena {
				p.arena[i] = math.MaxFloat32
			}
			if _, err := p.Logits(context.Background(), Span{State: m.NewState(), Tokens: ids, Want: AllLogits}); err != nil {
				t.Fatal(err)
			}
		}
		peak := len(p.arena)
		for peak > 0 && p.arena[peak-1] == math.MaxFloat32 {
			peak--
		}
		got := m.Config.PassFloats(rows, rows)
		if want := int64(peak + len(p.logits) + 2*rows*hidden); got != want {
			t.Errorf("%s: %d floats, the pass wrote %d", name, got, want)
		}
	}
}
