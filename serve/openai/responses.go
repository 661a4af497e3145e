package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"jamba/serve/turn"
)

// ResponsesRequest is the body of POST /v1/responses.
type ResponsesRequest struct {
	Model              string            `json:"model"`
	Input              json.RawMessage   `json:"input"`
	Instructions       *string           `json:"instructions"`
	Tools              []json.RawMessage `json:"tools"`
	ToolChoice         json.RawMessage   `json:"tool_choice"`
	ParallelToolCalls  *bool             `json:"parallel_tool_calls"`
	MaxOutputTokens    *int              `json:"max_output_tokens"`
	Temperature        *float64          `json:"temperature"`
	TopP               *float64          `json:"top_p"`
	TopLogprobs        *int              `json:"top_logprobs"`
	Stream             bool              `json:"stream"`
	Store              *bool             `json:"store"`
	PreviousResponseID string            `json:"previous_response_id"`
	Metadata           json.RawMessage   `json:"metadata"`
	Reasoning          *struct {
		Effort  string  `json:"effort"`
		Summary *string `json:"summary"`
	} `json:"reasoning"`
	Text *struct {
		Format json.RawMessage `json:"format"`
	} `json:"text"`
	ChatTemplateKwargs json.RawMessage `json:"chat_template_kwargs"`
	CacheSalt          string          `json:"cache_salt"`
	PromptCacheOptions *struct {
		ComparisonResponseID string `json:"comparison_response_id"`
		Prewarm              bool   `json:"prewarm"`
	} `json:"prompt_cache_options"`

	comparison *turn.Comparison
	spaces     map[string]tool // tools of namespaces, by what they are called in prompts
}

// tool is a function of a namespace.
type tool struct{ space, name string }

// Stores reports whether a later request may go on from the answer.
func (r *ResponsesRequest) Stores() bool { return r.Store == nil || *r.Store }

// prewarms reports whether the prompt alone is to be computed.
func (r *ResponsesRequest) prewarms() bool {
	return r.PromptCacheOptions != nil && r.PromptCacheOptions.Prewarm
}

// ReadResponses reads a request for a response. before returns the conversation that an earlier one ended.
func ReadResponses(body []byte, before func(id string) ([]turn.Message, bool)) (*ResponsesRequest, *turn.Request, error) {
	var q ResponsesRequest
	if err := turn.Decode(body, &q); err != nil {
		return nil, nil, err
	}
	for _, err := range []error{
		turn.Check("max_output_tokens", q.MaxOutputTokens, 0, maxLength), turn.Check("temperature", q.Temperature, 0, 2),
		turn.Check("top_p", q.TopP, math.SmallestNonzeroFloat64, 1), turn.Check("top_logprobs", q.TopLogprobs, 0, maxTop),
	} {
		if err != nil {
			return nil, nil, err
		}
	}
	c := &turn.Chat{OneCall: q.ParallelToolCalls != nil && !*q.ParallelToolCalls}
	if q.Instructions != nil && *q.Instructions != "" {
		c.Messages = []turn.Message{{Role: "system", Content: q.Instructions}}
	}
	if q.PreviousResponseID != "" {
		messages, ok := before(q.PreviousResponseID)
		if !ok {
			e := turn.Invalid("previous_response_id", "there is no such response, or it is no longer kept: send the whole conversation as input")
			e.Code = "previous_response_not_found"
			return nil, nil, e
		}
		c.Messages = append(c.Messages, messages...)
	}
	var form *turn.Format
	err := q.tools(c)
	if err == nil && q.Text != nil {
		form, err = format("text.format", q.Text.Format)
	}
	if err == nil {
		err = q.input(c)
	}
	if err == nil {
		c.Vars, err = vars("chat_template_kwargs", q.ChatTemplateKwargs)
	}
	if err != nil {
		return nil, nil, err
	}
	if q.Reasoning != nil {
		effort(c, q.Reasoning.Effort)
	}
	r := &turn.Request{
		Model: q.Model, N: 1, Stream: q.Stream, Chat: c, MaxTokens: q.MaxOutputTokens, Temperature: q.Temperature, TopP: q.TopP, Salt: q.CacheSalt,
		Format: form,
	}
	if o := q.PromptCacheOptions; o != nil && o.ComparisonResponseID != "" {
		q.comparison = &turn.Comparison{ID: o.ComparisonResponseID}
		r.Compare = q.comparison
	}
	if q.prewarms() {
		r.MaxTokens = new(0)
	}
	if q.TopLogprobs != nil && *q.TopLogprobs > 0 {
		r.Logprobs, r.Top = true, *q.TopLogprobs
	}
	return &q, r, nil
}

// tools sets the tools as chats have them. Those of namespaces stand among the others, what is no function is left out.
func (r *ResponsesRequest) tools(c *turn.Chat) error {
	var names []string
	r.spaces = map[string]tool{}
	var add func(param, space string, list []json.RawMessage) error
	add = func(param, space string, list []json.RawMessage) error {
		for i, raw := range list {
			var t struct {
				Type   string            `json:"type"`
				Name   string            `json:"name"`
				Strict bool              `json:"strict"`
				Tools  []json.RawMessage `json:"tools"`
			}
			at := fmt.Sprintf("%s[%d]", param, i)
			if err := json.Unmarshal(raw, &t); err != nil {
				return turn.Invalid(at, "want an object with type and name")
			}
			switch {
			case t.Type == "namespace" && space == "":
				if err := add(at+".tools", t.Name, t.Tools); err != nil {
					return err
				}
			case t.Type == "function":
				if t.Name == "" {
					return turn.Invalid(at+".name", "missing")
				}
				name := flat(space, t.Name)
				if space != "" {
					r.spaces[name] = tool{space, t.Name}
				}
				names = append(names, name)
				if t.Strict {
					c.Strict = append(c.Strict, name)
				}
				c.Tools = append(c.Tools, nested(raw, name))
			}
		}
		return nil
	}
	if err := add("tools", "", r.Tools); err != nil {
		return err
	}
	var err error
	c.Choice, err = choice(r.ToolChoice, names)
	return err
}

