package ablation

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"jamba/train"
)

// Copy is copying over distance, after Jelassi et al. 2024 (arXiv 2402.01032): random symbols, a mark, and the same symbols
// again, which have to be predicted. What is remembered of the symbols grows with their number; a state of fixed size does not.
type Copy struct {
	Symbols int   `yaml:"symbols"` // different ones
	Lengths []int `yaml:"lengths"` // of what is copied, which sequences have in turn
	Tests   int   `yaml:"tests"`   // sequences that models are judged by
}

func (t *Copy) validate() error {
	if t.Symbols < 2 || t.Symbols > 1<<16 || t.Tests < 1 || t.Tests > 1<<12 {
		return fmt.Errorf("copy: symbols are %d and tests are %d, want 2 to %d and 1 to %d", t.Symbols, t.Tests, 1<<16, 1<<12)
	}
	if len(t.Lengths) == 0 {
		return errors.New("copy: lengths: there are none")
	}
	for _, n := range t.Lengths {
		if n < 1 || n > 1<<14 {
			return fmt.Errorf("copy: a length is %d, want 1 to %d", n, 1<<14)
		}
	}
	return nil
}

// vocab counts the symbols and the mark.
func (t *Copy) vocab() int { return t.Symbols + 1 }

func (t *Copy) batch(r *rand.Rand, sequences int) *train.Batch {
	b := &train.Batch{}
	for i := range sequences {
		n := t.Lengths[i%len(t.Lengths)]
		tokens, labels := make([]int32, 2*n+1), make([]int32, 2*n+1)
		tokens[n], labels[n] = int32(t.Symbols), train.Ignore
		for j := range n {
			symbol := int32(r.IntN(t.Symbols))
			tokens[j], labels[j] = symbol, train.Ignore
			tokens[n+1+j], labels[n+1+j] = symbol, symbol
		}
		b.Tokens, b.Labels = append(b.Tokens, tokens), append(b.Labels, labels)
	}
	return b
}

func (t *Copy) test() *train.Batch { return t.batch(rand.New(rand.NewPCG(testSeed, 0)), t.Tests) }

func (t *Copy) axis() string { return "distance" }

// at returns the distance from a symbol to where it is copied.
func (t *Copy) at(sequence int) int { return t.Lengths[sequence%len(t.Lengths)] + 1 }
