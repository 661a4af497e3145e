package data

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jamba/internal/testutil"
	"jamba/jinja"
	"jamba/text"
	"jamba/text/chat"
	"jamba/text/tokenizer"
)

func template(t testing.TB, name string) *chat.Template {
	t.Helper()
	b, err := os.ReadFile(testutil.Golden("chat", "templates", name+".jinja"))
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(b))
}

func parse(t testing.TB, source string) *chat.Template {
	t.Helper()
	tm, err := chat.FromString("template", source, map[string]string{"bos_token": "<s>", "eos_token": "</s>"})
	if err != nil {
		t.Fatal(err)
	}
	return tm
}

func request(t testing.TB, s string) chat.Request {
	t.Helper()
	var r chat.Request
	if err := json.Unmarshal([]byte(s), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// marked shows conversations with what is trained in brackets.
func marked(all []conversation) []string {
	var out []string
	for _, c := range all {
		var b strings.Builder
		at := 0
		for _, s := range c.trained {
			b.WriteString(c.text[at:s[0]] + "⟦" + c.text[s[0]:s[1]] + "⟧")
			at = s[1]
		}
		out = append(out, b.String()+c.text[at:])
	}
	return out
}

const dialogue = `{"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"},
	{"role": "user", "content": "Bye"}, {"role": "assistant", "content": "Good bye."}, {"role": "user", "content": "Still there?"}]}`

// What is trained in the templates of models; written by hand.
func TestTurns(t *testing.T) {
	for name, want := range map[string][]string{
		"jamba15-protocol": {"<s><|bom|><|system|> Be brief.<|eom|><|bom|><|user|> Hi<|eom|><|bom|><|assistant|>⟦ Hello!<|eom|>⟧<|bom|><|user|> Bye<|eom|><|bom|><|assistant|>⟦ Good bye.<|eom|>⟧"},
		"inst":             {"<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST]⟦ Hello! </s>⟧[INST] Bye [/INST]⟦ Good bye. </s>⟧"},
		"headers": {"<s><|start_header_id|>system<|end_header_id|>\n\nToday Date: 26 Jul 2024\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>" +
			"<|start_header_id|>assistant<|end_header_id|>\n\n⟦Hello!<|eot_id|>⟧<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n⟦Good bye.<|eot_id|>⟧"},
		// It shows a last turn with a place for reasoning, which earlier ones lose.
		"chatml-hermes": {
			"<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n⟦\n</think>\n\nHello!<|im_end|>\n⟧",
			"<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello!<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n<think>\n⟦\n</think>\n\nGood bye.<|im_end|>\n⟧",
		},
	} {
		got, err := renderTurns(template(t, name), request(t, dialogue), 0)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, marked(got)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

// What the template marks as generated is trained, and nothing else.
func TestGenerationMarks(t *testing.T) {
	got, err := renderTurns(parse(t, tokenizer.ChatTemplate), request(t, dialogue), 0)
	want := []string{"<s><|bom|><|system|> Be brief.<|eom|><|bom|><|user|> Hi<|eom|><|bom|><|assistant|>⟦ Hello!<|eom|>⟧<|bom|><|user|> Bye<|eom|><|bom|><|assistant|>⟦ Good bye.<|eom|>⟧"}
	if diff := cmp.Diff(want, marked(got)); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	// Without the marks the same is found.
	plain := strings.NewReplacer("{%- generation -%}", "", "{%- endgeneration -%}", "").Replace(tokenizer.ChatTemplate)
	got, err = renderTurns(parse(t, plain), request(t, dialogue), 0)
	if diff := cmp.Diff(want, marked(got)); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	content := strings.Replace(plain, "{{- ' ' + message.content + '<|eom|>' -}}", "{{- ' ' -}}{%- generation -%}{{- message.content -}}{%- endgeneration -%}{{- '<|eom|>' -}}", 1)
	got, err = renderTurns(parse(t, content), request(t, dialogue), 0)
	if all := strings.Join(marked(got), ""); err != nil || !strings.Contains(all, "<|assistant|> ⟦Hello!⟧<|eom|>") || !strings.Contains(all, "<|assistant|> ⟦Good bye.⟧<|eom|>") {
		t.Errorf("%v %s", err, all)
	}
	// In a macro they cannot be placed; the turns are found all the same.
	macro := strings.Replace(plain, "{{- ' ' + message.content + '<|eom|>' -}}", "{%- macro say() -%}{%- generation -%}{{- ' ' + message.content + '<|eom|>' -}}{%- endgeneration -%}{%- endmacro -%}{{- say() -}}", 1)
	got, err = renderTurns(parse(t, macro), request(t, dialogue), 0)
	if diff := cmp.Diff(want, marked(got)); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

func TestTurnsBad(t *testing.T) {
	for want, r := range map[string]string{
		"none is of role assistant": `{"messages": [{"role": "user", "content": "Hi"}]}`,
		"roles must alternate":      `{"messages": [{"role": "assistant", "content": "Hi"}]}`,
	} {
		if _, err := renderTurns(template(t, "inst"), request(t, r), 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	// An assistant that speaks first has no prompt.
	got, err := renderTurns(template(t, "jamba15-protocol"), request(t, `{"messages": [{"role": "assistant", "content": "Welcome."}]}`), 0)
	if err != nil || len(got) != 1 || !strings.HasSuffix(marked(got)[0], "<|bom|><|assistant|> ⟦Welcome.<|eom|>⟧") {
		t.Error(marked(got), err)
	}
	silent := parse(t, "{% for m in messages %}{% if m.role != 'assistant' %}{{ m.content }}{% endif %}{% endfor %}")
	if _, err := renderTurns(silent, request(t, dialogue), 0); err == nil || !strings.Contains(err.Error(), "messages[4]: the chat template shows nothing of it") {
		t.Error(err)
	}
}

// In all conversations of the golden files the ids are those that the model is given, all that the assistant says is
// trained, and what others say is not.
func TestTurnsOfGoldens(t *testing.T) {
	tk, err := tokenizer.Load(testutil.Golden("tokenizer", "jamba-style"))
	if err != nil {
		t.Fatal(err)
	}
	type golden struct {
		Template, Case, Error string
	}
	found := 0
	cases := map[string]json.RawMessage{}
	for _, c := range testutil.JSON[[]map[string]json.RawMessage](t, testutil.Golden("chat", "cases.json")) {
		var name string
		if err := json.Unmarshal(c["name"], &name); err != nil {
			t.Fatal(err)
		}
		delete(c, "name")
		if cases[name], err = json.Marshal(c); err != nil {
			t.Fatal(err)
		}
	}
	for _, g := range testutil.JSONLines[golden](t, testutil.Golden("chat", "goldens.jsonl")) {
		var r chat.Request
		if g.Error != "" || json.Unmarshal(cases[g.Case], &r) != nil {
			continue
		}
		r.AddGenerationPrompt, r.ContinueField = false, ""
		b, err := os.ReadFile(testutil.Golden("chat", "templates", g.Template))
		if err != nil {
			t.Fatal(err)
		}
		tm, err := chat.FromString(g.Template, string(b), tk.SpecialTokens())
		if err != nil {
			t.Fatal(err)
		}
		all, err := renderTurns(tm, r, 0)
		if err != nil {
			if !strings.Contains(err.Error(), "none is of role assistant") {
				t.Errorf("%s %s: %v", g.Template, g.Case, err)
			}
			continue
		}
		found++
		var trained, rest strings.Builder
		for _, c := range all {
			e, err := aligned(tk, c)
			want, wantErr := tk.Encode(c.text, false)
			if !slices.Equal(e.ids, want) || err != nil || wantErr != nil {
				t.Errorf("%s %s: ids %v, want %v, errors %v, %v", g.Template, g.Case, e.ids, want, err, wantErr)
			}
			for i, id := range e.ids {
				if e.trained[i] {
					trained.Write(tk.TokenBytes(id))
				} else {
					rest.Write(tk.TokenBytes(id))
				}
			}
		}
		for i := range r.Messages.Len() {
			one := r
			one.Messages = jinja.NewList(r.Messages.At(i))
			m := contents(&one)
			for _, s := range m {
				s = strings.TrimSpace(s[strings.LastIndex(s, "</think>")+1:])
				s = strings.TrimSpace(strings.TrimPrefix(s, "/think>"))
				if role, _ := r.Messages.At(i).(*jinja.Dict).Get("role"); role == "assistant" {
					if !strings.Contains(trained.String(), s) {
						t.Errorf("%s %s: %q of the assistant is not trained, only %q", g.Template, g.Case, s, trained.String())
					}
				} else if !strings.Contains(rest.String(), s) && strings.Contains(all[0].text, s) {
					t.Errorf("%s %s: %q is trained", g.Template, g.Case, s)
				}
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d conversations", found)
	}
}

// aligned encodes a conversation.
func aligned(tk *tokenizer.Tokenizer, c conversation) (encoded, error) {
	var m memory
	if err := newEncoder(&text.Text{Tokenizer: tk}, 0).conversation(&m, c); err != nil {
		return encoded{}, err
	}
	return m[0], nil
}

// A tokenizer that cannot spell the text is given it part by part.
func TestAlign(t *testing.T) {
	for _, style := range []string{"jamba-style", "llama2-style", "gpt2-style", "cl100k-style"} {
		tk, err := tokenizer.Load(testutil.Golden("tokenizer", style))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{"Question: why?  Answer: because.", "Is ▁ a space?  It looks so."} {
			at := strings.LastIndex(s, "  ") + 1
			e, err := aligned(tk, conversation{s, [][2]int{{at, len(s)}}})
			if err != nil {
				t.Fatal(err)
			}
			var trained []int32
			for i, id := range e.ids {
				if e.trained[i] {
					trained = append(trained, id)
				}
			}
			got := strings.TrimLeft(tk.Decode(trained, false), " ")
			if got != strings.TrimSpace(s[at:]) {
				t.Errorf("%s: %q of %q is trained", style, got, s)
			}
		}
	}
}

func TestEncodeText(t *testing.T) {
	tk, err := text.Open(testutil.Golden("tokenizer", "jamba-style"))
	if err != nil {
		t.Fatal(err)
	}
	e := newEncoder(tk, 0)
	all, err := e.encode(Document{Text: "Hello"})
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	ids := all[0].ids
	if ids[0] != 1 || ids[len(ids)-1] != 2 || tk.Tokenizer.Decode(ids[1:len(ids)-1], false) != "Hello" || all[0].trained != nil {
		t.Error(ids)
	}
	all, err = e.encode(Document{Text: "<|startoftext|>Hello<|endoftext|>"})
	if err != nil || !slices.Equal(all[0].ids, ids) {
		t.Error(all, err)
	}
	for want, d := range map[string]Document{
		"input_ids[1] is 4096, the vocabulary has 4096": {IDs: []int32{1, 4096}},
		"input_ids[0] is -1":                            {IDs: []int32{-1}},
		"the model has no chat template":                {Chat: new(chat.Request)},
	} {
		if _, err := e.encode(d); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
