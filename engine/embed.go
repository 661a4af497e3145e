package engine

import (
	"context"

	"jamba/model"
)

// Pooling says which final hidden states, after the final norm, become the embedding of a text.
type Pooling string

// The choices of Pooling.
const (
	MeanPooling Pooling = "mean" // of all tokens
	LastPooling Pooling = "last" // of the last token, which has seen all others
)

// embedding adds up the hidden states of a sequence.
type embedding struct {
	pooling Pooling
	sum     []float64
	tokens  int
}

// want says what a stretch of a text is to give, last being the one that ends it.
func (e *embedding) want(last bool) model.Want {
	switch {
	case e.pooling == MeanPooling:
		return model.AllHidden
	case last:
		return model.LastHidden
	}
	return model.NoLogits
}

// add adds the hidden states [rows, M] that a stretch of n tokens gave.
func (e *embedding) add(hidden []float32, n int) {
	if len(hidden) == 0 {
		return
	}
	if e.pooling == LastPooling {
		n = 1
	}
	m := len(hidden) / n
	if e.sum == nil {
		e.sum = make([]float64, m)
	}
	for i, v := range hidden {
		e.sum[i%m] += float64(v)
	}
	e.tokens += n
}

// Embed returns the embedding [M] of a text's tokens, computed together with what else the engine has to do, with an adapter if
// it is not nil.
func (e *Engine) Embed(ctx context.Context, tokens []int32, p Pooling, a *model.Adapter) ([]float32, error) {
	sum := &embedding{pooling: p}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := e.request(ctx, &Request{Prompt: tokens, Adapter: a, embedding: sum}, goalEmbedding)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, e.nudge)
	if ev := <-s.events; ev.err != nil {
		return nil, ev.err
	}
	mean := make([]float32, len(sum.sum))
	for i, v := range sum.sum {
		mean[i] = float32(v / float64(sum.tokens))
	}
	return mean, nil
}
