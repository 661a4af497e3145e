package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"jamba"
	"jamba/serve/models"
	"jamba/serve/turn"
	"jamba/text"
	"jamba/text/reply"
)

// job is a request whose prompts are made.
type job struct {
	model   *served
	request *turn.Request
	prompts []jamba.Prompt
	options jamba.Options
	reply   reply.Options
	came    time.Time // when the request did
	metrics *modelMetrics
	account *account // who pays

	computed, total atomic.Int64 // of the first prompt
}

// choices returns how many answers there are.
func (j *job) choices() int { return len(j.prompts) * j.request.N }

// texts returns the texts of the prompts.
func (j *job) texts() []string {
	texts := make([]string, len(j.prompts))
	for i, p := range j.request.Prompts {
		if texts[i] = p.Text; p.IDs != nil {
			texts[i] = j.model.Detokenize(j.prompts[i].IDs)
		}
	}
	return texts
}

// prepare makes the prompts of a request and checks what can be said of it before it is computed.
func (m *served) prepare(ctx context.Context, r *turn.Request) (*job, error) {
	r.N = max(r.N, 1)
	j := &job{model: m, request: r}
	var err error
	if r.Chat != nil {
		err = m.prepareChat(j)
	} else {
		err = m.preparePrompts(j)
	}
	if err != nil {
		return nil, err
	}
	return j, m.setOptions(ctx, j)
}

func (m *served) prepareChat(j *job) error {
	p, err := m.chatPrompt(j.request.Chat)
	if err != nil {
		return promptError("messages", err)
	}
	j.prompts = []jamba.Prompt{p}
	j.options = m.ChatDefaults()
	j.options.EndRepetition = j.request.MaxTokens == nil // else it may go on for hours
	j.reply.Thinks = !m.options.RawThoughts
	j.reply.Opened = reply.Opened(m.Text().Tokenizer, p.IDs)
	return nil
}

// chatPrompt returns the prompt of a conversation. For a model without a chat template, which goes on with texts, that is all
// messages' text.
func (m *served) chatPrompt(c *turn.Chat) (jamba.Prompt, error) {
	if m.CanChat() {
		return m.ChatPrompt(c.JSON(), !m.options.SpecialInContent, c.Kept[max(0, len(c.Kept)-maxKept):]...)
	}
	if len(c.Tools) > 0 && c.Choice.Required {
		return jamba.Prompt{}, turn.Invalid("tools", "the model has no chat template, and so calls no tools")
	}
	var texts []string
	for _, one := range c.Messages {
		if one.Content != nil && *one.Content != "" {
			texts = append(texts, *one.Content)
		}
	}
	return m.TextPrompt(strings.Join(texts, "\n\n"), !m.options.SpecialInContent)
}

// maxKept is how many places of a conversation a client may have kept; the last ones are.
const maxKept = 4

func (m *served) preparePrompts(j *job) error {
	j.options = m.Defaults()
	vocab := m.Info().VocabSize
	for i, p := range j.request.Prompts {
		own := jamba.Prompt{IDs: p.IDs}
		if p.IDs == nil {
			var err error
			if p.Bare {
				own.IDs, err = m.bare(p.Text)
			} else {
				own, err = m.TextPrompt(p.Text, !m.options.SpecialInContent)
			}
			if err != nil {
				return promptError("prompt", err)
			}
		}
		for _, id := range own.IDs {
			if id < 0 || int(id) >= vocab {
				return turn.Invalid(fmt.Sprintf("prompt[%d]", i), "token id %d is not in the vocabulary of %d", id, vocab)
			}
		}
		j.prompts = append(j.prompts, own)
	}
	return nil
}

// bare returns the ids of a text without a token that begins it.
func (m *served) bare(prompt string) ([]int32, error) {
	t := m.Text().Tokenizer
	parts := t.LiteralParts(prompt, nil, false)
	if m.options.SpecialInContent {
		parts = t.Parts(prompt, false)
	}
	return text.Within(parts, m.Info().Context)
}

// promptError tells why there is no prompt.
func promptError(param string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*turn.Error](err); ok {
		return err
	}
	e := turn.Invalid(param, "%v", err)
	if long, ok := errors.AsType[*text.TooLongError](err); ok {
		e.Code, e.Message = tooLong, fmt.Sprintf("This model's maximum context length is %d tokens, the prompt has more.", long.Context)
	}
	return e
}

const tooLong = "context_length_exceeded" // clients shorten their conversations by it

