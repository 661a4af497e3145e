package reply

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"jamba/internal/testutil"

	"pgregory.net/rapid"
)

// shown writes parts down.
func shown(parts []Part) string {
	var b strings.Builder
	for _, p := range merged(parts) {
		switch {
		case p.Call != nil:
			fmt.Fprintf(&b, "(%s %s)", p.Call.Name, p.Call.Arguments)
		case p.Thought != "":
			fmt.Fprintf(&b, "{%s}", p.Thought)
		default:
			fmt.Fprintf(&b, "%q", p.Text)
		}
	}
	return b.String()
}

func find(t testing.TB, name string) *Format {
	f, err := Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestReply takes answers apart, in one piece and cut at every byte and at every two.
func TestReply(t *testing.T) {
	for _, test := range []struct {
		format         string
		thinks, opened bool
		text, want     string
	}{
		{"none", false, false, "Hello <tool_call>\n", `"Hello <tool_call>\n"`},
		{"none", true, false, "<think>\na b\n</think>\n\nHello\n", `{a b}"Hello\n"`},
		{"none", true, true, "a </thin </think>b", `{a </thin }"b"`},
		{"none", true, true, "never ends\n", `{never ends}`},
		{"none", true, false, "  <thin", `"  <thin"`},
		{"none", false, true, "a</think>b", `"a</think>b"`},

		{"jamba", false, false, "Let me see.<tool_calls>[\n    {\"name\": \"f\", \"arguments\": {\"a\": 1}},\n    {\"name\": \"g\", \"arguments\": {\"b\": [\"]</tool_calls>\"]}}\n]</tool_calls>", `"Let me see."(f {"a": 1})(g {"b": ["]</tool_calls>"]})`},
		{"jamba", false, false, "<tool_calls>[]</tool_calls>", `"<tool_calls>[]</tool_calls>"`},
		{"jamba", false, false, "<tool_calls>[{\"name\": \"f\"}", `(f {})`},
		{"jamba", false, false, "<tool_calls>[{\"name\": \"f\", \"arguments\": {\"a\"", `"<tool_calls>[{\"name\": \"f\", \"arguments\": {\"a\""`},
		{"jamba", false, false, "<tool_calls>[{\"name\": \"f\", \"arguments\": 3}]</tool_calls>", `"<tool_calls>[{\"name\": \"f\", \"arguments\": 3}]</tool_calls>"`},
		{"jamba", false, false, "<tool_calls> and <tool_calls>[{\"name\": \"f\"}]</tool_calls> done", `"<tool_calls> and"(f {})" done"`},

		{"hermes", true, true, "\nfirst\n</think>\n\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": \"}\\\"{\"}}\n</tool_call>\n<tool_call>\n{\"name\": \"g\", \"arguments\": \"{\\\"a\\\": 2}\"}\n</tool_call>\n", "{first}(f {\"x\": \"}\\\"{\"})(g {\"a\": 2})"},
		{"hermes", false, false, "So:\n\n<tool_call>\nnothing\n</tool_call>", `"So:\n\n<tool_call>\nnothing\n</tool_call>"`},
		{"hermes", false, false, "a\n\n", `"a\n\n"`},
		{"hermes", false, false, "<tool_call>{\"name\":\"f\"}{{</tool_call>", `(f {})"{{</tool_call>"`},

		{"llama3_json", false, false, "{\"name\": \"f\", \"parameters\": {\"é\": 1}}; {\"name\": \"g\", \"parameters\": {}}", `(f {"é": 1})(g {})`},
		{"llama3_json", false, false, "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}", `(f {})`},
		{"llama3_json", false, false, "{\"a\": 1}", `"{\"a\": 1}"`},
		{"llama3_json", false, false, "{ so be it", `"{ so be it"`},
		{"llama3_json", false, false, "I say {\"name\": \"f\"}", `"I say {\"name\": \"f\"}"`},

		{"mistral", false, false, "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {}}, {\"name\": \"g\", \"arguments\": {\"a\": []}}]", `(f {})(g {"a": []})`},
		{"mistral", false, false, "[TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g[ARGS]{}", `(f {"a": 1})(g {})`},
		{"mistral", false, false, "[TOOL_CALLS]f[AR", `"[TOOL_CALLS]f[AR"`},
	} {
		o := Options{test.thinks, test.opened, find(t, test.format)}
		whole := New(o)
		if got := shown(append(whole.Push(test.text), whole.Flush()...)); got != test.want {
			t.Errorf("%s: %q:\n got %s\nwant %s", test.format, test.text, got, test.want)
		}
		for i := range len(test.text) + 1 {
			for j := i; j <= len(test.text); j++ {
				s := New(o)
				parts := append(s.Push(test.text[:i]), s.Push(test.text[i:j])...)
				parts = append(append(parts, s.Push(test.text[j:])...), s.Flush()...)
				if got := shown(parts); got != test.want {
					t.Fatalf("%s: %q cut at %d and %d:\n got %s\nwant %s", test.format, test.text, i, j, got, test.want)
				}
			}
		}
	}
}

// TestAnyReply cuts texts made of what means something, in any way: the parts are the same, and without calls no text is lost.
func TestAnyReply(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := Options{Thinks: rapid.Bool().Draw(t, "thinks"), Opened: rapid.Bool().Draw(t, "opened")}
		if i := rapid.IntRange(-1, len(Formats)-1).Draw(t, "format"); i >= 0 {
			o.Format = Formats[i]
		}
		words := append(Tokens(), "{", "}", "[", "]", `{"name": "f", "arguments": {}}`, `{"name": "g"`, `"`, "\\", "\n", " ", "é", "a", ",", ";")
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(words), 0, 12).Draw(t, "words"), "")
		whole := New(o)
		parts := append(whole.Push(text), whole.Flush()...)
		s := New(o)
		var cut []Part
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			cut = append(cut, s.Push(rest[:n])...)
			rest = rest[n:]
		}
		if cut = append(cut, s.Flush()...); shown(cut) != shown(parts) {
			t.Fatalf("%q: cut %s, whole %s", text, shown(cut), shown(parts))
		}
		if o.Format == nil && !o.Thinks && shown(parts) != shown(said(text)) {
			t.Fatalf("%q became %s", text, shown(parts))
		}
	})
}

// TestDetect tells the formats of the chat templates at hand.
func TestDetect(t *testing.T) {
	for file, want := range map[string]string{"jamba15-protocol": "jamba", "chatml-hermes": "hermes", "headers": "llama3_json", "inst": ""} {
		source, err := os.ReadFile(testutil.Golden("chat", "templates", file+".jinja"))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if f := Detect(string(source)); f != nil {
			got = f.Name
		}
		if got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}
