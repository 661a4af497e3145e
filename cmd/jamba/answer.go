package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"

	"jamba"
	"jamba/text/reply"
)

// sampling returns p with what the flags set.
func (c *runCmd) sampling(p jamba.Sampling) jamba.Sampling {
	override(&p.Temperature, c.Temperature)
	override(&p.TopK, c.TopK)
	override(&p.TopP, c.TopP)
	override(&p.MinP, c.MinP)
	override(&p.RepetitionPenalty, c.RepetitionPenalty)
	override(&p.PresencePenalty, c.PresencePenalty)
	override(&p.FrequencyPenalty, c.FrequencyPenalty)
	if c.Seed != nil {
		p.Seed = c.Seed
	}
	p.LogitBias = c.LogitBias
	return p
}

func override[T any](v, flag *T) {
	if flag != nil {
		*v = *flag
	}
}

// defaultMax is the longest answer in tokens where neither the user nor the model says so.
const defaultMax = 2048

// asked returns how to answer: what the flags say, then the model, then what people expect.
func (c *runCmd) asked(m *jamba.Model) jamba.Options {
	o := m.ChatDefaults()
	if c.continues(m) {
		o = m.Defaults()
	}
	o.Seed = new(rand.Uint64())
	o.Sampling = c.sampling(o.Sampling)
	override(&o.MaxTokens, c.MaxTokens)
	if o.MaxTokens == 0 {
		o.MaxTokens = defaultMax
	}
	o.Stop = append(o.Stop[:len(o.Stop):len(o.Stop)], c.Stop...)
	if c.Logprobs != nil {
		o.Logprobs, o.TopTokens = true, *c.Logprobs
	}
	o.EndRepetition = !c.Raw && !c.AllowRepetition
	o.LiteralContent = c.LiteralContent
	o.Lookup = true
	o.Format = c.schema
	if c.list != nil {
		o.Tools = c.list
		o.Show = slices.Concat(reply.Control(m.Text().Tokenizer))
	}
	return o
}

// history returns the messages that a chat begins with.
func (c *runCmd) history() []jamba.Message {
	if c.System == nil {
		return nil
	}
	return []jamba.Message{{Role: "system", Content: *c.System}}
}

// answer answers messages, or continues text.
func (c *runCmd) answer(ctx context.Context, s *streams, session *jamba.Session, m *jamba.Model, messages []jamba.Message, text string) answer {
	o := c.asked(m)
	o.Progress = progress(s.err)
	a := answer{seed: *o.Seed, stops: len(o.Stop) > 0, note: func(p jamba.Piece) string { return c.note(m, &o, p) }, listener: &listener{format: c.format}}
	if c.continues(m) {
		a.pieces = session.Generate(ctx, text, o)
	} else {
		a.parts = c.splitter(m, messages)
		a.pieces = session.Chat(ctx, messages, o)
	}
	return a
}

// answer is an answer on its way.
type answer struct {
	pieces iter.Seq2[jamba.Piece, error]
	seed   uint64
	stops  bool                          // strings may end it
	note   func(last jamba.Piece) string // what to say of an end that the model did not make, or ""
	*listener
}

func (c *runCmd) note(m *jamba.Model, o *jamba.Options, last jamba.Piece) string {
	switch {
	case last.Finish == jamba.FinishRepetition:
		return "the answer only repeated itself and was ended; --allow-repetition lets it go on"
	case last.Finish != jamba.FinishLength:
		return ""
	case last.Stats.AnswerTokens < o.MaxTokens:
		return fmt.Sprintf("the answer was cut: the model's context of %d tokens is full", m.Info().Context)
	case c.MaxTokens != nil:
		return ""
	case m.Defaults().MaxTokens > 0:
		return fmt.Sprintf("the answer was cut at %d tokens, the model's max_new_tokens; --max-tokens N sets another limit", o.MaxTokens)
	}
	return fmt.Sprintf("the answer was cut at %d tokens; --max-tokens N sets another limit", o.MaxTokens)
}

// printText writes an answer as it comes, and returns its last piece.
func printText(w *screen, a answer) (last jamba.Piece, err error) {
	for p, pieceErr := range a.pieces {
		shown := a.push(p)
		if last, err = p, pieceErr; err == nil || shown != "" {
			err = errors.Join(err, w.print(shown))
		}
		if err != nil {
			break
		}
	}
	return last, err
}

// tellEnd says on w why the answer ended, if that was not the model, and with --stats its figures.
func (c *runCmd) tellEnd(w io.Writer, a answer, last jamba.Piece) {
	if note := a.note(last); note != "" {
		fmt.Fprintln(w, "jamba:", note)
	}
	if c.Stats {
		printStats(w, last.Stats)
	}
}

func printStats(w io.Writer, stats *jamba.Stats) {
	if stats != nil {
		fmt.Fprintf(w, "prompt %d tokens, %d reused, %.1f tokens/s; answer %d tokens, %.1f tokens/s\n",
			stats.PromptTokens, stats.ReusedTokens, stats.PrefillRate(), stats.AnswerTokens, stats.DecodeRate())
	}
}
