package text

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"jamba/text/chat"
	"jamba/text/tokenizer"
)

// Parts are ids a few thousand at a time, as [tokenizer.Tokenizer.Parts] yields them: the next ones take the memory of those
// before, and an error is the last.
type Parts = iter.Seq2[[]int32, error]

// All returns the ids of all parts.
func All(parts Parts) ([]int32, error) { return tokenizer.Gather(parts) }

// Within returns the ids of a prompt that may have limit of them; 0: any number. It is an error if there are more, the rest of
// which are not made.
func Within(parts Parts, limit int) ([]int32, error) {
	if limit <= 0 {
		return All(parts)
	}
	n := 0
	return All(func(yield func([]int32, error) bool) {
		for ids, err := range parts {
			if n += len(ids); err == nil && n > limit {
				err = &TooLongError{limit}
			}
			if !yield(ids, err) || err != nil {
				return
			}
		}
	})
}

// TooLongError is the error of a prompt that has more tokens than the model's context.
type TooLongError struct{ Context int }

func (e *TooLongError) Error() string {
	return fmt.Sprintf("the prompt has more than %d tokens, the model's context is %d", e.Context, e.Context)
}

// Encode returns the ids of a text that a person wrote. The special tokens that begin a text are added, unless the
// text begins with the first of them already. Errors are those of [tokenizer.Tokenizer.Encode].
func (t *Text) Encode(s string) ([]int32, error) { return All(t.Parts(s)) }

// Parts yields the ids of Encode.
func (t *Text) Parts(s string) Parts { return t.Tokenizer.Parts(s, t.special(s)) }

// Around returns the ids that Encode puts before and after those of the text itself; ok is false if they do not stand around
// it once.
func (t *Text) Around(s string) (before, after []int32, ok bool) {
	if !t.special(s) {
		return nil, nil, true
	}
	return t.Tokenizer.Around()
}

// special tells whether a text needs special tokens.
func (t *Text) special(s string) bool {
	if bos, ok := t.Tokenizer.BOS(); ok && t.Tokenizer.AddsBOS() {
		token, _ := t.Tokenizer.Token(bos)
		return token == "" || !strings.HasPrefix(s, token)
	}
	return true
}

// LiteralParts is Parts for a text whose control tokens are only what they look like: text.
func (t *Text) LiteralParts(s string) Parts {
	return t.Tokenizer.LiteralParts(s, nil, true)
}

// ChatParts renders a conversation and yields its ids. The template writes all special tokens itself, so none is
// added. It is an error if the model has no chat template.
func (t *Text) ChatParts(r chat.Request) Parts {
	if t.Templates == nil {
		return failed(errNoTemplate)
	}
	s, err := t.Templates.Render(r)
	if err != nil {
		return failed(fmt.Errorf("chat template: %w", err))
	}
	return t.Tokenizer.Parts(s, false)
}

// EncodeChat returns the ids of ChatParts.
func (t *Text) EncodeChat(r chat.Request) ([]int32, error) { return All(t.ChatParts(r)) }

// ChatLiteralParts is ChatParts for messages, tools and documents whose control tokens are text; those of the template are
// what they are. It is an error if the template does something to them that hides which are which.
func (t *Text) ChatLiteralParts(r chat.Request) Parts {
	if t.Templates == nil {
		return failed(errNoTemplate)
	}
	s, literal, err := t.Templates.RenderLiteral(r, t.Tokenizer.Guard())
	if err != nil {
		return failed(fmt.Errorf("chat template: %w", err))
	}
	return t.Tokenizer.LiteralParts(s, func(at int) bool {
		_, ok := slices.BinarySearch(literal, at)
		return ok
	}, false)
}

var errNoTemplate = errors.New("the model has no chat template")

func failed(err error) Parts {
	return func(yield func([]int32, error) bool) { yield(nil, err) }
}