// flat returns the name of a namespace's function.
func flat(space, name string) string {
	if space == "" || strings.HasSuffix(space, "_") || strings.HasSuffix(space, ".") {
		return space + name
	}
	return space + "__" + name
}

// nested returns a tool as chats have it, its keys in their order.
func nested(raw json.RawMessage, name string) json.RawMessage {
	var b bytes.Buffer
	b.WriteString(`{"type":"function","function":{`)
	d := json.NewDecoder(bytes.NewReader(raw))
	_, _ = d.Token() // it was decoded before
	for first := true; d.More(); {
		key, err := d.Token()
		if err != nil {
			break
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			break
		}
		switch key {
		case "type", "strict":
			continue
		case "name":
			value = turn.String(name)
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		b.Write(turn.String(key.(string)))
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteString("}}")
	return b.Bytes()
}

// item is an item of a request's input.
type item struct {
	Type      string          `json:"type"`
	Role      string          `json:"role"`
	Content   json.RawMessage `json:"content"`
	Summary   json.RawMessage `json:"summary"`
	CallID    string          `json:"call_id"`
	ID        string          `json:"id"`
	Namespace string          `json:"namespace"`
	Name      string          `json:"name"`
	Arguments string          `json:"arguments"`
	Input     string          `json:"input"`
	Output    json.RawMessage `json:"output"`
}

// input adds the messages of the input.
func (r *ResponsesRequest) input(c *turn.Chat) error {
	var text string
	var items []json.RawMessage
	switch {
	case null(r.Input):
		return turn.Invalid("input", "missing")
	case json.Unmarshal(r.Input, &text) == nil:
		c.Messages = append(c.Messages, turn.Message{Role: "user", Content: &text})
		return nil
	case json.Unmarshal(r.Input, &items) != nil:
		return turn.Invalid("input", "want a string or an array of items")
	}
	thought := ""
	// assistant returns the message of the assistant that items belong to.
	assistant := func() *turn.Message {
		if n := len(c.Messages) - 1; n >= 0 && c.Messages[n].Role == "assistant" && thought == "" {
			return &c.Messages[n]
		}
		c.Messages = append(c.Messages, turn.Message{Role: "assistant", Thought: thought})
		thought = ""
		return &c.Messages[len(c.Messages)-1]
	}
	for i, raw := range items {
		param := fmt.Sprintf("input[%d]", i)
		var it item
		if err := json.Unmarshal(raw, &it); err != nil {
			if e, ok := turn.Decode(raw, &it).(*turn.Error); ok && e.Param != "" {
				return turn.Invalid(param+"."+e.Param, "%s", strings.TrimPrefix(e.Message, e.Param+": "))
			}
			return turn.Invalid(param, "want an object")
		}
		switch {
		case it.Type == "message" || it.Type == "" && it.Role != "":
			own, err := (&message{Role: it.Role, Content: it.Content}).turn(param)
			if err != nil {
				return err
			}
			if own.Role == "assistant" && own.Content != nil {
				if m := assistant(); m.Content == nil && len(m.Calls) == 0 {
					m.Content = own.Content
					continue
				}
			}
			thought = "" // of an answer that is not here
			c.Messages = append(c.Messages, own)
			if marked(it.Content) {
				c.Kept = append(c.Kept, len(c.Messages))
			}
		case it.Type == "reasoning":
			for name, part := range map[string]json.RawMessage{"content": it.Content, "summary": it.Summary} {
				s, err := content(param+"."+name, part)
				if err != nil {
					return err
				}
				if s != nil && *s != "" && (thought == "" || name == "content") {
					thought = *s
				}
			}
		case it.Type == "function_call" || it.Type == "custom_tool_call":
			if it.Name == "" {
				return turn.Invalid(param+".name", "missing")
			}
			if it.Type == "custom_tool_call" {
				it.Arguments = `{"input":` + string(turn.String(it.Input)) + `}`
			}
			m := assistant()
			m.Calls = append(m.Calls, turn.Call{ID: it.CallID, Name: flat(it.Namespace, it.Name), Arguments: it.Arguments})
		case it.Type == "function_call_output" || it.Type == "custom_tool_call_output":
			s, err := content(param+".output", it.Output)
			if err != nil {
				return err
			}
			if s == nil {
				s = new("")
			}
			c.Messages = append(c.Messages, turn.Message{Role: "tool", Content: s, CallID: it.CallID, Name: ""})
		case it.Type == "item_reference":
			return turn.Invalid(param, "items are not kept: send the item itself, or previous_response_id")
		case it.Type == "":
			return turn.Invalid(param+".type", "missing")
		}
		// Other kinds are of tools that are not here.
	}
	if len(c.Messages) == 0 {
		return turn.Invalid("input", "empty, want at least one message")
	}
	return nil
}
