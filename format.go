package jamba

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"jamba/internal/grammar"
)

// Format is what an answer has to be: JSON of a schema, any JSON object, a text that a regular expression or a grammar matches, or
// one of several texts. The zero Format is any text.
type Format = grammar.Format

// JSONSchema is JSON that a schema allows, draft 2020-12 or what its $schema says. The members of objects come in the order in which
// the schema has them. Keywords that cannot be held to, such as not and uniqueItems, are errors of Model.CheckFormat and of answers.
func JSONSchema(schema []byte) Format { return grammar.JSONSchema(schema) }

// JSONObject is any JSON object.
func JSONObject() Format { return grammar.JSONObject() }

// Regex is a text that a regular expression matches as a whole, in the syntax of Rust's crate regex.
func Regex(pattern string) Format { return grammar.Regex(pattern) }

// Choice is one of several texts.
func Choice(texts ...string) Format { return grammar.Choice(texts...) }

// Lark is a text of a context-free grammar, in the variant of Lark's syntax that llguidance has. Its rule start is the answer.
func Lark(text string) Format { return grammar.Lark(text) }

// CheckFormat tells what is wrong with a format. What it computes is kept for answers: the first format of a model takes a second or
// two, in which the vocabulary is prepared, later ones milliseconds, the same again nothing.
func (m *Model) CheckFormat(ctx context.Context, f Format) error {
	if f == (Format{}) {
		return nil
	}
	g, err := m.compile(ctx, f)
	if err == nil {
		g.Close()
	}
	return err
}

func (m *Model) compile(ctx context.Context, f Format) (*grammar.Grammar, error) {
	s := &m.formats
	s.once.Do(func() { s.vocabulary, s.err = grammar.NewVocabulary(m.text.Tokenizer, m.ends) })
	if s.err != nil {
		return nil, s.err
	}
	g, err := s.vocabulary.Compile(ctx, f)
	if errors.Is(err, grammar.ErrBusy) {
		err = fmt.Errorf("%w: %w", ErrBusy, err)
	}
	return g, err
}

// formats has a model's vocabulary as formats need it, once one is asked for.
type formats struct {
	once       sync.Once
	vocabulary *grammar.Vocabulary
	err        error
}

func (s *formats) close() {
	s.once.Do(func() { s.err = ErrClosed })
	if s.vocabulary != nil {
		s.vocabulary.Close()
	}
}

var errIgnoreEnds = errors.New("an answer of a format ends where the format does: IgnoreEnds cannot be set")

// formatted is a constraint within a format.
type formatted struct {
	*grammar.Matcher
	within Constraint // nil: none
}

// Next implements Constraint.
func (f formatted) Next(answer []int32, logits []float32) (forced []int32, back int, err error) {
	if f.within != nil {
		if forced, back, err = f.within.Next(answer, logits); err != nil || back > 0 || len(forced) > 0 {
			return forced, back, err
		}
	}
	return f.Matcher.Next(answer, logits)
}