// setOptions sets the options of the answers.
func (m *served) setOptions(ctx context.Context, j *job) error {
	r, o := j.request, &j.options
	for _, p := range j.prompts {
		n, limit := len(p.IDs), m.Info().Context
		if n == 0 {
			return turn.Invalid("prompt", "empty, and the model has no token that begins a text")
		}
		if limit > 0 && (n > limit || n == limit && (r.MaxTokens == nil || *r.MaxTokens > 0)) {
			e := turn.Invalid("", "This model's maximum context length is %d tokens, the prompt has %d.", limit, n)
			e.Code, e.Param = tooLong, "prompt"
			if r.Chat != nil {
				e.Param = "messages"
			}
			return e
		}
	}
	vocab := m.Info().VocabSize
	for id := range r.LogitBias {
		if int(id) >= vocab {
			return turn.Invalid("logit_bias", "token id %d is not in the vocabulary of %d", id, vocab)
		}
	}
	for i, id := range r.StopIDs {
		if id < 0 || int(id) >= vocab {
			return turn.Invalid(fmt.Sprintf("stop_token_ids[%d]", i), "token id %d is not in the vocabulary of %d", id, vocab)
		}
	}
	if r.MaxTokens != nil {
		if o.MaxTokens = *r.MaxTokens; o.MaxTokens == 0 {
			o.MaxTokens = -1
		}
	}
	if o.MaxTokens == 0 {
		o.MaxTokens = m.options.MaxTokens
	}
	o.Stop = slices.Concat(o.Stop, r.Stop)
	o.StopIDs, o.IgnoreEnds = r.StopIDs, r.IgnoreEnds
	set(&o.Temperature, r.Temperature)
	set(&o.TopP, r.TopP)
	set(&o.MinP, r.MinP)
	set(&o.TopK, r.TopK)
	set(&o.RepetitionPenalty, r.RepetitionPenalty)
	set(&o.PresencePenalty, r.PresencePenalty)
	set(&o.FrequencyPenalty, r.FrequencyPenalty)
	o.LogitBias, o.Seed = r.LogitBias, r.Seed
	o.Logprobs, o.TopTokens, o.ScorePrompt = r.Logprobs, r.Top, r.Score
	o.WholeText = true // streamed or not, the text is the same
	o.Salt, o.Priority, o.Adapter = r.Salt, r.Priority, m.adapter
	if c := r.Chat; c != nil {
		if c.Choice.Required && m.format == nil {
			return turn.Invalid("tool_choice", "the model's chat template tells no format of tool calls; --tool-format names one")
		}
		o.Show = m.show
		if len(c.Tools) > 0 && !c.Choice.None && m.format != nil {
			j.reply.Format = m.format
			o.Show = slices.Concat(o.Show, m.showCall)
		}
	}
	if err := m.check(o); err != nil {
		return err
	}
	return j.setFormat(ctx)
}

// check says what is wrong with the options, in the words of the APIs.
func (m *served) check(o *jamba.Options) error {
	if err := o.Validate(); err != nil {
		return turn.Invalid("", "%v", err)
	}
	return nil
}

func set[T any](v, asked *T) {
	if asked != nil {
		*v = *asked
	}
}

// together is how many answers of one request are computed at a time.
const together = 64

// run answers a request. Its events come on the channel; the last is Done or Failed. It ends with ctx.
func (j *job) run(ctx context.Context) <-chan turn.Event {
	events := make(chan turn.Event)
	go func() {
		defer close(events)
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		send := func(e turn.Event) {
			select {
			case events <- e:
			case <-ctx.Done():
			}
		}
		var (
			all   sync.WaitGroup
			slots = make(chan bool, together)
			usage = make([]turn.Usage, j.choices())
		)
		for i := range usage {
			slots <- true
			all.Go(func() {
				defer func() { <-slots }()
				if ctx.Err() != nil {
					return
				}
				c := newChoice(j, i, send)
				if err := contained(func() error { return c.run(ctx) }); err != nil {
					cancel(err)
				}
				usage[i] = c.usage
			})
		}
		all.Wait()
		last := turn.Event{Kind: turn.Done}
		for i, u := range usage {
			last.Usage.Add(u, i%j.request.N == 0)
		}
		if err := context.Cause(ctx); err != nil {
			last = turn.Event{Kind: turn.Failed, Err: failure(err)}
		}
		events <- last
	}()
	return events
}

// failure returns what a client is told of an error.
func failure(err error) error {
	if e, ok := errors.AsType[*models.LoadError](err); ok { // which may name files
		return &turn.Error{Status: http.StatusInternalServerError, Code: "model_not_loaded", Message: fmt.Sprintf("the model %q cannot be loaded; the server's log says why", e.Name)}
	}
	if e, ok := errors.AsType[*models.UnknownError](err); ok && e.Name == "" {
		return turn.Invalid("model", "missing; there are %s", strings.Join(e.Known, ", "))
	} else if ok {
		return &turn.Error{Status: http.StatusNotFound, Param: "model", Code: "model_not_found", Message: e.Error()}
	}
	switch {
	case errors.Is(err, jamba.ErrBusy):
		return &turn.Error{Status: http.StatusTooManyRequests, Code: "queue_full", Message: "too many requests are waiting, try again later", Retry: 5}
	case errors.Is(err, jamba.ErrTooLarge):
		return &turn.Error{Status: http.StatusBadRequest, Code: tooLong, Message: err.Error()}
	case errors.Is(err, jamba.ErrClosed), errors.Is(err, models.ErrStopping):
		return &turn.Error{Status: http.StatusServiceUnavailable, Code: "stopping", Message: models.ErrStopping.Error(), Retry: 5}
	case errors.Is(err, context.DeadlineExceeded):
		return &turn.Error{Status: http.StatusGatewayTimeout, Code: "timeout", Message: "the answer took longer than this server allows"}
	}
	return err
}
