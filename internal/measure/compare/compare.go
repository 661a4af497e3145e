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
	// Skip appends tokens whose logits nobody wants.
	Skip(ctx context.Context, tokens []int32) error
}

// rows is how many positions are compared at a time: few, as a row may take half a megabyte in each engine.
const rows = 128

// Sequence computes one sequence with several engines. f is called, by several goroutines at once, with each position from the
// given one on and its row of logits of each engine, which the next positions overwrite. progress, if not nil, is told how many
// tokens were done since the last time.
func Sequence(ctx context.Context, engines []Engine, tokens []int32, from int, f func(pos int, logits [][]float32), progress func(tokens int)) error {
	for _, e := range engines {
		if err := e.Begin(len(tokens)); err != nil {
			return err
		}
	}
	logits := make([][]float32, len(engines))
	for at := 0; at < len(tokens); {
		end := min(at+rows, len(tokens))
		if at < from {
			end = min(end, from)
		}
		for i, e := range engines {
			var err error
			if at < from {
				err = e.Skip(ctx, tokens[at:end])
			} else {
				logits[i], err = e.Logits(ctx, tokens[at:end])
			}
			if err != nil {
				return err
			}
		}
		if at >= from {
			par.For(end-at, 1, func(lo, hi int) {
				row := make([][]float32, len(engines))
				for i := lo; i < hi; i++ {
					for j, e := range engines {
						row[j] = logits[j][i*e.Vocab() : (i+1)*e.Vocab()]
					}
					f(at+i, row)
				}
			})
		}
		if progress != nil {
			progress(end - at)
		}
		at = end
	}
	return nil
}

// SameVocab returns an error if two engines have vocabularies of different sizes.
func SameVocab(a, b Engine) error {
	if v, w := a.Vocab(), b.Vocab(); v != w {
		return fmt.Errorf("the vocabularies have %d and %d tokens; only logits of the same tokens can be compared", v, w)
	}
	return nil
}

// Run compares an engine with a reference over tokens, cut into windows of that length, each a sequence of its own.
// The first token of a window is not predicted. progress, if not nil, is told of the tokens that are done.
func Run(ctx context.Context, reference, other Engine, tokens []int32, window int, progress func(done, total int)) (Summary, error) {
	if err := SameVocab(reference, other); err != nil {
		return Summary{}, err
	}
	all, predicted, done := make([]Row, len(tokens)), 0, 0
	tell := func(n int) {
		if done += n; progress != nil {
			progress(done, len(tokens))
		}
	}
	for start := 0; start < len(tokens); start += window {
		part := tokens[start:min(start+window, len(tokens))]
		err := Sequence(ctx, []Engine{reference, other}, part, 0, func(pos int, logits [][]float32) {
			next := -1
			if pos+1 < len(part) {
				next = int(part[pos+1])
			}
			all[start+pos] = NewRow(logits[0], logits[1], next)
		}, tell)
		if err != nil {
			return Summary{}, err
		}
		predicted += len(part) - 1
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

func (n *network) Skip(ctx context.Context, tokens []int32) error {
	return n.pass.Forward(ctx, model.Span{State: n.state, Tokens: tokens, Want: model.NoLogits})[0].Err
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

// Skip passes over the rows of the next tokens.
func (f *LogitsFile) Skip(ctx context.Context, tokens []int32) error {
	_, err := f.Logits(ctx, tokens)
	return err
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
