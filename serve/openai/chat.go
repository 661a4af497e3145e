package openai

import (
	"bytes"
	"encoding/json"
	"fmt"

	"jamba/serve/turn"
)

// ChatRequest is the body of POST /v1/chat/completions.
type ChatRequest struct {
	sampling
	Messages            []message         `json:"messages"`
	MaxCompletionTokens *int              `json:"max_completion_tokens"`
	Logprobs            bool              `json:"logprobs"`
	TopLogprobs         *int              `json:"top_logprobs"`
	Tools               []json.RawMessage `json:"tools"`
	ToolChoice          json.RawMessage   `json:"tool_choice"`
	ParallelToolCalls   *bool             `json:"parallel_tool_calls"`
	ResponseFormat      json.RawMessage   `json:"response_format"`
	ReasoningEffort     string            `json:"reasoning_effort"`

	ChatTemplateKwargs   json.RawMessage   `json:"chat_template_kwargs"`
	Documents            []json.RawMessage `json:"documents"`
	ContinueFinalMessage bool              `json:"continue_final_message"`
	ThinkingBudget       *int              `json:"thinking_budget"`
}

// message is a message of a chat request.
type message struct {
	Role             string          `json:"role"`
	Content          json.RawMessage `json:"content"`
	Name             string          `json:"name"`
	ReasoningContent string          `json:"reasoning_content"`
	Reasoning        string          `json:"reasoning"`
	ToolCalls        []givenCall     `json:"tool_calls"`
	ToolCallID       string          `json:"tool_call_id"`
}

// givenCall is a call as clients send it back: some with the arguments as a string, as they should, some as an object.
type givenCall struct {
	ID       string `json:"id"`
	Function struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	} `json:"function"`
}

type toolCall struct {
	Index    *int     `json:"index,omitempty"`
	ID       string   `json:"id,omitempty"`
	Type     string   `json:"type,omitempty"`
	Function function `json:"function"`
}

type function struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

// IncludeUsage reports whether a stream ends with the counts of tokens.
func (r *ChatRequest) IncludeUsage() bool {
	return r.StreamOptions != nil && r.StreamOptions.IncludeUsage
}

// ReadChat reads a chat request.
func ReadChat(body []byte) (*ChatRequest, *turn.Request, error) {
	var c ChatRequest
	if err := turn.Decode(body, &c); err != nil {
		return nil, nil, err
	}
	r, err := c.request()
	if err != nil {
		return nil, nil, err
	}
	if c.MaxCompletionTokens != nil {
		if err := turn.Check("max_completion_tokens", c.MaxCompletionTokens, 0, maxLength); err != nil {
			return nil, nil, err
		}
		r.MaxTokens = c.MaxCompletionTokens
	}
	if err := turn.Check("top_logprobs", c.TopLogprobs, 0, maxTop); err != nil {
		return nil, nil, err
	}
	if r.Logprobs = c.Logprobs; c.TopLogprobs != nil {
		if !c.Logprobs {
			return nil, nil, turn.Invalid("top_logprobs", "needs logprobs to be true")
		}
		r.Top = *c.TopLogprobs
	}
	if r.Format, err = format("response_format", c.ResponseFormat); err != nil {
		return nil, nil, err
	}
	r.Chat, err = c.chat()
	return &c, r, err
}

func (r *ChatRequest) chat() (*turn.Chat, error) {
	if len(r.Messages) == 0 {
		return nil, turn.Invalid("messages", "empty, want at least one message")
	}
	c := &turn.Chat{Documents: r.Documents, Continue: r.ContinueFinalMessage}
	for i, m := range r.Messages {
		own, err := m.turn(fmt.Sprintf("messages[%d]", i))
		if err != nil {
			return nil, err
		}
		c.Messages = append(c.Messages, own)
		if marked(m.Content) {
			c.Kept = append(c.Kept, len(c.Messages))
		}
	}
	var err error
	if c.Vars, err = vars("chat_template_kwargs", r.ChatTemplateKwargs); err != nil {
		return nil, err
	}
	effort(c, r.ReasoningEffort)
	if r.ThinkingBudget != nil {
		if c.ThoughtTokens = *r.ThinkingBudget; c.ThoughtTokens <= 0 {
			c.ThoughtTokens = -1
		}
	}
	c.Tools = r.Tools
	names, strict, err := toolNames(r.Tools)
	if err != nil {
		return nil, err
	}
	c.Strict = strict
	c.OneCall = r.ParallelToolCalls != nil && !*r.ParallelToolCalls
	c.Choice, err = choice(r.ToolChoice, names)
	return c, err
}

