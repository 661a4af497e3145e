package ollama

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"jamba/serve/turn"
)

// common are the fields that requests for answers have in common.
type common struct {
	Model   string          `json:"model"`
	Stream  *bool           `json:"stream"` // by default it is
	Format  json.RawMessage `json:"format"`
	Options options         `json:"options"`
	Think   json.RawMessage `json:"think"`
	Keep    keepAlive       `json:"keep_alive"`
}

type options struct {
	NumPredict       *int            `json:"num_predict"`
	Temperature      *float64        `json:"temperature"`
	TopK             *int            `json:"top_k"`
	TopP             *float64        `json:"top_p"`
	MinP             *float64        `json:"min_p"`
	RepeatPenalty    *float64        `json:"repeat_penalty"`
	PresencePenalty  *float64        `json:"presence_penalty"`
	FrequencyPenalty *float64        `json:"frequency_penalty"`
	Seed             *int64          `json:"seed"`
	Stop             json.RawMessage `json:"stop"`
}

// keepAlive is how long a model is to stay loaded: a number of seconds, or a string such as 5m. Less than 0 is for good.
type keepAlive struct{ time *time.Duration }

// UnmarshalJSON implements json.Unmarshaler.
func (k *keepAlive) UnmarshalJSON(b []byte) error {
	var seconds float64
	var text string
	switch {
	case string(b) == "null":
		return nil
	case json.Unmarshal(b, &seconds) == nil:
		if seconds = min(seconds, longest.Seconds()); seconds < 0 {
			seconds = -1
		}
		k.time = new(time.Duration(seconds * float64(time.Second)))
		return nil
	case json.Unmarshal(b, &text) == nil:
		d, err := time.ParseDuration(text)
		if err == nil {
			k.time = new(min(d, longest))
			return nil
		}
	}
	return turn.Invalid("keep_alive", "want seconds, or a time such as 5m")
}

// longest is how long a model can be kept for a time.
const longest = 100 * 365 * 24 * time.Hour

// chatRequest is the body of POST /api/chat.
type chatRequest struct {
	common
	Messages []message         `json:"messages"`
	Tools    []json.RawMessage `json:"tools"`
}

type message struct {
	Role       string            `json:"role"`
	Content    string            `json:"content"`
	Thinking   string            `json:"thinking"`
	Images     []json.RawMessage `json:"images"`
	ToolCalls  []toolCall        `json:"tool_calls"`
	ToolName   string            `json:"tool_name"`
	ToolCallID string            `json:"tool_call_id"`
}

type toolCall struct {
	ID       string   `json:"id,omitempty"`
	Function function `json:"function"`
}

