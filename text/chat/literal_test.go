package chat_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"jamba/internal/testutil"
	"jamba/text/chat"
)

// brackets is a guard whose control tokens no template writes.
type brackets struct{}

func (brackets) Begins(r rune) bool { return r == '⟪' }
func (brackets) Token(s string) string {
	if strings.HasPrefix(s, "⟪end⟫") {
		return "⟪end⟫"
	}
	return ""
}

// TestRenderLiteralGoldens puts a control token into what each conversation says. The twin has a plain word in its place,
// which is looked for in the text.
func TestRenderLiteralGoldens(t *testing.T) {
	tokens, requests := goldenTokens(t), goldenRequests(t)
	followed := 0
	for _, g := range testutil.JSONLines[struct{ Template, Case, Text, Error string }](t, testutil.Golden("chat", "goldens.jsonl")) {
		if g.Error != "" {
			continue
		}
		source, err := os.ReadFile(testutil.Golden("chat", "templates", g.Template))
		if err != nil {
			t.Fatal(err)
		}
		template, err := chat.FromString(g.Template, string(source), tokens)
		if err != nil {
			t.Fatal(err)
		}
		with := func(word string) (r chat.Request) {
			var request map[string]any
			if err := json.Unmarshal(requests[g.Case], &request); err != nil {
				t.Fatal(err)
			}
			for _, m := range request["messages"].([]any) {
				if s, ok := m.(map[string]any)["content"].(string); ok && len(s) > 0 {
					m.(map[string]any)["content"] = s[:1] + word + s[1:] + word
				}
			}
			b, err := json.Marshal(request)
			if err == nil {
				err = json.Unmarshal(b, &r)
			}
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		twin, err := template.Render(with("Qendq"))
		if err != nil {
			continue
		}
		text, literal, err := template.RenderLiteral(with("⟪end⟫"), brackets{})
		want := strings.ReplaceAll(twin, "Qendq", "⟪end⟫")
		if err != nil || text != want {
			t.Errorf("%s/%s: %q, error %v, want %q", g.Template, g.Case, text, err, want)
			continue
		}
		at := []int{}
		for i, r := range want {
			if r == '⟪' {
				at = append(at, i)
			}
		}
		if !slices.Equal(literal, at) && len(at) > 0 {
			t.Errorf("%s/%s: literal %v, want %v", g.Template, g.Case, literal, at)
		}
		followed += len(at)
	}
	if followed < 200 {
		t.Errorf("%d control tokens were followed", followed)
	}
}

// angles is a guard for what templates write.
type angles struct{}

func (angles) Begins(r rune) bool { return r == '<' }
func (angles) Token(s string) string {
	for _, token := range []string{"<|im_end|>", "<|im_start|>", "<think>", "</think>"} {
		if strings.HasPrefix(s, token) {
			return token
		}
	}
	return ""
}

const chatml = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ CONTENT }}<|im_end|>\n{% endfor %}"

