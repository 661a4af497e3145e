package reply

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"jamba/internal/testutil"

	"pgregory.net/rapid"
)

// shown writes parts down.
func shown(parts []Part) string {
	var b strings.Builder
	for _, p := range merged(parts) {
		switch {
		case p.Call != nil:
			fmt.Fprintf(&b, "(%s ", p.Call.Name)
		case p.Arguments != "":
			end := map[bool]string{true: ")", false: " …"}[p.Complete]
			b.WriteString(p.Arguments + end)
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
		{"jamba", false, false, "<tool_calls>[{\"name\": \"f\", \"arguments\": {\"a\"", `(f {"a" …`},
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
		{"llama3_json", false, false, "So:\n{\"name\": \"f\", \"parameters\": {}}\n{\"name\": \"g\"}", `"So:"(f {})(g {})`},
		{"llama3_json", false, false, "So:\n{\"a\": 1}\n", `"So:\n{\"a\": 1}\n"`},
		{"llama3_json", true, false, "<think>\na\n</think>\n\n{\"type\": \"function\", \"name\": \"f\", \"parameters\": {\"a\": [{}]}}", `{a}(f {"a": [{}]})`},
		{"llama3_json", false, false, "{\"name\": \"f\", \"parameters\": \"{\\\"a\\\": 1}\"}", `(f {"a": 1})`},

		{"mistral", false, false, "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {}}, {\"name\": \"g\", \"arguments\": {\"a\": []}}]", `(f {})(g {"a": []})`},
		{"mistral", false, false, "[TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g[ARGS]{}", `(f {"a": 1})(g {})`},
		{"mistral", false, false, "[TOOL_CALLS]f[AR", `"[TOOL_CALLS]f[AR"`},
		{"mistral", false, false, "[TOOL_CALLS]f[ARGS]3", `"[TOOL_CALLS]f[ARGS]3"`},
		{"mistral", false, false, "[TOOL_CALLS][{\"id\": \"abc123456\", \"name\": \"f\", \"arguments\": {\"a\": 1}}, {\"name\": \"g\", \"arguments\": {}, \"id\": \"abc123457\"}]", `(f {"a": 1})(g {})`},

		// What breaks off behind the beginning of the arguments stays a call, and what follows is text.
		{"hermes", false, false, "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": tru}}</tool_call>", `(f {"a": tru …"}}</tool_call>"`},
		{"hermes", false, false, "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": {}\n</tool_call> so", "(f {\"a\": {}\n …\" so\""},
		{"hermes", false, false, "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"x\ny\"}}</tool_call>", `(f {"a": "x …"\ny\"}}</tool_call>"`},
		{"hermes", false, false, "<tool_call>{\"name\": \"f\", \"arguments\": {}\n</tool_call>\n<tool_call>{\"name\": \"g\", \"arguments\": {\"é", `(f {})(g {"é …`},
		{"hermes", false, false, "<tool_call>{\"name\": \"f\", \"arguments\": {}, \"id\": 3}</tool_call>", `(f {})`},
		{"hermes", false, false, "<tool_call>{\"name\": \"f\", \"arguments\": {}, 3}</tool_call>", `(f {})", 3}</tool_call>"`},
		{"hermes", false, false, "<tool_call>{\"name\": \"f\", \"arguments\": {}, \"id\": ", `(f {})`},
		// The order of members does not matter, nor what else there is.
		{"hermes", false, false, "<tool_call>{\"arguments\": {\"name\": \"g\"}, \"name\": \"f\"}</tool_call>", `(f {"name": "g"})`},
		{"hermes", false, false, "<tool_call>{\"id\": {\"name\": \"g\"}, \"na\\u006de\": \"f\\n\", \"arguments\": {\"a\": \"\\ud83d\\ude00😀\"}}</tool_call>", "(f\n {\"a\": \"\\ud83d\\ude00😀\"})"},
		{"hermes", false, false, "<tool_call>{\"name\": [\"f\"], \"arguments\": {}}</tool_call>", `"<tool_call>{\"name\": [\"f\"], \"arguments\": {}}</tool_call>"`},
		{"hermes", false, false, "<tool_call>{\"name\": \"\", \"arguments\": {}}</tool_call>", `"<tool_call>{\"name\": \"\", \"arguments\": {}}</tool_call>"`},
		{"hermes", false, false, "<tool_call>{\"name\": \"f\", \"arguments\": null}</tool_call>", `(f {})`},
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

// TestGoldenReplies takes apart what the goldens' templates make of assistants' calls, cut at every byte and at each of them: the
// calls are those of the conversations.
func TestGoldenReplies(t *testing.T) {
	type call struct {
		Function struct {
			Name      string
			Arguments json.RawMessage
		}
	}
	cases := map[string][]call{}
	for _, c := range testutil.JSON[[]struct {
		Name     string
		Messages []struct {
			ToolCalls []call `json:"tool_calls"`
		}
	}](t, testutil.Golden("chat", "cases.json")) {
		for _, m := range c.Messages {
			cases[c.Name] = append(cases[c.Name], m.ToolCalls...)
		}
	}
	turns := map[string][3]string{ // the format, and what is around an assistant's turn
		"jamba15-protocol.jinja": {"jamba", "<|assistant|> ", "<|eom|>"},
		"chatml-hermes.jinja":    {"hermes", "<|im_start|>assistant\n", "<|im_end|>"},
		"headers.jinja":          {"llama3_json", "assistant<|end_header_id|>\n\n", "<|eot_id|>"},
	}
	tried := 0
	for _, g := range testutil.JSONLines[struct{ Template, Case, Text string }](t, testutil.Golden("chat", "goldens.jsonl")) {
		turn, ok := turns[g.Template]
		if !ok || len(cases[g.Case]) == 0 || g.Text == "" {
			continue
		}
		tried++
		_, text, _ := strings.Cut(g.Text, turn[1])
		text, _, _ = strings.Cut(text, turn[2])
		o := Options{Thinks: true, Format: find(t, turn[0])}
		for cut := range len(text) + 1 {
			s := New(o)
			got := replyOf(append(append(s.Push(text[:cut]), s.Push(text[cut:])...), s.Flush()...))
			if len(got.calls) != len(cases[g.Case]) || got.text != map[string]string{"tool-args-string": "Let me look."}[g.Case] {
				t.Fatalf("%s %s cut at %d: %+v of %q", g.Template, g.Case, cut, got, text)
			}
			for i, want := range cases[g.Case] {
				arguments := string(want.Function.Arguments)
				_ = json.Unmarshal(want.Function.Arguments, &arguments) // if it is a string
				if compact(t, got.calls[i]) != want.Function.Name+compact(t, arguments+".") {
					t.Fatalf("%s %s cut at %d: call %q, want %s %s", g.Template, g.Case, cut, got.calls[i], want.Function.Name, arguments)
				}
			}
		}
	}
	if tried != 6 {
		t.Errorf("%d goldens with calls", tried)
	}
}

// compact returns a call without the spaces in its arguments.
func compact(t *testing.T, call string) string {
	name, arguments, _ := strings.Cut(strings.TrimSuffix(call, "."), "{")
	var b bytes.Buffer
	if err := json.Compact(&b, []byte("{"+arguments)); err != nil || !strings.HasSuffix(call, ".") {
		t.Fatalf("call %q: %v", call, err)
	}
	return name + b.String()
}

// heard is what parts come to, as a client adds them up.
type heard struct {
	thought, text string
	calls         []string // the name and the arguments, with a point if they are complete
}

func replyOf(parts []Part) (h heard) {
	for _, p := range parts {
		h.thought += p.Thought
		h.text += p.Text
		if p.Call != nil {
			h.calls = append(h.calls, p.Call.Name)
		}
		if n := len(h.calls); n > 0 {
			h.calls[n-1] += p.Arguments
			if p.Complete {
				h.calls[n-1] += "."
			}
		}
	}
	return h
}

// TestStreams has a call come byte by byte: its name is told with the beginning of its arguments, and these as they come, in whole
// characters.
func TestStreams(t *testing.T) {
	for name, text := range map[string]string{
		"jamba":       "<tool_calls>[{\"name\": \"f\", \"arguments\": {\"a\": \"é\", \"b\": 12}}]</tool_calls>",
		"hermes":      "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"é\", \"b\": 12}}</tool_call>",
		"llama3_json": "{\"name\": \"f\", \"parameters\": {\"a\": \"é\", \"b\": 12}}",
		"mistral":     "[TOOL_CALLS]f[ARGS]{\"a\": \"é\", \"b\": 12}",
	} {
		s := New(Options{Format: find(t, name)})
		from := strings.Index(text, `{"a"`)
		for i := range len(text) {
			parts := s.Push(text[i : i+1])
			piece := ""
			for _, p := range parts {
				if (p.Call != nil) != (i == from && p.Arguments == "") || !utf8.ValidString(p.Arguments) {
					t.Errorf("%s: byte %d: %+v", name, i, parts)
				}
				piece += p.Arguments
			}
			want := ""
			if i >= from && i <= strings.Index(text, `12}`)+2 && text[i] != "é"[0] {
				if want = text[i : i+1]; want == "é"[1:] {
					want = "é"
				}
			}
			if piece != want {
				t.Errorf("%s: byte %d brings %q, want %q", name, i, piece, want)
			}
		}
	}
}

// TestGoesOn has arguments break off: what follows comes at once.
func TestGoesOn(t *testing.T) {
	for begin, want := range map[string]string{
		`{"a": oops, so`: `(f {"a":  …"oops, so"`,
		`{"a": "\x", so`: `(f {"a": "\ …"x\", so"`,
		`{"a": 01, so`:   `(f {"a": 0 …"1, so"`,
	} {
		if got := shown(New(Options{Format: find(t, "hermes")}).Push(`<tool_call>{"name": "f", "arguments": ` + begin)); got != want {
			t.Errorf("%s: %s, want %s", begin, got, want)
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
		words := append([]string{thinkOpen, thinkClose, args, "<tool_calls>", "</tool_calls>", "<tool_call>", "</tool_call>", "[TOOL_CALLS]", "<|python_tag|>"}, "{", "}", "[", "]", `{"name": "f", "arguments": {}}`, `{"name": "g"`, `, "arguments": {`, `"a": 1`, `"é": [`, `"`, "\\", "\n", " ", "é", "a", ",", ";", ":")
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
		for _, p := range cut {
			if !utf8.ValidString(p.Text + p.Thought + p.Arguments) {
				t.Fatalf("%q: a piece is no text: %+v", text, p)
			}
		}
		for _, call := range replyOf(cut).calls {
			at := max(strings.Index(call, "{"), 0)
			if arguments, complete := strings.CutSuffix(call[at:], "."); json.Valid([]byte(arguments)) != complete {
				t.Fatalf("%q: call %q is complete: %v", text, call, complete)
			}
		}
		if o.Format == nil && !o.Thinks && shown(parts) != shown(said(text)) {
			t.Fatalf("%q became %s", text, shown(parts))
		}
	})
}

// TestCallID makes ids that templates take: Mistral's want 9 letters and digits.
func TestCallID(t *testing.T) {
	for _, f := range Formats {
		want := regexp.MustCompile(`^call_[A-Z2-7]{24}$`)
		if f.Name == "mistral" {
			want = regexp.MustCompile(`^[A-Z2-7]{9}$`)
		}
		if one, other := f.CallID(), f.CallID(); !want.MatchString(one) || one == other {
			t.Errorf("%s: %s and %s", f.Name, one, other)
		}
	}
}

// TestDetect tells the formats of the chat templates at hand.
func TestDetect(t *testing.T) {
	for file, want := range map[string]string{"jamba15-protocol": "jamba", "chatml-hermes": "hermes", "headers": "llama3_json", "inst": ""} {
		source, err := os.ReadFile(testutil.Golden("chat", "templates", file+".jinja"))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if f := detect(string(source)); f != nil {
			got = f.Name
		}
		if got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}