// effort sets how much the model is to think, for templates that know of it.
func effort(c *turn.Chat, s string) {
	switch s {
	case "":
	case "none":
		c.NoThoughts = true
	default:
		c.Vars = append(c.Vars, turn.Var{Name: "reasoning_effort", Value: turn.String(s)})
	}
}

func (m *message) turn(param string) (own turn.Message, err error) {
	switch m.Role {
	case "system", "user", "assistant", "tool":
	case "developer":
		m.Role = "system" // templates know no other
	case "function":
		m.Role = "tool"
	case "":
		return own, turn.Invalid(param+".role", "missing, want system, developer, user, assistant or tool")
	}
	own = turn.Message{Role: m.Role, Name: m.Name, Thought: m.ReasoningContent, CallID: m.ToolCallID}
	if own.Thought == "" {
		own.Thought = m.Reasoning
	}
	if own.Content, err = content(param+".content", m.Content); err != nil {
		return own, err
	}
	for i, c := range m.ToolCalls {
		if c.Function.Name == "" {
			return own, turn.Invalid(fmt.Sprintf("%s.tool_calls[%d].function.name", param, i), "missing")
		}
		own.Calls = append(own.Calls, turn.Call{ID: c.ID, Name: c.Function.Name, Arguments: turn.Given(c.Function.Arguments)})
	}
	if own.Content == nil && len(own.Calls) == 0 && m.Role != "assistant" {
		return own, turn.Invalid(param+".content", "missing")
	}
	return own, nil
}

// toolNames checks the tools of a chat request and returns their names, and those of them that are strict.
func toolNames(tools []json.RawMessage) (names, strict []string, err error) {
	for i, raw := range tools {
		var t struct {
			Type     string `json:"type"`
			Function struct {
				Name   string `json:"name"`
				Strict bool   `json:"strict"`
			} `json:"function"`
		}
		param := fmt.Sprintf("tools[%d]", i)
		if json.Unmarshal(raw, &t) != nil {
			return nil, nil, turn.Invalid(param, "want an object with type and function")
		}
		if t.Type != "function" {
			return nil, nil, turn.Invalid(param+".type", "%.40q is not supported, want function", t.Type)
		}
		if t.Function.Name == "" {
			return nil, nil, turn.Invalid(param+".function.name", "missing")
		}
		names = append(names, t.Function.Name)
		if t.Function.Strict {
			strict = append(strict, t.Function.Name)
		}
	}
	return names, strict, nil
}

// choice reads tool_choice, as the chat API or the responses API has it.
func choice(raw json.RawMessage, names []string) (c turn.Choice, err error) {
	if null(raw) {
		return c, nil
	}
	var word string
	if json.Unmarshal(raw, &word) == nil {
		switch word {
		case "auto":
		case "none":
			c.None = true
		case "required", "any":
			c.Required = true
		default:
			return c, turn.Invalid("tool_choice", "%.40q is not known; auto, none, required and an object with the name of a function are", word)
		}
	} else {
		var named struct {
			Type     string `json:"type"`
			Name     string `json:"name"`
			Function struct {
				Name string `json:"name"`
			} `json:"function"`
		}
		if json.Unmarshal(raw, &named) != nil {
			return c, turn.Invalid("tool_choice", "want a string or an object")
		}
		if named.Type != "function" && named.Type != "" {
			return c, turn.Invalid("tool_choice.type", "%.40q is not supported", named.Type)
		}
		c.Required = true
		if c.Name = named.Function.Name; c.Name == "" {
			c.Name = named.Name
		}
		if c.Name == "" {
			return c, turn.Invalid("tool_choice", "the name of a function is missing")
		}
	}
	return c, c.Check("tool_choice", names)
}

// marked reports whether a content has a part behind which the client wants the cache to keep what was computed.
func marked(content json.RawMessage) bool {
	return bytes.Contains(content, []byte(`"prompt_cache_breakpoint"`))
}
