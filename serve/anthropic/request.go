package anthropic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"jamba/serve/turn"
)

// Request is the body of POST /v1/messages.
type Request struct {
	Model         string            `json:"model"`
	MaxTokens     *int              `json:"max_tokens"`
	System        json.RawMessage   `json:"system"`
	Messages      []message         `json:"messages"`
	Tools         []json.RawMessage `json:"tools"`
	ToolChoice    *toolChoice       `json:"tool_choice"`
	Stream        bool              `json:"stream"`
	StopSequences []string          `json:"stop_sequences"`
	Temperature   *float64          `json:"temperature"`
	TopP          *float64          `json:"top_p"`
	TopK          *int              `json:"top_k"`
	Thinking      *struct {
		Type         string `json:"type"`
		BudgetTokens *int   `json:"budget_tokens"`
	} `json:"thinking"`
	OutputConfig *struct {
		Effort string          `json:"effort"`
		Format json.RawMessage `json:"format"`
	} `json:"output_config"`

	Diagnostics *struct {
		PreviousMessageID *string `json:"previous_message_id"`
	} `json:"diagnostics"`

	// Caches is whether the request marks what is to be kept.
	Caches bool `json:"-"`
}

type message struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

type toolChoice struct {
	Type                   string `json:"type"`
	Name                   string `json:"name"`
	DisableParallelToolUse bool   `json:"disable_parallel_tool_use"`
}

// block is a block of a content.
type block struct {
	Type      string          `json:"type"`
	Text      string          `json:"text"`
	Thinking  string          `json:"thinking"`
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Input     json.RawMessage `json:"input"`
	ToolUseID string          `json:"tool_use_id"`
	Content   json.RawMessage `json:"content"`
	Cache     json.RawMessage `json:"cache_control"`
	Source    *struct {
		Type string `json:"type"`
		Data string `json:"data"`
	} `json:"source"`
}

// maxStops is how many stop sequences a request may have.
const maxStops = 64

// Read reads a request. A count of tokens has no max_tokens.
func Read(body []byte, count bool) (*Request, *turn.Request, error) {
	q := &Request{}
	if err := turn.Decode(body, q); err != nil {
		return nil, nil, err
	}
	q.Caches = bytes.Contains(body, []byte(`"cache_control"`))
	if q.MaxTokens == nil && !count {
		return nil, nil, turn.Invalid("max_tokens", "missing")
	}
	for _, err := range []error{
		turn.Check("max_tokens", q.MaxTokens, 0, 1<<30), turn.Check("temperature", q.Temperature, 0, 2),
		turn.Check("top_p", q.TopP, math.SmallestNonzeroFloat64, 1), turn.Check("top_k", q.TopK, -1, math.MaxInt32),
	} {
		if err != nil {
			return nil, nil, err
		}
	}
	if len(q.StopSequences) > maxStops {
		return nil, nil, turn.Invalid("stop_sequences", "%d strings, at most %d may be", len(q.StopSequences), maxStops)
	}
	for i, s := range q.StopSequences {
		if s == "" || len(s) > 1024 {
			return nil, nil, turn.Invalid(fmt.Sprintf("stop_sequences[%d]", i), "%d bytes, want 1 to 1024", len(s))
		}
	}
	c, err := q.chat()
	if err != nil {
		return nil, nil, err
	}
	var compare *turn.Comparison
	if d := q.Diagnostics; d != nil && d.PreviousMessageID != nil {
		compare = &turn.Comparison{ID: *d.PreviousMessageID}
	}
	f, err := q.format()
	if err != nil {
		return nil, nil, err
	}
	return q, &turn.Request{
		Model: q.Model, Chat: c, N: 1, Stream: q.Stream, MaxTokens: q.MaxTokens, Stop: q.StopSequences, Temperature: q.Temperature, TopP: q.TopP, TopK: q.TopK,
		Format: f, Compare: compare,
	}, nil
}

