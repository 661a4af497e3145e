package main

import (
	"context"
	"errors"
	"strconv"

	"jamba"
)

// result is what run prints with --json.
type result struct {
	Text         string       `json:"text"`
	Thought      string       `json:"reasoning_content,omitempty"`
	ToolCalls    []toolCall   `json:"tool_calls,omitempty"`
	FinishReason jamba.Finish `json:"finish_reason"`
	Seed         string       `json:"seed"` // a string, as JSON's numbers have 53 bits
	Tokens       []token      `json:"tokens"`
	Usage        usage        `json:"usage"`
}

type token struct {
	ID          int32        `json:"id"`
	Token       string       `json:"token"`
	Logprob     *float64     `json:"logprob,omitempty"`
	TopLogprobs []topLogprob `json:"top_logprobs,omitempty"`
}

type topLogprob struct {
	ID      int32   `json:"id"`
	Token   string  `json:"token"`
	Logprob float64 `json:"logprob"`
}

type usage struct {
	PromptTokens     int     `json:"prompt_tokens"`
	CompletionTokens int     `json:"completion_tokens"`
	PrefillRate      float64 `json:"prefill_tokens_per_s"`
	DecodeRate       float64 `json:"decode_tokens_per_s"`
}

// printJSON prints an answer when it is complete. What there is of one that was interrupted is printed, too, and the error
// returned.
func (c *runCmd) printJSON(s *streams, m *jamba.Model, a answer) error {
	r := result{Tokens: []token{}, Seed: strconv.FormatUint(a.seed, 10)}
	spell := func(id int32) string { return string(m.Text().Tokenizer.TokenBytes(id)) }
	var last jamba.Piece
	var err error
	var ids []int32
	for p, pieceErr := range a.pieces {
		if last, err = p, pieceErr; err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		a.push(p)
		if p.Finish != "" {
			r.FinishReason = p.Finish
			r.Usage = usage{p.Stats.PromptTokens, p.Stats.AnswerTokens, p.Stats.PrefillRate(), p.Stats.DecodeRate()}
			continue
		}
		ids = append(ids, p.ID)
		t := token{ID: p.ID, Token: spell(p.ID)}
		if p.Logprob != nil {
			t.Logprob = &p.Logprob.Logprob
			for _, top := range p.Top {
				t.TopLogprobs = append(t.TopLogprobs, topLogprob{top.ID, spell(top.ID), top.Logprob})
			}
		}
		r.Tokens = append(r.Tokens, t)
	}
	if !a.stops && a.parts == nil {
		// Of bytes that are no text a stream shows more than the reference, which knows what comes after them.
		a.said.Content = m.Text().Tokenizer.Decode(ids, true)
	}
	r.Text, r.Thought, r.ToolCalls = a.said.Content, a.said.ReasoningContent, a.calls
	if r.FinishReason == jamba.FinishStop && len(a.calls) > 0 {
		r.FinishReason = "tool_calls"
	}
	if err := writeJSON(s.out, r); err != nil {
		return err
	}
	c.tellEnd(s.err, a, last)
	return err
}
