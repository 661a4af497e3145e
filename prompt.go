package jamba

import (
	"context"
	"iter"
	"slices"

	"jamba/text"
	"jamba/text/chat"
	"jamba/text/tokenizer"
)

// Prompt is a prompt in token ids, for several answers or to be counted.
type Prompt struct {
	IDs   []int32
	marks text.Marks
}

// TextPrompt returns the prompt of Generate. literal is Options.LiteralContent.
func (m *Model) TextPrompt(s string, literal bool) (Prompt, error) {
	parts := m.text.Parts(s)
	if literal {
		parts = m.text.LiteralParts(s)
	}
	ids, err := m.within(parts)
	return Prompt{IDs: ids}, err
}

// ChatPrompt returns the prompt of ChatJSON. literal is Options.LiteralContent. What is computed up to the end of as many messages
// as kept says is kept for later prompts, beside what is kept anyway.
func (m *Model) ChatPrompt(conversation []byte, literal bool, kept ...int) (Prompt, error) {
	r := chat.Request{}
	err := r.UnmarshalJSON(conversation)
	if err != nil {
		return Prompt{}, err
	}
	r.AddGenerationPrompt = r.AddGenerationPrompt || r.ContinueField == ""
	return m.chatPrompt(r, literal, kept...)
}

func (m *Model) chatPrompt(r chat.Request, literal bool, kept ...int) (Prompt, error) {
	encode := m.text.ChatParts
	if literal {
		encode = m.text.ChatLiteralParts
	}
	ids, err := m.within(encode(r))
	if err != nil {
		return Prompt{}, err
	}
	return Prompt{ids, text.ChatMarks(r, ids, encode, kept...)}, nil
}

// Answer answers a prompt as Generate does.
func (m *Model) Answer(ctx context.Context, p Prompt, o Options) iter.Seq2[Piece, error] {
	return m.NewSession().run(ctx, p.IDs, p.marks, o)
}

// showing is a stream of text in which some control tokens stand as they are written.
type showing struct {
	*tokenizer.Stream
	tokenizer *tokenizer.Tokenizer
	shown     []int32
}

// Push adds a token.
func (s *showing) Push(id int32) string {
	if !slices.Contains(s.shown, id) || !s.tokenizer.IsSpecial(id) {
		return s.Stream.Push(id)
	}
	token, _ := s.tokenizer.Token(id)
	return s.Flush() + token
}
