package train_test

import (
	"context"
	"math"
	"testing"

	"jamba/internal/testutil"
	"jamba/model"
	"jamba/model/param"
	"jamba/train"
)

// TestDifferences compares the gradients of a whole network, which has what no reference model has at once, with
// differences of its loss: for each parameter along its gradient. The layers by themselves are tested more sharply in
// package kernel and against the reference.
func TestDifferences(t *testing.T) {
	testutil.SkipRace(t, testutil.SameSharing)
	c := model.Config{Architecture: "mixtral", VocabSize: 50, HiddenSize: 24, RMSNormEps: 1e-5, PADTokenID: 3}
	plain := &model.Mamba{DInner: 40, DState: 3, DConv: 3, DtRank: 5, ConvBias: true, ProjBias: true}
	c.Layers = []model.Layer{
		{Attention: &model.Attention{NumAttentionHeads: 4, NumKeyValueHeads: 2, HeadDim: 8, Bias: true, SlidingWindow: 5, RoPE: &model.RoPE{Theta: 100}}, MLP: &model.MLP{IntermediateSize: 20, Bias: true}},
		{Mamba: plain},
		{
			Attention: &model.Attention{NumAttentionHeads: 2, NumKeyValueHeads: 1, HeadDim: 6, RoPE: &model.RoPE{Theta: 50, Scaling: "yarn", Factor: 4, OriginalMax: 8, BetaFast: 32, BetaSlow: 1, Interleaved: true}},
			MoE:       &model.MoE{IntermediateSize: 12, NumExperts: 3, NumExpertsPerTok: 3, NormTopKProb: true},
		},
	}
	o := options()
	o.AuxCoef = 0.5
	m, tr := newTrainer(t, c, o)
	// All experts are picked: a choice would make the loss jump.
	// Weights at which each part matters.
	for _, p := range m.Params() {
		switch p.Kind() {
		case model.Projection, model.Embedding:
			for i := range p.Value {
				p.Value[i] *= 15
			}
		case model.Bias:
			if p.Part != param.DtProj {
				for i := range p.Value {
					p.Value[i] = float32(i%5)/10 - 0.2
				}
			}
		}
	}
	m.Refresh()
	b := randomBatch(c.VocabSize, 2, 21)
	b.Starts = [][]int{{8}, nil}
	for i := range b.Tokens { // none is the padding token, whose row the embedding does not train
		for j, id := range b.Tokens[i] {
			if id == 3 {
				b.Tokens[i][j] = 4
			}
		}
	}
	loss := func() float64 {
		m.Refresh()
		s, err := tr.Evaluate(context.Background(), b)
		if err != nil {
			t.Fatal(err)
		}
		return s.Loss
	}
	at := make([][]float32, len(tr.Params))
	for i, p := range tr.Params {
		at[i] = append(at[i], p.Value...)
	}
	step(t, tr, b) // for the gradients
	for i, p := range tr.Params {
		copy(p.Value, at[i])
	}
	for i, p := range tr.Params {
		length := norm(p.Grad)
		if length == 0 {
			t.Errorf("%s has no gradient", p.Name)
			continue
		}
		const way = 2e-3
		move := func(by float64) float64 {
			for j, g := range p.Grad {
				p.Value[j] = at[i][j] + float32(by*float64(g)/length)
			}
			return loss()
		}
		slope := (move(way) - move(-way)) / (2 * way)
		copy(p.Value, at[i])
		near(t, p.Name, slope, length, 0.01*length+5e-4)
	}
}

// TestPadding asserts that the padding token's embedding is not trained where the reference does not train it.
func TestPadding(t *testing.T) {
	for architecture, want := range map[string]bool{"jamba": false, "llama": false, "mamba": true} {
		c := tiny()
		c.Architecture, c.PADTokenID = architecture, 3
		if architecture == "llama" {
			c.Layers = []model.Layer{{Attention: c.Layers[1].Attention, MLP: c.Layers[0].MLP}}
		}
		_, tr := newTrainer(t, c, options())
		step(t, tr, &train.Batch{Tokens: [][]int32{{3, 1, 3, 2}}})
		sum := 0.0
		for _, p := range tr.Params {
			if p.Kind() == model.Embedding {
				for _, v := range p.Grad[3*c.HiddenSize : 4*c.HiddenSize] {
					sum += math.Abs(float64(v))
				}
			}
		}
		if got := sum > 0; got != want {
			t.Errorf("%s: the padding token's row is trained: %v, want %v", architecture, got, want)
		}
	}
}
