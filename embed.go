package jamba

import (
	"context"
	"fmt"
	"math"
	"sync"

	"jamba/engine"
)

// Pooling says which final hidden states of a text become its embedding.
type Pooling = engine.Pooling

// The choices of Pooling.
const (
	MeanPooling = engine.MeanPooling // the mean of all tokens
	LastPooling = engine.LastPooling // the last token, which has seen all others
)

// EmbedOptions say how texts become vectors.
type EmbedOptions struct {
	Pooling   Pooling // "": MeanPooling
	Normalize bool    // scale each vector to length 1
	Adapter   *Adapter
}

// Embed returns a vector for each text, of as many numbers as the model's hidden size. Texts are computed together. The
// models at hand are trained to predict tokens, not for embeddings: similar texts have similar vectors, no more.
func (m *Model) Embed(ctx context.Context, texts []string, o EmbedOptions) ([][]float32, error) {
	return m.embedAll(ctx, len(texts), o, func(i int) ([]int32, error) { return m.within(m.text.Parts(texts[i])) })
}

// EmbedIDs is Embed for texts of token ids, which are taken as they are.
func (m *Model) EmbedIDs(ctx context.Context, texts [][]int32, o EmbedOptions) ([][]float32, error) {
	return m.embedAll(ctx, len(texts), o, func(i int) ([]int32, error) { return texts[i], nil })
}

func (m *Model) embedAll(ctx context.Context, n int, o EmbedOptions, text func(i int) ([]int32, error)) ([][]float32, error) {
	switch o.Pooling {
	case "":
		o.Pooling = MeanPooling
	case MeanPooling, LastPooling:
	default:
		return nil, fmt.Errorf("pooling %.20q is not known; mean and last are", o.Pooling)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	vectors := make([][]float32, n)
	const together = 64 // texts at a time
	slots := make(chan bool, together)
	var all sync.WaitGroup
	for i := range n {
		slots <- true
		all.Go(func() {
			defer func() { <-slots }()
			ids, err := text(i)
			if err == nil {
				vectors[i], err = m.embed(ctx, ids, o)
			}
			if err != nil {
				cancel(fmt.Errorf("text %d: %w", i, err))
			}
		})
	}
	all.Wait()
	return vectors, context.Cause(ctx)
}

func (m *Model) embed(ctx context.Context, ids []int32, o EmbedOptions) ([]float32, error) {
	v, err := m.engine.Embed(ctx, ids, o.Pooling, o.Adapter)
	if err != nil || !o.Normalize {
		return v, err
	}
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum > 0 {
		for i := range v {
			v[i] /= float32(math.Sqrt(sum))
		}
	}
	return v, nil
}
