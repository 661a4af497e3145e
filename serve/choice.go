package serve

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"jamba"
	"jamba/engine/prefix"
	"jamba/serve/turn"
	"jamba/text/reply"
)

// choice is one answer on its way.
type choice struct {
	job    *job
	index  int
	send   func(turn.Event)
	parts  *reply.Splitter
	tokens []turn.Token // not sent
	calls  int
	called bool // one is complete
	usage  turn.Usage
	last   time.Time // when a token came
}

func newChoice(j *job, i int, send func(turn.Event)) *choice {
	return &choice{job: j, index: i, send: send, parts: reply.New(j.reply)}
}

// run computes the answer and sends its events.
func (c *choice) run(ctx context.Context) error {
	o, n := c.job.options, c.job.request.N
	if o.Seed != nil {
		o.Seed = new(*o.Seed + uint64(c.index%n))
	}
	if c.index == 0 {
		o.Progress = func(done, total int) {
			c.job.computed.Store(int64(done))
			c.job.total.Store(int64(total))
		}
	}
	if steer := c.job.steering(); steer != nil {
		o.Constraint = steer
	}
	prompt, began := c.job.prompts[c.index/n], time.Now()
	scored := !o.ScorePrompt
	for p, err := range c.job.model.Answer(ctx, prompt, o) {
		if err != nil {
			c.job.metrics.failed(err)
			return err
		}
		if p.ID >= 0 {
			c.job.metrics.token(c)
			c.job.account.spend(1)
		}
		if !scored {
			scored = true
			c.send(turn.Event{Kind: turn.Scored, Choice: c.index, Tokens: c.scores(prompt.IDs, p.Prompt)})
		}
		c.piece(p)
		if p.Finish != "" {
			c.trace(ctx, began, c.finish(p), p.Stats)
		}
	}
	return nil
}

// piece sends what a piece of the answer brings.
func (c *choice) piece(p jamba.Piece) {
	if c.job.options.Logprobs && p.Finish == "" {
		t := c.job.model.token(p.ID)
		if p.Logprob != nil {
			t.Logprob = finite(p.Logprob.Logprob)
			t.Top = c.job.model.top(p.Top)
		}
		c.tokens = append(c.tokens, t)
	}
	parts := c.parts.Push(p.Text)
	if p.Finish != "" {
		parts = append(parts, c.parts.Flush()...)
	} else if c.parts.Thinking() {
		c.usage.Thought++
	}
	for _, part := range parts {
		e := turn.Event{Kind: turn.Text, Text: part.Text}
		if part.Call != nil {
			c.calls++
		}
		switch {
		case c.calls > 1 && c.job.request.Chat.OneCall && part.Text+part.Thought == "":
			continue
		case part.Call != nil:
			e = turn.Event{Kind: turn.Called, Call: turn.Call{ID: c.job.reply.Format.CallID(), Name: part.Call.Name, Head: part.Call.Head}}
		case part.Arguments != "":
			c.called = c.called || part.Complete
			e = turn.Event{Kind: turn.Arguments, Text: part.Arguments, Complete: part.Complete}
		case part.Thought != "":
			e = turn.Event{Kind: turn.Thought, Text: part.Thought}
		}
		c.event(e)
	}
}

// event sends an event with the tokens that have come.
func (c *choice) event(e turn.Event) {
	e.Choice, e.Tokens, c.tokens = c.index, c.tokens, nil
	c.send(e)
}

// finish sends the end of the answer, and returns why it ended.
func (c *choice) finish(p jamba.Piece) turn.Finish {
	if st := p.Stats; st != nil {
		c.usage.Prompt, c.usage.Cached, c.usage.Answer = st.PromptTokens, st.ReusedTokens, st.AnswerTokens
		if st.Miss != prefix.Found {
			c.usage.Miss = st.Miss.String()
		}
		if !c.job.options.ScorePrompt { // of which nothing is kept
			c.usage.Written = st.PromptTokens - st.ReusedTokens
		}
		c.usage.Queue, c.usage.Prefill, c.usage.Decode = st.Queue, st.Prefill, st.Decode
	}
	e := turn.Event{Kind: turn.Finished, Usage: c.usage, Stop: p.Stop, Finish: turn.Length}
	if p.Finish == jamba.FinishStop {
		if e.Finish = turn.Stop; c.called {
			e.Finish = turn.ToolCall
		}
	}
	c.job.metrics.finished(e)
	c.event(e)
	return e.Finish
}

// scores returns a prompt's tokens with their log-probabilities, of which the first has none.
func (c *choice) scores(ids []int32, scores []jamba.Score) []turn.Token {
	tokens := []turn.Token{c.job.model.token(ids[0])}
	for _, score := range scores {
		t := c.job.model.token(score.Logprob.ID)
		t.Logprob, t.Top = finite(score.Logprob.Logprob), c.job.model.top(score.Top)
		tokens = append(tokens, t)
	}
	return tokens
}

func (m *served) top(list []jamba.Logprob) []turn.Token {
	tokens := make([]turn.Token, len(list))
	for i, l := range list {
		tokens[i] = m.token(l.ID)
		tokens[i].Logprob = finite(l.Logprob)
	}
	return tokens
}

// finite returns a log-probability as JSON can have it; OpenAI's API says -9999 for what is next to impossible.
func finite(logprob float64) *float64 {
	logprob = max(logprob, -9999)
	return &logprob
}

// token returns a token as it is written alone. Bytes that are no character are told as such.
func (m *served) token(id int32) turn.Token {
	t := turn.Token{ID: id, Bytes: m.Text().Tokenizer.TokenBytes(id)}
	t.Text = spelled(t.Bytes)
	return t
}

func spelled(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	s := "bytes:"
	for _, c := range b {
		s += fmt.Sprintf(`\x%02x`, c)
	}
	return s
}
