package train

import (
	"fmt"
	"slices"

	"jamba/model"
)

// Ignore is the label of a token that is not to be learned, as in Hugging Face's collators.
const Ignore = -100

// Batch is a number of sequences, of any lengths.
type Batch struct {
	Tokens [][]int32

	// Labels has a label for each token: the token itself, or Ignore. The row of the token before is to predict it; the
	// first token of a document is predicted by none. nil: all tokens are labels.
	Labels [][]int32

	// Starts are where documents begin in each sequence, other than at 0, ascending: nothing before is seen from
	// there on, neither by attention nor by the states of Mamba. nil: each sequence is one document.
	Starts [][]int
}

// Rows returns the number of tokens.
func (b *Batch) Rows() int {
	n := 0
	for _, s := range b.Tokens {
		n += len(s)
	}
	return n
}

// spans returns a batch's documents as spans of a pass, with a state for each, and what each row has to predict, -1 being
// nothing. m keeps the states for the next batch.
func (t *Trainer) spans(b *Batch) (spans []model.Span, labels []int32, err error) {
	if b.Labels != nil && len(b.Labels) != len(b.Tokens) || b.Starts != nil && len(b.Starts) != len(b.Tokens) {
		return nil, nil, fmt.Errorf("a batch of %d sequences has %d of labels and %d of starts", len(b.Tokens), len(b.Labels), len(b.Starts))
	}
	for i, tokens := range b.Tokens {
		own := tokens
		if b.Labels != nil {
			own = b.Labels[i]
		}
		if len(own) != len(tokens) {
			return nil, nil, fmt.Errorf("sequence %d has %d tokens and %d labels", i, len(tokens), len(own))
		}
		var ends []int
		if b.Starts != nil {
			ends = slices.Clone(b.Starts[i])
		}
		lo := 0
		for _, hi := range append(ends, len(tokens)) {
			if hi < lo || hi > len(tokens) {
				return nil, nil, fmt.Errorf("sequence %d of %d tokens: a document starts at %d, after one that starts at %d", i, len(tokens), hi, lo)
			}
			if hi == lo {
				continue
			}
			for _, label := range own[lo+1 : hi] {
				switch {
				case label == Ignore:
					label = -1
				case label < 0 || int(label) >= t.model.Config.VocabSize:
					return nil, nil, fmt.Errorf("sequence %d: label %d is outside the vocabulary of %d", i, label, t.model.Config.VocabSize)
				}
				labels = append(labels, label)
			}
			labels = append(labels, -1)
			for len(t.states) <= len(spans) {
				t.states = append(t.states, t.model.NewState())
			}
			state := t.states[len(spans)]
			state.Free()
			spans = append(spans, model.Span{State: state, Tokens: tokens[lo:hi], Want: model.NoLogits})
			lo = hi
		}
	}
	return spans, labels, nil
}
