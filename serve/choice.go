package serve

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"
	"unicode/utf8"

	"jamba"
	"jamba/serve/turn"
	"jamba/text/reply"
)

// choice is one answer on its way.
type choice struct {
	server *Server
	job    *job
	index  int
	send   func(turn.Event)
	parts  *reply.Splitter
	tokens []turn.Token // not sent
	calls  int
	usage  turn.Usage
	last   time.Time // when a token came
}

func (s *Server) newChoice(j *job, i int, send func(turn.Event)) *choice {
	return &choice{server: s, job: j, index: i, send: send, parts: reply.New(j.reply)}
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
	if steer := c.server.steering(c.job); steer != nil {
		o.Constraint = steer
	}
	prompt := c.job.prompts[c.index/n]
	scored := !o.ScorePrompt
	for p, err := range c.server.model.Answer(ctx, prompt, o) {
		if err != nil {
			c.server.metrics.failed(err)
			return err
		}
		if p.ID >= 0 {
			c.server.metrics.token(c)
		}
		if !scored {
			scored = true
			c.send(turn.Event{Kind: turn.Scored, Choice: c.index, Tokens: c.scores(prompt.IDs, p.Prompt)})
		}
		c.piece(p)
		if p.Finish != "" {
			c.finish(p)
		}
	}
	return nil
}

// piece sends what a piece of the answer brings.
func (c *choice) piece(p jamba.Piece) {
	if c.job.options.Logprobs && p.Finish == "" {
		t := c.server.token(p.ID)
		if p.Logprob != nil {
			t.Logprob = finite(p.Logprob.Logprob)
			t.Top = c.server.top(p.Top)
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
		switch {
		case part.Call != nil:
			if c.calls++; c.calls > 1 && c.job.request.Chat.OneCall {
				continue
			}
			e = turn.Event{Kind: turn.Called, Call: turn.Call{ID: "call_" + rand.Text()[:24], Name: part.Call.Name, Arguments: part.Call.Arguments}}
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

func (c *choice) finish(p jamba.Piece) {
	if st := p.Stats; st != nil {
		c.usage.Prompt, c.usage.Cached, c.usage.Answer = st.PromptTokens, st.ReusedTokens, st.AnswerTokens
		c.usage.Queue, c.usage.Prefill, c.usage.Decode = st.Queue, st.Prefill, st.Decode
	}
	e := turn.Event{Kind: turn.Finished, Usage: c.usage, Stop: p.Stop, Finish: turn.Length}
	if p.Finish == jamba.FinishStop {
		if e.Finish = turn.Stop; c.calls > 0 {
			e.Finish = turn.ToolCall
		}
	}
	c.server.metrics.finished(e)
	c.event(e)
}

// scores returns a prompt's tokens with their log-probabilities, of which the first has none.
func (c *choice) scores(ids []int32, scores []jamba.Score) []turn.Token {
	tokens := []turn.Token{c.server.token(ids[0])}
	for _, score := range scores {
		t := c.server.token(score.Logprob.ID)
		t.Logprob, t.Top = finite(score.Logprob.Logprob), c.server.top(score.Top)
		tokens = append(tokens, t)
	}
	return tokens
}

func (s *Server) top(list []jamba.Logprob) []turn.Token {
	tokens := make([]turn.Token, len(list))
	for i, l := range list {
		tokens[i] = s.token(l.ID)
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
func (s *Server) token(id int32) turn.Token {
	t := turn.Token{ID: id, Bytes: s.model.Text().Tokenizer.TokenBytes(id)}
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
