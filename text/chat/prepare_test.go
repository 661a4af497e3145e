package chat_test

import (
	"encoding/json"
	"strings"
	"testing"

	"jamba/internal/testutil"
	"jamba/text/chat"
)

// TestPrepare compares the preparation of messages and the cut of continued ones with the reference
// (testdata/make_prepare.py).
func TestPrepare(t *testing.T) {
	type golden struct {
		Name, Template, Text, Error string
		Request                     json.RawMessage
	}
	lines := testutil.JSONLines[golden](t, "testdata/prepare.jsonl")
	if len(lines) < 30 {
		t.Fatalf("%d goldens", len(lines))
	}
	tokens := goldenTokens(t)
	for _, g := range lines {
		t.Run(g.Name, func(t *testing.T) {
			tmpl, err := chat.FromString(g.Name, g.Template, tokens)
			if err != nil {
				t.Fatal(err)
			}
			var r chat.Request
			var text string
			if err = json.Unmarshal(g.Request, &r); err == nil {
				text, err = tmpl.Render(r)
			}
			if text != g.Text || (err != nil) != (g.Error != "") {
				t.Errorf("got %q %v\nwant %q %s", text, err, g.Text, g.Error)
			}
			if err != nil && !strings.Contains(err.Error(), "continue_final_message") {
				t.Errorf("the error does not say which field is wrong: %v", err)
			}
		})
	}
}

func TestRequestErrors(t *testing.T) {
	for _, c := range []struct{ json, want string }{
		{`[]`, "found an array, want an object"},
		{`{}`, "messages: empty"},
		{`{"messages": []}`, "messages: empty"},
		{`{"messages": null}`, "messages: empty"},
		{`{"messages": "hi"}`, "messages: found a string, want an array"},
		{`{"messages": [{"role": "user"}, 5]}`, "messages[1]: found a number, want an object"},
		{`{"messages": [{"content": "x"}]}`, "messages[0].role: missing"},
		{`{"messages": [{"role": null}]}`, "messages[0].role: found null"},
		{`{"messages": [{"role": ""}]}`, "messages[0].role: found an empty string"},
		{`{"messages": [{"role": "user"}], "tools": {}}`, "tools: found an object, want an array"},
		{`{"messages": [{"role": "user"}], "tools": ["f"]}`, "tools[0]: found a string, want an object"},
		{`{"messages": [{"role": "user"}], "documents": [{}, []]}`, "documents[1]: found an array, want an object"},
		{`{"messages": [{"role": "user"}], "add_generation_prompt": "yes"}`, "add_generation_prompt: found a string"},
		{`{"messages": [{"role": "user"}], "continue_final_message": 1}`, "continue_final_message: found a number"},
		{`{"messages": [{"role": "user"}], "continue_final_message": true, "add_generation_prompt": true}`, "exclude each other"},
	} {
		var r chat.Request
		if err := json.Unmarshal([]byte(c.json), &r); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n got %v\nwant %s", c.json, err, c.want)
		}
	}
}

// TestRequestUntouched checks that rendering leaves a request as it was.
func TestRequestUntouched(t *testing.T) {
	const source = `{"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}], "thinking": "t", "x": null}], "continue_final_message": true}`
	var r chat.Request
	if err := json.Unmarshal([]byte(source), &r); err != nil {
		t.Fatal(err)
	}
	tmpl, err := chat.FromString("t", "{{ messages if print else messages[0].content[0].text }}.", nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if text, err := tmpl.Render(r); err != nil || text != "a" {
			t.Fatalf("%q %v", text, err)
		}
	}
	plain := r
	plain.ContinueField = ""
	plain.Vars = map[string]any{"print": true}
	const want = "[{'thinking': 't', 'role': 'user', 'content': [{'type': 'text', 'text': 'a'}], 'reasoning_content': 't'}]."
	if text, err := tmpl.Render(plain); err != nil || text != want {
		t.Errorf("got %q %v\nwant %q", text, err, want)
	}
}