type function struct {
	Index     int             `json:"index"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

// generateRequest is the body of POST /api/generate.
type generateRequest struct {
	common
	Prompt string            `json:"prompt"`
	System string            `json:"system"`
	Suffix string            `json:"suffix"`
	Raw    bool              `json:"raw"`
	Images []json.RawMessage `json:"images"`
}

// request checks what requests have in common.
func (c *common) request() (*turn.Request, error) {
	o := c.Options
	for _, err := range []error{
		turn.Check("options.temperature", o.Temperature, 0, 100), turn.Check("options.top_k", o.TopK, -1, math.MaxInt32),
		turn.Check("options.top_p", o.TopP, math.SmallestNonzeroFloat64, 1), turn.Check("options.min_p", o.MinP, 0, 1),
		turn.Check("options.repeat_penalty", o.RepeatPenalty, math.SmallestNonzeroFloat64, 100),
		turn.Check("options.presence_penalty", o.PresencePenalty, -100, 100), turn.Check("options.frequency_penalty", o.FrequencyPenalty, -100, 100),
		turn.Check("options.num_predict", o.NumPredict, -2, 1<<30),
	} {
		if err != nil {
			return nil, err
		}
	}
	r := &turn.Request{
		Model: c.Model, N: 1, Stream: c.Stream == nil || *c.Stream, Temperature: o.Temperature, TopK: o.TopK, TopP: o.TopP, MinP: o.MinP,
		RepetitionPenalty: o.RepeatPenalty, PresencePenalty: o.PresencePenalty, FrequencyPenalty: o.FrequencyPenalty, Keep: c.Keep.time,
	}
	switch f := string(c.Format); {
	case f == "" || f == "null" || f == `""`:
	case f == `"json"`:
		r.Format = &turn.Format{Param: "format", Schema: turn.AnyObject}
	case f[0] == '{':
		r.Format = &turn.Format{Param: "format", Schema: c.Format}
	default:
		return nil, turn.Invalid("format", "%.40s is not known; \"json\" and a JSON schema are", f)
	}
	if o.NumPredict != nil && *o.NumPredict >= 0 {
		r.MaxTokens = o.NumPredict
	}
	if o.Seed != nil {
		r.Seed = new(uint64(*o.Seed))
	}
	var one string
	switch {
	case len(o.Stop) == 0 || string(o.Stop) == "null":
	case json.Unmarshal(o.Stop, &one) == nil:
		r.Stop = []string{one}
	case json.Unmarshal(o.Stop, &r.Stop) != nil:
		return nil, turn.Invalid("options.stop", "want a string or an array of strings")
	}
	for i, s := range r.Stop {
		if s == "" || len(s) > 1024 || i >= 64 {
			return nil, turn.Invalid("options.stop", "want at most 64 strings of 1 to 1024 bytes")
		}
	}
	return r, nil
}

// think sets whether and how much the model is to think.
func (c *common) think(chat *turn.Chat) error {
	var on bool
	var effort string
	switch {
	case len(c.Think) == 0 || string(c.Think) == "null":
	case json.Unmarshal(c.Think, &on) == nil:
		chat.NoThoughts = !on
	case json.Unmarshal(c.Think, &effort) == nil:
		chat.Vars = append(chat.Vars, turn.Var{Name: "reasoning_effort", Value: turn.String(effort)})
	default:
		return turn.Invalid("think", "want true, false or a string")
	}
	return nil
}

// ReadChat reads a request of /api/chat. Without messages it only asks for the model to be there, and the request has no Chat.
func ReadChat(body []byte) (*turn.Request, error) {
	q := &chatRequest{}
	if err := turn.Decode(body, q); err != nil {
		return nil, err
	}
	r, err := q.request()
	if err != nil {
		return nil, err
	}
	c := &turn.Chat{Tools: q.Tools}
	for i, m := range q.Messages {
		at := fmt.Sprintf("messages[%d]", i)
		switch m.Role {
		case "system", "user", "assistant", "tool":
		default:
			return nil, turn.Invalid(at+".role", "%.40q is not known; system, user, assistant and tool are", m.Role)
		}
		if len(m.Images) > 0 {
			return nil, turn.Invalid(at+".images", "not supported: the model reads text alone")
		}
		own := turn.Message{Role: m.Role, Content: &m.Content, Thought: m.Thinking, CallID: m.ToolCallID}
		if m.Role == "tool" {
			own.Name = m.ToolName
		}
		for j, call := range m.ToolCalls {
			if call.Function.Name == "" {
				return nil, turn.Invalid(fmt.Sprintf("%s.tool_calls[%d].function.name", at, j), "missing")
			}
			own.Calls = append(own.Calls, turn.Call{ID: call.ID, Name: call.Function.Name, Arguments: turn.Given(call.Function.Arguments)})
		}
		c.Messages = append(c.Messages, own)
	}
	for i, raw := range q.Tools {
		var t struct {
			Function struct {
				Name string `json:"name"`
			} `json:"function"`
		}
		if json.Unmarshal(raw, &t) != nil || t.Function.Name == "" {
			return nil, turn.Invalid(fmt.Sprintf("tools[%d].function.name", i), "missing")
		}
	}
	if len(c.Messages) > 0 {
		r.Chat = c
	}
	return r, q.think(c)
}

// ReadGenerate reads a request of /api/generate. Its prompt becomes a message, unless the request says it is raw. Without one it only
// asks for the model to be there, and the request has neither Chat nor Prompts.
func ReadGenerate(body []byte) (*turn.Request, error) {
	q := &generateRequest{}
	if err := turn.Decode(body, q); err != nil {
		return nil, err
	}
	r, err := q.request()
	switch {
	case err != nil:
		return nil, err
	case q.Suffix != "":
		return nil, turn.Invalid("suffix", "not supported: the model does not fill in, it goes on")
	case len(q.Images) > 0:
		return nil, turn.Invalid("images", "not supported: the model reads text alone")
	}
	c := &turn.Chat{}
	if err := q.think(c); err != nil || q.Prompt == "" {
		return r, err
	}
	if q.Raw {
		r.Prompts = []turn.Prompt{{Text: q.Prompt}}
		return r, nil
	}
	r.Chat = c
	if q.System != "" {
		r.Chat.Messages = []turn.Message{{Role: "system", Content: &q.System}}
	}
	r.Chat.Messages = append(r.Chat.Messages, turn.Message{Role: "user", Content: &q.Prompt})
	return r, nil
}

// EmbedRequest is the body of POST /api/embed and, with a prompt, of /api/embeddings.
type EmbedRequest struct {
	Model      string          `json:"model"`
	Input      json.RawMessage `json:"input"`
	Prompt     *string         `json:"prompt"`
	Dimensions *int            `json:"dimensions"`
	KeepAlive  keepAlive       `json:"keep_alive"`

	Texts []turn.Prompt `json:"-"`
}

// Keep is turn.Request.Keep.
func (q *EmbedRequest) Keep() *time.Duration { return q.KeepAlive.time }

// Check returns an error if the request asks for other vectors than those of width numbers.
func (q *EmbedRequest) Check(width int) error {
	if q.Dimensions != nil && *q.Dimensions != width && *q.Dimensions != 0 {
		return turn.Invalid("dimensions", "%d, the model's vectors have %d numbers", *q.Dimensions, width)
	}
	return nil
}

// ReadEmbed reads a request for vectors.
func ReadEmbed(body []byte) (*EmbedRequest, error) {
	q := &EmbedRequest{}
	if err := turn.Decode(body, q); err != nil {
		return nil, err
	}
	var one string
	var all []string
	switch {
	case q.Prompt != nil:
		all = []string{*q.Prompt}
	case json.Unmarshal(q.Input, &one) == nil && len(q.Input) > 0:
		all = []string{one}
	case json.Unmarshal(q.Input, &all) != nil:
		return nil, turn.Invalid("input", "want a string or an array of strings")
	}
	if len(all) > 2048 {
		return nil, turn.Invalid("input", "%d texts, at most 2048 may be", len(all))
	}
	for _, s := range all {
		q.Texts = append(q.Texts, turn.Prompt{Text: s})
	}
	return q, nil
}
