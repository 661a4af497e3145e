package train_test

import (
	"math/rand/v2"

	"jamba/model"
	"jamba/train"
)

// small is a hybrid of attention, Mamba and MoE of 7.1 M parameters, 5.3 M of them active.
func small() model.Config {
	c := model.Config{Architecture: "jamba", VocabSize: 4096, HiddenSize: 192, RMSNormEps: 1e-6, TieWordEmbeddings: true, PADTokenID: 0}
	for i := range 8 {
		l := model.Layer{MLP: &model.MLP{IntermediateSize: 384}}
		if i%8 == 4 {
			l.Attention = &model.Attention{NumAttentionHeads: 6, NumKeyValueHeads: 3, HeadDim: 32}
		} else {
			l.Mamba = &model.Mamba{DInner: 384, DState: 16, DConv: 4, DtRank: 12, ConvBias: true, InnerNorms: true, NormEps: 1e-6}
		}
		if i%2 == 1 {
			l.MLP, l.MoE = nil, &model.MoE{IntermediateSize: 384, NumExperts: 4, NumExpertsPerTok: 2}
		}
		c.Layers = append(c.Layers, l)
	}
	return c
}

func randomBatch(vocab, sequences, length int) *train.Batch {
	r := rand.New(rand.NewPCG(1, 2))
	b := &train.Batch{}
	for range sequences {
		tokens := make([]int32, length)
		for i := range tokens {
			tokens[i] = int32(r.IntN(vocab))
		}
		b.Tokens = append(b.Tokens, tokens)
	}
	return b
}
