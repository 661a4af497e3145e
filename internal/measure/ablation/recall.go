package ablation

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"jamba/train"
)

// Recall is associative recall over distance, after Arora et al. 2023 (arXiv 2312.04927): among noise stand pairs of a key and
// a value; later each key comes again, and its value has to follow. Pairs are new in each sequence, so that they cannot be
// learned, only looked up. Nothing else is trained on.
type Recall struct {
	Keys      int   `yaml:"keys"`      // different ones
	Values    int   `yaml:"values"`    // different ones
	Noise     int   `yaml:"noise"`     // different tokens between the pairs
	Pairs     int   `yaml:"pairs"`     // of a sequence, at most: those for which there is no room are left out
	Distances []int `yaml:"distances"` // from a key to where it comes again, ascending, which pairs have in turn
	Seq       int   `yaml:"seq"`       // tokens
	Tests     int   `yaml:"tests"`     // sequences that models are judged by

	distances [][]int // of the tests: for each position
}

func (t *Recall) validate() error {
	switch {
	case t.Keys < 1 || t.Values < 2 || t.Noise < 1 || t.Keys+t.Values+t.Noise > 1<<16:
		return fmt.Errorf("recall: keys, values and noise are %d, %d and %d, want 1, 2 and 1 or more", t.Keys, t.Values, t.Noise)
	case t.Pairs < 1 || t.Pairs > t.Keys:
		return fmt.Errorf("recall: pairs are %d, want 1 to the number of keys, %d", t.Pairs, t.Keys)
	case t.Seq < 4 || t.Seq > 1<<16 || t.Tests < 1 || t.Tests > 1<<12:
		return fmt.Errorf("recall: seq is %d and tests are %d, want 4 to %d and 1 to %d", t.Seq, t.Tests, 1<<16, 1<<12)
	case len(t.Distances) == 0:
		return errors.New("recall: distances: there are none")
	}
	for _, d := range t.Distances {
		if d < 2 || d > t.Seq-2 {
			return fmt.Errorf("recall: a distance is %d, want 2 to %d, which is seq without two", d, t.Seq-2)
		}
	}
	return nil
}

func (t *Recall) vocab() int { return t.Keys + t.Values + t.Noise }

func (t *Recall) batch(r *rand.Rand, sequences int) *train.Batch {
	b := &train.Batch{}
	for range sequences {
		tokens, labels, _ := t.sequence(r)
		b.Tokens, b.Labels = append(b.Tokens, tokens), append(b.Labels, labels)
	}
	return b
}

func (t *Recall) test() *train.Batch {
	b, r := &train.Batch{}, rand.New(rand.NewPCG(testSeed, 0))
	t.distances = nil
	for range t.Tests {
		tokens, labels, distances := t.sequence(r)
		b.Tokens, b.Labels, t.distances = append(b.Tokens, tokens), append(b.Labels, labels), append(t.distances, distances)
	}
	return b
}

func (t *Recall) distance(sequence, position int) int { return t.distances[sequence][position] }

// sequence makes one: tokens, labels, which are train.Ignore but at answers, and there the distance.
func (t *Recall) sequence(r *rand.Rand) (tokens, labels []int32, distances []int) {
	tokens, labels, distances = make([]int32, t.Seq), make([]int32, t.Seq), make([]int, t.Seq)
	for i := range tokens {
		tokens[i], labels[i] = int32(t.Keys+t.Values+r.IntN(t.Noise)), train.Ignore
	}
	taken := make([]bool, t.Seq)
	keys := r.Perm(t.Keys)[:t.Pairs]
	for i, key := range keys {
		// The longest distances, which have least room, come first.
		d, value := t.Distances[len(t.Distances)-1-i%len(t.Distances)], int32(t.Keys+r.IntN(t.Values))
		for range 20 {
			at := r.IntN(t.Seq - d - 1)
			if taken[at] || taken[at+1] || taken[at+d] || taken[at+d+1] {
				continue
			}
			for _, p := range []int{at, at + d} {
				tokens[p], tokens[p+1], taken[p], taken[p+1] = int32(key), value, true, true
			}
			labels[at+d+1], distances[at+d+1] = value, d
			break
		}
	}
	return tokens, labels, distances
}
