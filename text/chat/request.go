package chat

import (
	"encoding/json"
	"fmt"

	"jamba/jinja"
)

// Message is a plain message of text. Requests with tool calls or content parts are decoded from JSON.
type Message struct {
	Role    string // system, user, assistant, ...
	Content string
}

// Request is a conversation to be rendered. The zero value of each field but Messages stands for its absence.
//
// In JSON the fields are messages, tools, documents, add_generation_prompt and continue_final_message; any further key
// becomes a variable of the template.
type Request struct {
	Messages            *jinja.List // objects with at least a role, a string
	Tools               *jinja.List // objects: JSON Schemas of functions, nil for none
	Documents           *jinja.List // objects, by convention with title and text; nil for none
	AddGenerationPrompt bool        // end with what begins an answer of the assistant
	// ContinueField names the field of the last message, as a rule content, that generation is to continue: the text ends
	// right after it. "" for none. In JSON continue_final_message is true for content, or the name.
	ContinueField string
	// Vars are further variables, which override the special tokens.
	Vars map[string]any
}

// NewRequest makes a request that asks for an answer to the messages.
func NewRequest(messages ...Message) Request {
	list := make([]any, len(messages))
	for i, m := range messages {
		d := jinja.NewDict()
		d.Set("role", m.Role)
		d.Set("content", m.Content)
		list[i] = d
	}
	return Request{Messages: jinja.NewList(list...), AddGenerationPrompt: true}
}

// SetString gives message i of a NewRequest a further field.
func (r *Request) SetString(i int, field, value string) { r.message(i).Set(field, value) }

// SetJSON is SetString for a value in JSON. Objects keep the order of their keys.
func (r *Request) SetJSON(i int, field string, value []byte) error {
	v, err := jinja.DecodeJSON(value)
	if err != nil {
		return fmt.Errorf("chat: messages[%d].%s: %w", i, field, err)
	}
	r.message(i).Set(field, v)
	return nil
}

// message returns message i of a NewRequest.
func (r *Request) message(i int) *jinja.Dict { return r.Messages.At(i).(*jinja.Dict) }

// SetTools sets the tools, each an object in JSON that keeps the order of its keys; none if there are none.
func (r *Request) SetTools(tools []json.RawMessage) (err error) {
	r.Tools, err = decodeAll("tools", tools)
	return err
}

// SetDocuments is SetTools for documents.
func (r *Request) SetDocuments(documents []json.RawMessage) (err error) {
	r.Documents, err = decodeAll("documents", documents)
	return err
}

func decodeAll(name string, texts []json.RawMessage) (*jinja.List, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	values := make([]any, len(texts))
	for i, text := range texts {
		var err error
		if values[i], err = jinja.DecodeJSON(text); err != nil {
			return nil, fmt.Errorf("chat: %s[%d]: %w", name, i, err)
		}
	}
	return jinja.NewList(values...), nil
}

// UnmarshalJSON decodes and checks a request. Objects keep the order of their keys.
func (r *Request) UnmarshalJSON(data []byte) error {
	v, err := jinja.DecodeJSON(data)
	if err != nil {
		return fmt.Errorf("chat: request: %w", err)
	}
	d, ok := v.(*jinja.Dict)
	if !ok {
		return fmt.Errorf("chat: request: found %s, want an object", kindOf(v))
	}
	*r = Request{}
	for key, v := range d.All() {
		if err := r.field(key, v); err != nil {
			return err
		}
	}
	return r.check()
}

func (r *Request) field(key string, v any) error {
	list := func(into **jinja.List) error {
		l, ok := v.(*jinja.List)
		if !ok && v != nil {
			return fmt.Errorf("chat: %s: found %s, want an array", key, kindOf(v))
		}
		*into = l
		return nil
	}
	switch key {
	case "messages":
		return list(&r.Messages)
	case "tools":
		return list(&r.Tools)
	case "documents":
		return list(&r.Documents)
	case "add_generation_prompt":
		b, ok := v.(bool)
		if !ok && v != nil {
			return fmt.Errorf("chat: %s: found %s, want true or false", key, kindOf(v))
		}
		r.AddGenerationPrompt = b
	case "continue_final_message":
		switch v := v.(type) {
		case nil:
		case bool:
			if v {
				r.ContinueField = "content"
			}
		case string:
			r.ContinueField = v
		default:
			return fmt.Errorf("chat: %s: found %s, want true, false or the name of a field", key, kindOf(v))
		}
	default:
		if r.Vars == nil {
			r.Vars = map[string]any{}
		}
		r.Vars[key] = v
	}
	return nil
}

// check says what is wrong with a request.
func (r *Request) check() error {
	if r.Messages == nil || r.Messages.Len() == 0 {
		return fmt.Errorf("chat: messages: empty, want at least one message")
	}
	for i := range r.Messages.Len() {
		m, ok := r.Messages.At(i).(*jinja.Dict)
		if !ok {
			return fmt.Errorf("chat: messages[%d]: found %s, want an object", i, kindOf(r.Messages.At(i)))
		}
		role, ok := m.Get("role")
		if !ok {
			return fmt.Errorf("chat: messages[%d].role: missing, want a string such as user", i)
		}
		if s, ok := role.(string); !ok || s == "" {
			return fmt.Errorf("chat: messages[%d].role: found %s, want a string such as user", i, kindOf(role))
		}
	}
	for _, f := range []struct {
		name string
		list *jinja.List
	}{{"tools", r.Tools}, {"documents", r.Documents}} {
		for i := 0; f.list != nil && i < f.list.Len(); i++ {
			if _, ok := f.list.At(i).(*jinja.Dict); !ok {
				return fmt.Errorf("chat: %s[%d]: found %s, want an object", f.name, i, kindOf(f.list.At(i)))
			}
		}
	}
	if r.ContinueField != "" && r.AddGenerationPrompt {
		return fmt.Errorf("chat: continue_final_message and add_generation_prompt exclude each other: either the last " +
			"message goes on or a new one begins")
	}
	return nil
}

// kindOf names a value for error messages.
func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return fmt.Sprint(v)
	case string:
		if v == "" {
			return "an empty string"
		}
		return "a string"
	case *jinja.List:
		return "an array"
	case *jinja.Dict:
		return "an object"
	}
	return "a number"
}
