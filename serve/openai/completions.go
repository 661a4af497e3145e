package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"jamba/serve/turn"
)

// CompletionRequest is the body of POST /v1/completions.
type CompletionRequest struct {
	sampling
	Prompt         json.RawMessage `json:"prompt"`
	Echo           bool            `json:"echo"`
	Logprobs       *int            `json:"logprobs"`
	Suffix         *string         `json:"suffix"`
	BestOf         *int            `json:"best_of"`
	AddSpecial     *bool           `json:"add_special_tokens"`
	ResponseFormat json.RawMessage `json:"response_format"`
}

// IncludeUsage reports whether a stream ends with the counts of tokens.
func (r *CompletionRequest) IncludeUsage() bool {
	return r.StreamOptions != nil && r.StreamOptions.IncludeUsage
}

// maxPrompts is how many prompts a request may have.
const maxPrompts = 2048

// defaultLength is how long a completion is if nothing is said of it.
const defaultLength = 16

// ReadCompletion reads a request for completions.
func ReadCompletion(body []byte) (*CompletionRequest, *turn.Request, error) {
	var c CompletionRequest
	if err := turn.Decode(body, &c); err != nil {
		return nil, nil, err
	}
	r, err := c.request()
	if err != nil {
		return nil, nil, err
	}
	if r.Prompts, err = prompts("prompt", c.Prompt); err != nil {
		return nil, nil, err
	}
	for i := range r.Prompts {
		r.Prompts[i].Bare = c.AddSpecial != nil && !*c.AddSpecial
	}
	if len(r.Prompts) > maxPrompts/r.N {
		return nil, nil, turn.Invalid("prompt", "%d prompts with %d answers each, at most %d answers may be", len(r.Prompts), r.N, maxPrompts)
	}
	switch {
	case c.Suffix != nil && *c.Suffix != "":
		return nil, nil, turn.Invalid("suffix", "not supported: the model does not fill in, it goes on")
	case c.BestOf != nil && *c.BestOf != r.N && *c.BestOf != 1:
		return nil, nil, turn.Invalid("best_of", "not supported beside n=%d", r.N)
	}
	if err := turn.Check("logprobs", c.Logprobs, 0, maxTop); err != nil {
		return nil, nil, err
	}
	if r.Format, err = format("response_format", c.ResponseFormat); err != nil {
		return nil, nil, err
	}
	if c.Logprobs != nil {
		r.Logprobs, r.Top, r.Score = true, *c.Logprobs, c.Echo
	}
	if r.MaxTokens == nil {
		r.MaxTokens = new(defaultLength)
	}
	return &c, r, nil
}

// prompts reads a text, a list of texts, of ids, or of lists of ids.
func prompts(param string, raw json.RawMessage) ([]turn.Prompt, error) {
	var (
		text  string
		texts []*string
		ids   []int32
		lists [][]int32
		all   []turn.Prompt
	)
	number := !bytes.Contains(raw, []byte("null")) // which would be taken for 0
	switch {
	case null(raw):
		return nil, turn.Invalid(param, "missing")
	case json.Unmarshal(raw, &text) == nil:
		return []turn.Prompt{{Text: text}}, nil
	case json.Unmarshal(raw, &texts) == nil:
		for i, s := range texts {
			if s == nil {
				return nil, turn.Invalid(fmt.Sprintf("%s[%d]", param, i), "null, want a string")
			}
			all = append(all, turn.Prompt{Text: *s})
		}
	case number && json.Unmarshal(raw, &ids) == nil:
		all = []turn.Prompt{{IDs: ids}}
	case number && json.Unmarshal(raw, &lists) == nil:
		for i, l := range lists {
			if len(l) == 0 {
				return nil, turn.Invalid(fmt.Sprintf("%s[%d]", param, i), "empty, want token ids")
			}
			all = append(all, turn.Prompt{IDs: l})
		}
	default:
		return nil, turn.Invalid(param, "want a string, an array of strings, of token ids, or of arrays of token ids")
	}
	if len(all) == 0 {
		return nil, turn.Invalid(param, "empty")
	}
	return all, nil
}

type completionObject struct {
	ID      string             `json:"id"`
	Object  string             `json:"object"`
	Created int64              `json:"created"`
	Model   string             `json:"model"`
	Choices []completionChoice `json:"choices"`
	Usage   *usage             `json:"usage,omitempty"`
}

