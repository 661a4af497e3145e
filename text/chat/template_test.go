package chat_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"jamba/jinja"
	"jamba/text/chat"
)

func TestNewRequest(t *testing.T) {
	tmpl, err := chat.FromString("t", "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{{ add_generation_prompt }}{{ tools }}{{ x }}",
		map[string]string{"bos_token": "<s>"})
	if err != nil {
		t.Fatal(err)
	}
	r := chat.NewRequest(chat.Message{Role: "system", Content: "S"}, chat.Message{Role: "user", Content: "U"})
	r.Vars = map[string]any{"x": 1, "messages": "not these", "tools": "nor these"}
	text, err := tmpl.Render(r)
	if want := "<s>[system]S[user]UTrueNone1"; err != nil || text != want {
		t.Errorf("got %q %v, want %q", text, err, want)
	}
	if _, err := tmpl.Render(chat.NewRequest()); err == nil {
		t.Error("a request without messages was rendered")
	}
	if _, err := tmpl.WithOptions(jinja.Options{Output: 5}).Render(r); err == nil {
		t.Error("more output than allowed")
	}
}

func TestRefused(t *testing.T) {
	tmpl, err := chat.FromString("the template", "{% if messages | length > 1 %}\n{{ raise_exception('one only') }}{% endif %}", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = tmpl.Render(chat.NewRequest(chat.Message{Role: "user"}, chat.Message{Role: "user"}))
	var raised *jinja.RaisedError
	if !errors.As(err, &raised) || raised.Message != "one only" || raised.Line != 2 || raised.Name != "the template" {
		t.Errorf("%v", err)
	}
	_, err = chat.FromString("broken", "\n{% if %}", nil)
	var e *jinja.Error
	if !errors.As(err, &e) || e.Name != "broken" || e.Line != 2 {
		t.Errorf("%v", err)
	}
}

// write makes a model folder of files.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoadDir(t *testing.T) {
	user := chat.NewRequest(chat.Message{Role: "user", Content: "hi"})
	withTools, noTools := user, user
	withTools.Tools, noTools.Tools = jinja.NewList(jinja.NewDict()), jinja.NewList()
	const several = `"chat_template": [{"name": "default", "template": "D"}, {"name": "tool_use", "template": "T"}, {"name": "rag", "template": "{{ 1"}]`
	for _, c := range []struct {
		name             string
		files            map[string]string
		names            string
		plain, tools, no string
	}{
		{"string", map[string]string{"tokenizer_config.json": `{"chat_template": "C{{ messages[0].content }}"}`}, "default", "Chi", "Chi", "Chi"},
		{"array", map[string]string{"tokenizer_config.json": `{` + several + `}`}, "default rag tool_use", "D", "T", "T"},
		{"file", map[string]string{"tokenizer_config.json": `{` + several + `}`, "chat_template.jinja": "F\n"}, "default", "F", "F", "F"},
		{"files", map[string]string{"chat_template.jinja": "F", "additional_chat_templates/tool_use.jinja": "A", "additional_chat_templates/x.txt": "B"}, "default tool_use", "F", "A", "A"},
		{"only additional", map[string]string{"tokenizer_config.json": `{` + several + `}`, "additional_chat_templates/tool_use.jinja": "A"}, "tool_use", "", "A", "A"},
		{"tokens", map[string]string{
			"tokenizer_config.json":   `{"bos_token": "B", "eos_token": {"content": "E"}, "pad_token": null, "image_token": "I", "extra_special_tokens": {"a": "X", "b": {"content": "Y"}}, "other": "O"}`,
			"special_tokens_map.json": `{"unk_token": "U", "bos_token": {"content": "B2"}}`,
			"chat_template.jinja":     "{{ bos_token }}{{ eos_token }}{{ pad_token is defined }}{{ image_token }}{{ a }}{{ b }}{{ other is defined }}{{ unk_token }}",
		}, "default", "B2EFalseIXYFalseU", "B2EFalseIXYFalseU", "B2EFalseIXYFalseU"},
		{"listed tokens", map[string]string{
			"tokenizer_config.json":   `{"bos_token": "B", "added_tokens_decoder": {}, "chat_template": "{{ bos_token }}{{ unk_token }}"}`,
			"special_tokens_map.json": `{"unk_token": "U", "bos_token": "B2"}`,
		}, "default", "B", "B", "B"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ts, err := chat.LoadDir(write(t, c.files))
			if err != nil {
				t.Fatal(err)
			}
			if names := strings.Join(ts.Names(), " "); names != c.names {
				t.Errorf("names %q, want %q", names, c.names)
			}
			for i, r := range []chat.Request{user, withTools, noTools} {
				want := []string{c.plain, c.tools, c.no}[i]
				text, err := ts.Render(r)
				if text != want || (err != nil) != (want == "") {
					t.Errorf("request %d: got %q %v, want %q", i, text, err, want)
				}
			}
			if _, err := ts.Get("none such"); err == nil {
				t.Error("got a template that is not there")
			}
			if _, err := ts.Get("rag"); err == nil {
				t.Error("got a template that cannot be parsed")
			}
		})
	}
}

func TestLoadDirWithout(t *testing.T) {
	for _, files := range []map[string]string{{}, {"tokenizer_config.json": `{"bos_token": "<s>", "chat_template": null}`}} {
		if ts, err := chat.LoadDir(write(t, files)); ts != nil || err != nil {
			t.Errorf("%v: %v %v", files, ts, err)
		}
	}
	if ts := chat.FromNamed(nil, nil); ts != nil {
		t.Error("templates from nothing")
	}
}

func TestLoadDirErrors(t *testing.T) {
	for _, c := range []struct{ file, text, want string }{
		{"tokenizer_config.json", `{"chat_template": 5}`, "chat_template: found a number"},
		{"tokenizer_config.json", `{"chat_template": ["x"]}`, "chat_template[0]: found a string"},
		{"tokenizer_config.json", `{"chat_template": [{"name": "x"}]}`, "template null"},
		{"tokenizer_config.json", `{"chat_template": `, "unexpected EOF"},
		{"tokenizer_config.json", `[]`, "found an array, want an object"},
		{"special_tokens_map.json", `{`, "special_tokens_map.json"},
		{"chat_template.jinja", strings.Repeat("x", jinja.MaxSource+1), "larger than"},
	} {
		_, err := chat.LoadDir(write(t, map[string]string{c.file: c.text}))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.file) {
			t.Errorf("%s %.40s: got %v, want %q", c.file, c.text, err, c.want)
		}
	}
}

// TestConcurrent renders one template from several goroutines; the race detector watches.
func TestConcurrent(t *testing.T) {
	ts := chat.FromNamed(map[string]string{"default": "{% macro f(x) %}<{{ x.content | upper }}>{% endmacro %}{% set ns = namespace(n=0) %}" +
		"{% for m in messages %}{% set ns.n = ns.n + 1 %}{{ f(m) }}{{ m | tojson }}{% endfor %}{{ ns.n }}"}, nil)
	shared := chat.NewRequest(slices.Repeat([]chat.Message{{Role: "user", Content: "é"}}, 20)...)
	var wg sync.WaitGroup
	texts := make([]string, 8)
	for i := range texts {
		wg.Go(func() {
			text, err := ts.Render(shared)
			texts[i] = fmt.Sprint(text, err)
		})
	}
	wg.Wait()
	for _, text := range texts {
		if text != texts[0] || !strings.HasSuffix(text, "20<nil>") {
			t.Errorf("%q, want %q", text, texts[0])
		}
	}
}