// format reads what the answer has to be.
func (r *Request) format() (*turn.Format, error) {
	const param = "output_config.format"
	o := r.OutputConfig
	if o == nil || len(o.Format) == 0 || string(o.Format) == "null" {
		return nil, nil
	}
	var f struct {
		Type   string          `json:"type"`
		Schema json.RawMessage `json:"schema"`
	}
	switch {
	case json.Unmarshal(o.Format, &f) != nil:
		return nil, turn.Invalid(param, "want an object with type and schema")
	case f.Type != "json_schema":
		return nil, turn.Invalid(param+".type", "%.40q is not known, want json_schema", f.Type)
	case len(f.Schema) == 0 || string(f.Schema) == "null":
		return nil, turn.Invalid(param+".schema", "missing")
	}
	return &turn.Format{Param: param + ".schema", Schema: f.Schema}, nil
}

func (r *Request) chat() (*turn.Chat, error) {
	c := &turn.Chat{}
	system, err := texts("system", r.System)
	if err != nil {
		return nil, err
	}
	for i := range system {
		system[i] = withoutBilling(system[i])
	}
	if system = slices.DeleteFunc(system, func(text string) bool { return text == "" }); len(system) > 0 {
		c.Messages = []turn.Message{{Role: "system", Content: new(strings.Join(system, "\n\n"))}}
		if bytes.Contains(r.System, []byte(`"cache_control"`)) {
			c.Kept = []int{1}
		}
	}
	if len(r.Messages) == 0 {
		return nil, turn.Invalid("messages", "empty, want at least one message")
	}
	for i, m := range r.Messages {
		if err := m.add(c, fmt.Sprintf("messages[%d]", i)); err != nil {
			return nil, err
		}
	}
	if len(c.Messages) == 0 {
		return nil, turn.Invalid("messages", "nothing in them is for the model")
	}
	// An answer that the last message begins goes on.
	if last := c.Messages[len(c.Messages)-1]; last.Role == "assistant" && last.Content != nil && len(last.Calls) == 0 {
		c.Continue = true
	}
	if err := r.tools(c); err != nil {
		return nil, err
	}
	if t := r.Thinking; t != nil {
		switch t.Type {
		case "disabled":
			c.NoThoughts = true
		case "enabled", "adaptive":
			if t.BudgetTokens != nil {
				if err := turn.Check("thinking.budget_tokens", t.BudgetTokens, 1, 1<<30); err != nil {
					return nil, err
				}
				c.ThoughtTokens = *t.BudgetTokens
			}
		default:
			return nil, turn.Invalid("thinking.type", "%.40q is not known; enabled, adaptive and disabled are", t.Type)
		}
	}
	return c, nil
}

// billing begins a line that clients put before their system prompts. It says nothing to a model, and is another one in each
// conversation or request, so that nothing behind it would be found again.
const billing = "x-anthropic-billing-header:"

func withoutBilling(text string) string {
	if !strings.Contains(text, billing) {
		return text
	}
	return strings.Join(slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool {
		return strings.HasPrefix(strings.TrimSpace(line), billing)
	}), "\n")
}

// texts reads a text or blocks of text.
func texts(param string, raw json.RawMessage) (list []string, err error) {
	blocks, err := blocksOf(param, raw)
	if err != nil {
		return nil, err
	}
	for i, b := range blocks {
		if b.Type != "text" {
			return nil, turn.Invalid(fmt.Sprintf("%s[%d].type", param, i), "%.40q is not supported: the model reads text alone", b.Type)
		}
		if b.Text != "" {
			list = append(list, b.Text)
		}
	}
	return list, nil
}

// blocksOf reads a content; a text is one block.
func blocksOf(param string, raw json.RawMessage) (blocks []block, err error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []block{{Type: "text", Text: text}}, nil
	}
	if json.Unmarshal(raw, &blocks) != nil {
		return nil, turn.Invalid(param, "want a string or an array of blocks")
	}
	return blocks, nil
}

