package grammar

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Tokenizer is what the tokens are; *tokenizer.Tokenizer is one.
type Tokenizer interface {
	VocabSize() int
	TokenBytes(id int32) []byte // that it adds to a text
	Token(id int32) (name string, ok bool)
	IsSpecial(id int32) bool
	Padded(id int32) bool
	Decode(ids []int32, skipSpecial bool) string
}

// The bounds of what formats of strangers may cost.
const (
	patience  = 5 * time.Second // of compiling a grammar, and of each mask
	oneMemory = 128 << 20       // bytes beside the vocabulary, of a grammar
	allMemory = 2 << 30         // of all grammars in use
	idle      = 16              // grammars that are kept for later answers

	// Those of llguidance's ParserLimits: about 0.1 s to compile, 50 ms a mask, 100 MB of states.
	initialFuel = 1_000_000
	stepFuel    = 200_000
	stepItems   = 50_000
	lexerStates = 50_000
	grammarSize = 500_000
)

// Vocabulary compiles formats for a tokenizer. It is safe for concurrent use.
type Vocabulary struct {
	module *module
	image  []byte // the memory of an instance that has the vocabulary
	budget budget
	size   int // tokens
	// At most so many formats are compiled at a time, lest it be at the expense of answers.
	compiling chan struct{}
	space     bool // the space that a text begins with is not shown

	mu     sync.Mutex
	recent []*Grammar // the last used first
}

// marker begins the bytes of tokens that are no text: no text has it.
const marker = 0xff

// longest is how many bytes a token may have; longer ones are not allowed in answers of a format.
const longest = 1000

// NewVocabulary returns the vocabulary of a tokenizer, of which some tokens end answers.
func NewVocabulary(t Tokenizer, ends []int32) (*Vocabulary, error) {
	m, err := load()
	if err != nil {
		return nil, fmt.Errorf("the grammar engine: %w", err)
	}
	return newVocabulary(m, t, ends)
}

func newVocabulary(m *module, t Tokenizer, ends []int32) (*Vocabulary, error) {
	v := &Vocabulary{module: m, size: t.VocabSize(), compiling: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
	ends = slices.DeleteFunc(slices.Clone(ends), func(id int32) bool { return int(id) >= v.size })
	if len(ends) == 0 {
		return nil, errors.New("the model has no token that ends an answer")
	}
	v.budget.one, v.budget.all = 1<<30, 1<<40
	in, err := m.instantiate(&v.budget, nil)
	if err != nil {
		return nil, err
	}
	defer in.close()
	if err := v.fill(in, t, ends); err != nil {
		return nil, fmt.Errorf("the tokenizer's vocabulary: %w", err)
	}
	v.image = in.image()
	v.budget.one, v.budget.all = int64(len(v.image))+oneMemory, allMemory
	return v, nil
}

// fill gives an instance the vocabulary.
func (v *Vocabulary) fill(in *instance, t Tokenizer, ends []int32) error {
	var lengths, text []byte
	for id := range int32(v.size) {
		b := t.TokenBytes(id)
		if t.IsSpecial(id) || slices.Contains(ends, id) {
			name, _ := t.Token(id)
			b = append([]byte{marker}, name...)
		} else if !v.space && len(b) > 0 && b[0] == ' ' && len(b) < 8 {
			v.space = len(t.Decode([]int32{id}, true)) < len(b)
		}
		if t.Padded(id) || len(b) > longest || len(b) > 0 && b[0] == marker && !t.IsSpecial(id) && !slices.Contains(ends, id) {
			b = nil
		}
		lengths = binary.LittleEndian.AppendUint32(lengths, uint32(len(b)))
		text = append(text, b...)
	}
	for _, id := range ends {
		lengths = binary.LittleEndian.AppendUint32(lengths, uint32(id))
	}
	ctx := context.Background()
	all := slices.Concat(lengths, text)
	buffer, err := in.buffer(ctx, uint32(len(all)))
	if err != nil {
		return err
	}
	copy(buffer, all)
	return in.do(ctx, "vocabulary", uint64(v.size), uint64(len(ends)))
}

// words returns how many words a mask has.
func (v *Vocabulary) words() int { return (v.size + 31) / 32 }
