package jamba

import (
	"encoding/json"

	"jamba/text/chat"
)

// Message is a message of a conversation. In JSON it is as in OpenAI's API; conversations whose messages have more than this,
// such as a content in parts, are for ChatJSON.
type Message struct {
	Role    string `json:"role"` // system, user, assistant, tool, …
	Content string `json:"content"`

	Name             string          `json:"name,omitempty"`
	ReasoningContent string          `json:"reasoning_content,omitempty"` // what an assistant thought before the content
	ToolCalls        json.RawMessage `json:"tool_calls,omitempty"`        // of an assistant: an array of calls
	ToolCallID       string          `json:"tool_call_id,omitempty"`      // of a tool: the call that it answers
}

// request returns what the chat template is given. JSON reaches it as it is written, keys in their order.
func request(messages []Message, tools, documents []json.RawMessage) (chat.Request, error) {
	plain := make([]chat.Message, len(messages))
	for i, m := range messages {
		plain[i] = chat.Message{Role: m.Role, Content: m.Content}
	}
	r := chat.NewRequest(plain...)
	for i, m := range messages {
		for _, field := range []struct{ name, value string }{{"name", m.Name}, {"reasoning_content", m.ReasoningContent}, {"tool_call_id", m.ToolCallID}} {
			if field.value != "" {
				r.SetString(i, field.name, field.value)
			}
		}
		if m.ToolCalls != nil {
			if err := r.SetJSON(i, "tool_calls", m.ToolCalls); err != nil {
				return r, err
			}
		}
	}
	err := r.SetTools(tools)
	if err == nil {
		err = r.SetDocuments(documents)
	}
	return r, err
}
