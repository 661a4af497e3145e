package chat_test

import (
	"encoding/json"
	"errors"
	"os"
	"testing"

	"jamba/internal/testutil"
	"jamba/jinja"
	"jamba/text/chat"
)

// goldenTokens are the special tokens of the tokenizer that the goldens were made with.
func goldenTokens(t testing.TB) map[string]string {
	t.Helper()
	config := testutil.JSON[map[string]any](t, testutil.Golden("tokenizer", "jamba-style", "tokenizer_config.json"))
	tokens := map[string]string{}
	for _, name := range []string{"bos_token", "eos_token", "pad_token", "unk_token"} {
		s, ok := config[name].(string)
		if !ok {
			t.Fatalf("no %s", name)
		}
		tokens[name] = s
	}
	return tokens
}

// goldenRequests are the conversations of cases.json by name, their extra variables put in.
func goldenRequests(t testing.TB) map[string][]byte {
	t.Helper()
	requests := map[string][]byte{}
	for _, c := range testutil.JSON[[]json.RawMessage](t, testutil.Golden("chat", "cases.json")) {
		var fields struct {
			Name  string
			Extra map[string]json.RawMessage
		}
		if err := json.Unmarshal(c, &fields); err != nil {
			t.Fatal(err)
		}
		// The text of each field stays as it is, so that objects keep the order of their keys.
		var object map[string]json.RawMessage
		if err := json.Unmarshal(c, &object); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"name", "extra", "templates"} {
			delete(object, key)
		}
		for k, v := range fields.Extra {
			object[k] = v
		}
		b, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		requests[fields.Name] = b
	}
	return requests
}

func TestGoldens(t *testing.T) {
	tokens, requests := goldenTokens(t), goldenRequests(t)
	templates := map[string]*chat.Template{}
	type golden struct{ Template, Case, Text, Error string }
	lines := testutil.JSONLines[golden](t, testutil.Golden("chat", "goldens.jsonl"))
	if len(lines) < 90 {
		t.Fatalf("%d goldens", len(lines))
	}
	for _, g := range lines {
		t.Run(g.Template+"/"+g.Case, func(t *testing.T) {
			if templates[g.Template] == nil {
				source, err := os.ReadFile(testutil.Golden("chat", "templates", g.Template))
				if err != nil {
					t.Fatal(err)
				}
				if templates[g.Template], err = chat.FromString(g.Template, string(source), tokens); err != nil {
					t.Fatal(err)
				}
			}
			var r chat.Request
			if err := json.Unmarshal(requests[g.Case], &r); err != nil {
				t.Fatal(err)
			}
			text, err := templates[g.Template].Render(r)
			message := ""
			var raised *jinja.RaisedError
			if errors.As(err, &raised) {
				message = "TemplateError: " + raised.Message
			} else if err != nil {
				message = err.Error()
			}
			if text != g.Text || message != g.Error {
				t.Errorf("got %q %s\nwant %q %s", text, message, g.Text, g.Error)
			}
		})
	}
}