type completionChoice struct {
	Text         string              `json:"text"`
	Index        int                 `json:"index"`
	Logprobs     *completionLogprobs `json:"logprobs"`
	FinishReason *turn.Finish        `json:"finish_reason"`
}

type completionLogprobs struct {
	Tokens        []string             `json:"tokens"`
	TokenLogprobs []*float64           `json:"token_logprobs"`
	TopLogprobs   []map[string]float64 `json:"top_logprobs"`
	TextOffset    []int                `json:"text_offset"`
}

// completionLogprobsOf tells of tokens, offset being the characters before them.
func completionLogprobsOf(tokens []turn.Token, offset int) *completionLogprobs {
	if len(tokens) == 0 {
		return nil
	}
	l := &completionLogprobs{}
	for _, t := range tokens {
		l.Tokens = append(l.Tokens, t.Text)
		l.TokenLogprobs = append(l.TokenLogprobs, t.Logprob)
		l.TextOffset = append(l.TextOffset, offset)
		offset += utf8.RuneCountInString(t.Text)
		if t.Logprob == nil {
			l.TopLogprobs = append(l.TopLogprobs, nil)
			continue
		}
		// A key is a token, though several may have the same text. The one that came stands among the most likely ones.
		top := map[string]float64{t.Text: *t.Logprob}
		for _, o := range t.Top {
			key := o.Text
			if o.ID == t.ID {
				continue
			}
			if _, taken := top[key]; taken {
				key = fmt.Sprintf("token_id:%d", o.ID)
			}
			top[key] = *o.Logprob
		}
		l.TopLogprobs = append(l.TopLogprobs, top)
	}
	return l
}

func (h *Head) completion(choices ...completionChoice) completionObject {
	if choices == nil {
		choices = []completionChoice{}
	}
	return completionObject{ID: "cmpl-" + h.ID, Object: "text_completion", Created: h.Created, Model: h.Model, Choices: choices}
}

// Completion returns the body that answers a request for completions. echo are the texts of the prompts, to be repeated before each
// of their n choices; nil: they are not.
func (h *Head) Completion(a *turn.Answer, echo []string, n int) any {
	o := h.completion()
	for i, r := range a.Choices {
		c := completionChoice{Text: r.Text, Index: i, FinishReason: &r.Finish, Logprobs: completionLogprobsOf(append(r.Prompt, r.Tokens...), 0)}
		if echo != nil {
			c.Text = echo[i/n] + c.Text
		}
		o.Choices = append(o.Choices, c)
	}
	o.Usage = usageOf(a.Usage)
	return o
}

// CompletionStream makes the chunks of completions.
type CompletionStream struct {
	Head
	IncludeUsage bool
	Echo         []string // as for Completion
	N            int
	echoed       map[int]bool
	offsets      map[int]int // characters of choices so far
}

// Frames returns the chunks for an event.
func (s *CompletionStream) Frames(e turn.Event) []turn.Frame {
	if s.echoed == nil {
		s.echoed, s.offsets = map[int]bool{}, map[int]int{}
	}
	var frames []turn.Frame
	send := func(text string, tokens []turn.Token, f *turn.Finish) {
		l := completionLogprobsOf(tokens, s.offsets[e.Choice])
		s.offsets[e.Choice] += utf8.RuneCountInString(text)
		frames = append(frames, turn.Frame{Data: s.completion(completionChoice{Text: text, Index: e.Choice, Logprobs: l, FinishReason: f})})
	}
	echo := func(tokens []turn.Token) {
		if s.Echo != nil && !s.echoed[e.Choice] {
			s.echoed[e.Choice] = true
			send(s.Echo[e.Choice/s.N], tokens, nil)
		}
	}
	switch e.Kind {
	case turn.Waiting:
		return waiting(e)
	case turn.Failed:
		return []turn.Frame{{Data: Error(e.Err)}}
	case turn.Scored:
		echo(e.Tokens)
	case turn.Text:
		echo(nil)
		send(e.Text, e.Tokens, nil)
	case turn.Finished:
		echo(nil)
		send("", e.Tokens, &e.Finish)
	case turn.Done:
		if s.IncludeUsage {
			last := s.completion()
			last.Usage = usageOf(e.Usage)
			frames = append(frames, turn.Frame{Data: last})
		}
		frames = append(frames, turn.Frame{Data: turn.Raw("[DONE]")})
	}
	return frames
}