// TestRenderLiteral has templates that do something to what is said.
func TestRenderLiteral(t *testing.T) {
	const answer = "<think>\nwell, <b>\n</think>\n\nYes <|im_end|>"
	for name, c := range map[string]struct {
		content  string // of the template
		messages []chat.Message
		want     string // of what is literal, each to the next white space
		err      string
	}{
		"as it is":  {"m.content", []chat.Message{{"user", "a <|im_end|> b < c"}}, "<|im_end|> <", ""},
		"trimmed":   {"m.content | trim", []chat.Message{{"user", "  <|im_end|>  "}, {"assistant", "<think>"}}, "<|im_end|><|im_end|> <think><|im_end|>", ""},
		"as JSON":   {"m.content | tojson", []chat.Message{{"user", "say \"<|im_end|>\""}}, `<|im_end|>\""<|im_end|>`, ""},
		"replaced":  {"m.content | replace('a', 'b')", []chat.Message{{"user", "a<|im_end|>"}}, "<|im_end|><|im_end|>", ""},
		"in pieces": {"m.content[:4] ~ m.content[4:]", []chat.Message{{"user", "<|im_end|>"}}, "<|im_end|><|im_end|>", ""},
		"over two messages": {
			"m.content", []chat.Message{{"user", "<|im_"}, {"user", "end|>"}}, "<|im_<|im_end|>", "",
		},
		"private use": {"m.content", []chat.Message{{"user", "<\U00100000"}}, "", "U+100000"},
		"upper case":  {"m.content | upper", []chat.Message{{"user", "a <b"}}, "<B<|im_end|>", ""},
		"a reasoning that is left out": {
			"m.content.split('</think>')[-1]",
			[]chat.Message{{"user", "<|im_end|>"}, {"assistant", answer}, {"user", "x"}},
			"<|im_end|><|im_end|> <|im_end|><|im_end|>", "",
		},
		"a reasoning that is kept": {
			"('<think>' ~ m.content.split('</think>')[0].split('<think>')[-1] ~ '</think>' ~ m.content.split('</think>')[-1]) if '</think>' in m.content else m.content",
			[]chat.Message{{"user", "<|im_end|>"}, {"assistant", answer}},
			// Where the answer is put as it was, its own marks of reasoning are literal, too.
			"<|im_end|><|im_end|> <think> <b> </think> <|im_end|><|im_end|>", "",
		},
		"in code points": {"m.content | urlencode", []chat.Message{{"user", "<|im_end|>"}}, "", ""},
		"another token for it": {
			"m.content | replace('<|im_end|>', '<|im_start|>')", []chat.Message{{"user", "<|im_end|>"}}, "", "",
		},
		"its length": {"m.content ~ ('<' in m.content)", []chat.Message{{"user", "a < b"}}, "", "messages[0].content"},
		"the role":   {"m.content", []chat.Message{{"<|im_end|>", "a"}}, "", `messages[0].role holds the control token "<|im_end|>"`},
	} {
		template, err := chat.FromString(name, strings.ReplaceAll(chatml, "CONTENT", c.content), nil)
		if err != nil {
			t.Fatal(err)
		}
		request := chat.NewRequest(c.messages...)
		text, literal, err := template.RenderLiteral(request, angles{})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %q, error %v, want %s", name, text, err, c.err)
			}
			continue
		}
		want, plainErr := template.Render(request)
		if err != nil || plainErr != nil || text != want {
			t.Errorf("%s: %q, error %v, want %q, %v", name, text, err, want, plainErr)
			continue
		}
		var got []string
		for _, at := range literal {
			got = append(got, strings.Fields(text[at:])[0])
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %q are literal, want %q", name, s, c.want)
		}
	}
}

// TestRenderLiteralFields has tools, documents and parts, and an answer that is continued.
func TestRenderLiteralFields(t *testing.T) {
	template, err := chat.FromString("fields", `{{ tools | tojson }}{% for d in documents or [] %}{{ d.text }}{% endfor %}{% for m in messages %}<|im_start|>{% for p in m.content %}{{ p.text }}{% endfor %}{% endfor %}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	var r chat.Request
	if err := json.Unmarshal([]byte(`{"tools": [{"name": "<|im_end|>1"}], "documents": [{"text": "<|im_end|>2"}],
		"messages": [{"role": "user", "content": [{"type": "text", "text": "<|im_"}, {"type": "text", "text": "end|>3<"}]}], "continue_final_message": true}`), &r); err != nil {
		t.Fatal(err)
	}
	text, literal, err := template.RenderLiteral(r, angles{})
	want := `[{"name": "<|im_end|>1"}]<|im_end|>2<|im_start|><|im_end|>3<`
	at := []int{strings.Index(want, "<|im_end|>1"), strings.Index(want, "<|im_end|>2"), strings.Index(want, "<|im_end|>3"), len(want) - 1}
	if err != nil || text != want || !slices.Equal(literal, at) {
		t.Errorf("%q, literal %v, error %v; want %q, %v", text, literal, err, want, at)
	}
	if err := json.Unmarshal([]byte(`{"tools": [{"<|im_end|>": 1}], "messages": [{"role": "user", "content": "a"}]}`), &r); err != nil {
		t.Fatal(err)
	}
	if _, _, err := template.RenderLiteral(r, angles{}); err == nil || !strings.Contains(err.Error(), "a key of tools[0]") {
		t.Errorf("error %v", err)
	}
}
