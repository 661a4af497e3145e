package jamba

import (
	"encoding/json"
	"strings"
	"testing"

	"jamba/internal/testutil"
	"jamba/text/chat"
)

// TestMessages expects messages with all that they may have to become the same text as a conversation in JSON, keys in their
// order.
func TestMessages(t *testing.T) {
	m, err := Open(testutil.Golden("e2e", "model"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	const (
		tool     = `{"type": "function", "function": {"name": "weather", "zone": 1, "area": {"z": 1, "a": [2.0, null]}}}`
		document = `{"year": 1999, "title": "Paris", "source": "x", "text": "It is <b>warm</b>."}`
		talk     = `[{"role": "user", "content": "Is it warm?", "name": "Ann"},
			{"role": "assistant", "content": "", "reasoning_content": "Hm.", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "weather", "arguments": {"place": "Paris", "at": 7}}}]},
			{"role": "tool", "content": "yes", "tool_call_id": "1"}, {"role": "user", "content": "Good."}]`
	)
	var messages []Message
	if err := json.Unmarshal([]byte(talk), &messages); err != nil {
		t.Fatal(err)
	}
	for template, source := range map[string]string{
		"the model's": "", "all": `{{ tools | tojson }} {{ documents | tojson }} {% for m in messages %}{{ m.items() | list }}{% endfor %} {{ add_generation_prompt }}`,
	} {
		render := m.text.Templates.Render
		if source != "" {
			own, err := chat.FromString(template, source, nil)
			if err != nil {
				t.Fatal(err)
			}
			render = own.Render
		}
		r, err := request(messages, []json.RawMessage{json.RawMessage(tool)}, []json.RawMessage{json.RawMessage(document)})
		if err != nil {
			t.Fatal(err)
		}
		got, err := render(r)
		if err != nil {
			t.Fatal(err)
		}
		var asJSON chat.Request
		if err := json.Unmarshal([]byte(`{"messages": `+talk+`, "tools": [`+tool+`], "documents": [`+document+`], "add_generation_prompt": true}`), &asJSON); err != nil {
			t.Fatal(err)
		}
		want, err := render(asJSON)
		if err != nil || got != want || !strings.Contains(got, "zone") || !strings.Contains(got, "1999") {
			t.Errorf("%s template: %q, want %q; %v", template, got, want, err)
		}
	}
	for name, change := range map[string]func(o *Options, m []Message){
		"tools[0]":               func(o *Options, _ []Message) { o.Tools = []json.RawMessage{json.RawMessage(`{"type": `)} },
		"documents[0]":           func(o *Options, _ []Message) { o.Documents = []json.RawMessage{json.RawMessage(`7`)} },
		"messages[1].tool_calls": func(_ *Options, m []Message) { m[1].ToolCalls = json.RawMessage(`[}`) },
		"messages[0].role":       func(_ *Options, m []Message) { m[0].Role = "" },
	} {
		o, own := Options{MaxTokens: 1}, append([]Message(nil), messages...)
		change(&o, own)
		var err error
		for _, err = range m.Chat(t.Context(), own, o) {
			if err != nil {
				break
			}
		}
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
