// Package compare measures how far two ways of computing deviate on the same tokens: two models, two precisions of one,
// or a model and the logits of another engine.
package compare

import (
	"context"
	"fmt"

	"jamba/internal/kernel"
	"jamba/internal/kernel/par"
	"jamba/internal/npy"
	"jamba/model"
	"jamba/model/state"
	"jamba/text/tokenizer"
)

// Engine is one way of computing logits.
type Engine interface {
	// Vocab returns the number of logits of a position.
	Vocab() int
	// Begin begins a sequence of n tokens.
	Begin(n int) error
	// Logits appends tokens to the sequence and returns their logits, finite, [len(tokens), Vocab], until the next call.
	Logits(ctx context.Context, tokens []int32) ([]float32, error)
}

// rows is how many positions are compared at a time: few, as a row may take half a megabyte in each engine.
const rows = 128

// Run compares an engine with a reference over tokens, cut into windows of that length, each a sequence of its own.
// The first token of a window is not predicted. progress, if not nil, is told of the tokens that are done.
func Run(ctx context.Context, reference, other Engine, tokens []int32, window int, progress func(done, total int)) (Summary, error) {
	vocab := reference.Vocab()
	if v := other.Vocab(); v != vocab {
		return Summary{}, fmt.Errorf("the vocabularies have %d and %d tokens; only logits of the same tokens can be compared", vocab, v)
	}
	all, predicted := make([]Row, 0, len(tokens)), 0
	for start := 0; start < len(tokens); start += window {
		end := min(start+window, len(tokens))
		for _, e := range []Engine{reference, other} {
			if err := e.Begin(end - start); err != nil {
				return Summary{}, err
			}
		}
		for at := start; at < end; at += rows {
			part := tokens[at:min(at+rows, end)]
			p, err := reference.Logits(ctx, part)
			if err != nil {
				return Summary{}, err
			}
			q, err := other.Logits(ctx, part)
			if err != nil {
				return Summary{}, err
			}
			all = all[:at+len(part)]
			par.For(len(part), 1, func(lo, hi int) {
				for i := lo; i < hi; i++ {
					next := -1
					if at+i+1 < end {
						next = int(tokens[at+i+1])
					}
					all[at+i] = NewRow(p[i*vocab:(i+1)*vocab], q[i*vocab:(i+1)*vocab], next)
				}
			})
			if progress != nil {
				progress(at+len(part), len(tokens))
			}
		}
		predicted += end - start - 1
	}
	return Summarise(all, predicted), nil
}

// network computes with a model.
type network struct {
	model *model.Model
	pass  *model.Pass
	state *state.State
}

// Model returns an Engine that computes with m. If both engines of a comparison do, each needs a pass of its own, which
// it has.
func Model(m *model.Model) Engine { return &network{m, m.NewPass(), m.NewState()} }

func (n *network) Vocab() int { return n.model.Config.VocabSize }

func (n *network) Begin(tokens int) error {
	n.state.Free()
	return state.Fits(n.model.StateSpecs(), 0, tokens)
}

func (n *network) Logits(ctx context.Context, tokens []int32) ([]float32, error) {
	return n.pass.Logits(ctx, model.Span{State: n.state, Tokens: tokens, Want: model.AllLogits})
}

// LogitsFile is an Engine that reads the logits which another engine has computed of the same windows, one after the
// other.
type LogitsFile struct {
	*npy.File
	path   string
	at     int // rows that were read
	logits []float32
}

// OpenLogits opens a NumPy file with a row of logits for each of so many tokens.
func OpenLogits(path string, tokens int) (*LogitsFile, error) {
	f, err := npy.Open(path)
	if err != nil {
		return nil, err
	}
	if f.Rows != tokens {
		f.Close()
		return nil, fmt.Errorf("%s: logits of %d positions, want those of all %d tokens", path, f.Rows, tokens)
	}
	return &LogitsFile{File: f, path: path}, nil
}

// Vocab returns the length of a row.
func (f *LogitsFile) Vocab() int { return f.Columns }

// Begin does nothing: the rows of the next window follow.
func (f *LogitsFile) Begin(int) error { return nil }

// Logits reads the rows of the next tokens. It is an error if a number is infinite or NaN.
func (f *LogitsFile) Logits(_ context.Context, tokens []int32) ([]float32, error) {
	if n := len(tokens) * f.Columns; len(f.logits) < n {
		f.logits = make([]float32, n)
	}
	logits := f.logits[:len(tokens)*f.Columns]
	if err := f.Read(logits); err != nil {
		return nil, err
	}
	for i := range tokens {
		if !kernel.Finite(logits[i*f.Columns : (i+1)*f.Columns]) {
			return nil, fmt.Errorf("%s: row %d has a number that is infinite or NaN", f.path, f.at+i)
		}
	}
	f.at += len(tokens)
	return logits, nil
}

// Vocabularies returns an error that names the first token in which two tokenizers differ.
func Vocabularies(a, b *tokenizer.Tokenizer) error {
	for id := range int32(max(a.VocabSize(), b.VocabSize())) {
		x, inA := a.Token(id)
		y, inB := b.Token(id)
		if x != y || inA != inB {
			return fmt.Errorf("the vocabularies differ: token %d is %q in one and %q in the other", id, x, y)
		}
	}
	return nil
}
