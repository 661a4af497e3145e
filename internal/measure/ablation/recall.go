package ablation

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"jamba/train"
)

// Recall is multi-query associative recall, after Arora et al. 2023 (arXiv 2312.04927): pairs of a key and a value, then all keys
// again in another order, each with its value behind it, which has to be predicted. Pairs are new in each sequence, so that they
// cannot be learned, only looked up. Nothing else is trained on. What is remembered grows with the number of pairs; a state of
// fixed size does not.
type Recall struct {
	Keys   int   `yaml:"keys"`   // different ones
	Values int   `yaml:"values"` // different ones
	Pairs  []int `yaml:"pairs"`  // how many, which sequences have in turn
	Tests  int   `yaml:"tests"`  // sequences that models are judged by
}

func (t *Recall) validate() error {
	switch {
	case t.Keys < 1 || t.Values < 2 || t.Keys > 1<<15 || t.Values > 1<<15:
		return fmt.Errorf("recall: keys and values are %d and %d, want 1 and 2 or more, %d at most", t.Keys, t.Values, 1<<15)
	case t.Tests < 1 || t.Tests > 1<<12:
		return fmt.Errorf("recall: tests are %d, want 1 to %d", t.Tests, 1<<12)
	case len(t.Pairs) == 0:
		return errors.New("recall: pairs: there are none")
	}
	for _, n := range t.Pairs {
		if n < 1 || n > min(t.Keys, 1<<12) {
			return fmt.Errorf("recall: pairs are %d, want 1 to the number of keys, %d, and %d at most", n, t.Keys, 1<<12)
		}
	}
	return nil
}

func (t *Recall) vocab() int { return t.Keys + t.Values }

func (t *Recall) batch(r *rand.Rand, sequences int) *train.Batch {
	b := &train.Batch{}
	for i := range sequences {
		n := t.Pairs[i%len(t.Pairs)]
		tokens, labels := make([]int32, 0, 4*n), slices.Repeat([]int32{train.Ignore}, 4*n)
		values := make(map[int]int32, n)
		keys := r.Perm(t.Keys)[:n]
		for _, key := range keys {
			values[key] = int32(t.Keys + r.IntN(t.Values))
			tokens = append(tokens, int32(key), values[key])
		}
		for _, k := range r.Perm(n) {
			tokens = append(tokens, int32(keys[k]), values[keys[k]])
			labels[len(tokens)-1] = values[keys[k]]
		}
		b.Tokens, b.Labels = append(b.Tokens, tokens), append(b.Labels, labels)
	}
	return b
}

func (t *Recall) test() *train.Batch { return t.batch(rand.New(rand.NewPCG(testSeed, 0)), t.Tests) }

func (t *Recall) axis() string { return "pairs" }

// at returns the number of pairs.
func (t *Recall) at(sequence int) int { return t.Pairs[sequence%len(t.Pairs)] }