// add adds a message. Results of tools become messages of their own, where they stand.
func (m *message) add(c *turn.Chat, param string) error {
	blocks, err := blocksOf(param+".content", m.Content)
	if err != nil {
		return err
	}
	switch m.Role {
	case "user", "assistant", "system":
	default:
		return turn.Invalid(param+".role", "%.40q is not known; user, assistant and system are", m.Role)
	}
	if len(blocks) == 0 {
		return turn.Invalid(param+".content", "empty, want text or blocks")
	}
	own := turn.Message{Role: m.Role}
	var text []string
	kept := false
	flush := func(always bool) {
		if len(text) > 0 {
			own.Content = new(strings.Join(text, "\n"))
		}
		if always || own.Content != nil {
			c.Messages = append(c.Messages, own)
			if kept {
				c.Kept = append(c.Kept, len(c.Messages))
			}
			kept = false
		}
		own, text = turn.Message{Role: m.Role}, nil
	}
	for i, b := range blocks {
		at := fmt.Sprintf("%s.content[%d]", param, i)
		kept = kept || len(b.Cache) > 0 && string(b.Cache) != "null"
		switch b.Type {
		case "text":
			if m.Role == "system" {
				b.Text = withoutBilling(b.Text)
			}
			text = append(text, b.Text)
		case "thinking":
			own.Thought += b.Thinking
		case "redacted_thinking", "server_tool_use", "web_search_tool_result":
		case "tool_use":
			if b.Name == "" {
				return turn.Invalid(at+".name", "missing")
			}
			own.Calls = append(own.Calls, turn.Call{ID: b.ID, Name: b.Name, Arguments: turn.Given(b.Input)})
		case "tool_result":
			flush(false)
			result, err := texts(at+".content", b.Content)
			if err != nil {
				return err
			}
			c.Messages = append(c.Messages, turn.Message{Role: "tool", Content: new(strings.Join(result, "\n")), CallID: b.ToolUseID})
			if kept {
				c.Kept = append(c.Kept, len(c.Messages))
			}
			kept = false
		case "document":
			if b.Source == nil || b.Source.Type != "text" {
				return turn.Invalid(at+".source.type", "not supported: the model reads text alone")
			}
			text = append(text, b.Source.Data)
		default:
			return turn.Invalid(at+".type", "%.40q is not supported: the model reads text alone", b.Type)
		}
	}
	flush(len(own.Calls) > 0 || own.Thought != "")
	return nil
}

// tools sets the tools as OpenAI's chats have them, which is what templates know.
func (r *Request) tools(c *turn.Chat) error {
	var names []string
	for i, raw := range r.Tools {
		param := fmt.Sprintf("tools[%d]", i)
		var t struct {
			Type        string          `json:"type"`
			Name        string          `json:"name"`
			Description *string         `json:"description"`
			InputSchema json.RawMessage `json:"input_schema"`
			Strict      bool            `json:"strict"`
		}
		if json.Unmarshal(raw, &t) != nil {
			return turn.Invalid(param, "want an object with name and input_schema")
		}
		if t.Type != "" && t.Type != "custom" {
			continue // a server's
		}
		if t.Name == "" {
			return turn.Invalid(param+".name", "missing")
		}
		names = append(names, t.Name)
		if t.Strict {
			c.Strict = append(c.Strict, t.Name)
		}
		var b bytes.Buffer
		b.WriteString(`{"type":"function","function":{"name":`)
		b.Write(turn.String(t.Name))
		if t.Description != nil {
			b.WriteString(`,"description":`)
			b.Write(turn.String(*t.Description))
		}
		if len(t.InputSchema) > 0 {
			b.WriteString(`,"parameters":`)
			b.Write(t.InputSchema)
		}
		b.WriteString("}}")
		c.Tools = append(c.Tools, b.Bytes())
	}
	if t := r.ToolChoice; t != nil {
		c.OneCall = t.DisableParallelToolUse
		switch t.Type {
		case "auto":
		case "none":
			c.Choice.None = true
		case "any":
			c.Choice.Required = true
		case "tool":
			if c.Choice.Required, c.Choice.Name = true, t.Name; t.Name == "" {
				return turn.Invalid("tool_choice.name", "missing")
			}
		default:
			return turn.Invalid("tool_choice.type", "%.40q is not known; auto, any, tool and none are", t.Type)
		}
	}
	return c.Choice.Check("tool_choice", names)
}
