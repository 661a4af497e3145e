package ollama

import (
	"encoding/json"
	"fmt"
	"math"

	"jamba/serve/turn"
)

// common are the fields that requests for answers have in common.
type common struct {
	Model   string          `json:"model"`
	Stream  *bool           `json:"stream"` // by default it is
	Format  json.RawMessage `json:"format"`
	Options options         `json:"options"`
	Think   json.RawMessage `json:"think"`
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

// ChatRequest is the body of POST /api/chat.
type ChatRequest struct {
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

// GenerateRequest is the body of POST /api/generate.
type GenerateRequest struct {
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
	if f := string(c.Format); f != "" && f != "null" && f != `""` {
		return nil, turn.Invalid("format", "not supported: answers cannot be held to a schema here")
	}
	r := &turn.Request{
		Model: c.Model, N: 1, Stream: c.Stream == nil || *c.Stream, Temperature: o.Temperature, TopK: o.TopK, TopP: o.TopP, MinP: o.MinP,
		RepetitionPenalty: o.RepeatPenalty, PresencePenalty: o.PresencePenalty, FrequencyPenalty: o.FrequencyPenalty,
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

// ReadChat reads a request of /api/chat. Without messages it only asks for the model to be there, and the request is nil.
func ReadChat(body []byte) (*ChatRequest, *turn.Request, error) {
	q := &ChatRequest{}
	if err := turn.Decode(body, q); err != nil {
		return nil, nil, err
	}
	r, err := q.request()
	if err != nil {
		return nil, nil, err
	}
	if len(q.Messages) == 0 {
		return q, nil, nil
	}
	c := &turn.Chat{Tools: q.Tools}
	for i, m := range q.Messages {
		at := fmt.Sprintf("messages[%d]", i)
		switch m.Role {
		case "system", "user", "assistant", "tool":
		default:
			return nil, nil, turn.Invalid(at+".role", "%.40q is not known; system, user, assistant and tool are", m.Role)
		}
		if len(m.Images) > 0 {
			return nil, nil, turn.Invalid(at+".images", "not supported: the model reads text alone")
		}
		own := turn.Message{Role: m.Role, Content: &m.Content, Thought: m.Thinking, CallID: m.ToolCallID}
		if m.Role == "tool" {
			own.Name = m.ToolName
		}
		for j, call := range m.ToolCalls {
			if call.Function.Name == "" {
				return nil, nil, turn.Invalid(fmt.Sprintf("%s.tool_calls[%d].function.name", at, j), "missing")
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
			return nil, nil, turn.Invalid(fmt.Sprintf("tools[%d].function.name", i), "missing")
		}
	}
	r.Chat = c
	return q, r, q.think(c)
}

// ReadGenerate reads a request of /api/generate. Prompts of a model that chats become a message, unless the request says they are
// raw. Without a prompt it only asks for the model to be there, and the request is nil.
func ReadGenerate(body []byte, chats bool) (*GenerateRequest, *turn.Request, error) {
	q := &GenerateRequest{}
	if err := turn.Decode(body, q); err != nil {
		return nil, nil, err
	}
	r, err := q.request()
	switch {
	case err != nil:
		return nil, nil, err
	case q.Suffix != "":
		return nil, nil, turn.Invalid("suffix", "not supported: the model does not fill in, it goes on")
	case len(q.Images) > 0:
		return nil, nil, turn.Invalid("images", "not supported: the model reads text alone")
	case q.Prompt == "":
		return q, nil, nil
	case q.Raw || !chats:
		r.Prompts = []turn.Prompt{{Text: q.Prompt}}
		return q, r, nil
	}
	r.Chat = &turn.Chat{}
	if q.System != "" {
		r.Chat.Messages = []turn.Message{{Role: "system", Content: &q.System}}
	}
	r.Chat.Messages = append(r.Chat.Messages, turn.Message{Role: "user", Content: &q.Prompt})
	return q, r, q.think(r.Chat)
}

// EmbedRequest is the body of POST /api/embed and, with a prompt, of /api/embeddings.
type EmbedRequest struct {
	Model      string          `json:"model"`
	Input      json.RawMessage `json:"input"`
	Prompt     *string         `json:"prompt"`
	Dimensions *int            `json:"dimensions"`

	Texts []turn.Prompt `json:"-"`
}

// ReadEmbed reads a request for vectors of width numbers.
func ReadEmbed(body []byte, width int) (*EmbedRequest, error) {
	q := &EmbedRequest{}
	if err := turn.Decode(body, q); err != nil {
		return nil, err
	}
	if q.Dimensions != nil && *q.Dimensions != width && *q.Dimensions != 0 {
		return nil, turn.Invalid("dimensions", "%d, the model's vectors have %d numbers", *q.Dimensions, width)
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
