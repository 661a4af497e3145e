package data

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/internal/testutil"
	"jamba/jinja"
	"jamba/text/chat"
)

// families are templates in the manner of many models, with conversations for them (text/chat/testdata), and those of the
// golden files.
func families(t *testing.T) (templates map[string]string, requests []chat.Request) {
	t.Helper()
	f, err := os.Open("../../text/chat/testdata/families.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Templates map[string]string
		Requests  []string
	}
	if err := json.NewDecoder(z).Decode(&all); err != nil {
		t.Fatal(err)
	}
	for _, s := range all.Requests {
		var r chat.Request
		if json.Unmarshal([]byte(s), &r) == nil && r.Messages != nil {
			r.AddGenerationPrompt, r.ContinueField = false, ""
			requests = append(requests, r)
		}
	}
	files, err := filepath.Glob(testutil.Golden("chat", "templates", "*.jinja"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Templates[filepath.Base(file)] = string(b)
	}
	return all.Templates, requests
}

// In long conversations, in which turns are found in windows, they are where the rendering of each beginning has them.
func TestWindowsAreExact(t *testing.T) {
	testutil.SkipRace(t, testutil.OneGoroutine)
	fast, slow := 0, 0
	check := func(name string, tm *chat.Template, r chat.Request) {
		c, err := readTurns(r, 0)
		if err != nil {
			return
		}
		c.template = tm
		last := c.assistant[len(c.assistant)-1]
		text, _, err := c.render(last+1, false)
		if err != nil {
			return
		}
		wantSpans, wantLater, wantErr := c.findWith(c.assistant, text, false)
		all := c.work.messages
		c.work, c.known = new(work), nil
		spans, later, err := c.findWith(c.assistant, text, true)
		if !slices.Equal(spans, wantSpans) || !slices.Equal(later, wantLater) || (err == nil) != (wantErr == nil) {
			t.Errorf("%s: spans %v, later %v, error %v, want %v, %v, %v", name, spans, later, err, wantSpans, wantLater, wantErr)
		}
		if len(c.assistant) > manyTurns && c.work.messages < all/2 {
			fast++
		} else {
			slow++
		}
	}
	templates, requests := families(t)
	for name, source := range templates {
		tm := parse(t, source)
		for i, r := range requests {
			check(fmt.Sprint(name, " request ", i), tm, r)
			if i%10 > 0 || testing.Short() {
				continue
			}
			// The same over and over is a long conversation, if the template takes it.
			all := []any{}
			for range 12 {
				for i := range r.Messages.Len() {
					if role, _ := r.Messages.At(i).(*jinja.Dict).Get("role"); role != "system" || len(all) == 0 {
						all = append(all, r.Messages.At(i))
					}
				}
			}
			r.Messages = jinja.NewList(all...)
			check(fmt.Sprint(name, " request ", i, " 12 times"), tm, r)
		}
		for _, thinks := range []int{0, 2, 1} {
			for _, system := range []bool{false, true} {
				var messages []chat.Message
				if system {
					messages = append(messages, chat.Message{Role: "system", Content: "Be brief."})
				}
				for i := range 20 {
					said := fmt.Sprintf("  Answer %d. ", i%7)
					if thinks > 0 && i%thinks == 0 {
						said = "<think>\nWhy?\n</think>\n\n" + said
					}
					messages = append(messages, chat.Message{Role: "user", Content: fmt.Sprint("Question ", i%5)}, chat.Message{Role: "assistant", Content: said})
				}
				r := chat.NewRequest(messages...)
				r.AddGenerationPrompt = false
				check(fmt.Sprint(name, " thinks ", thinks, " system ", system), tm, r)
			}
		}
	}
	if len(templates) < 20 || fast < 40 || slow < 5 {
		t.Errorf("%d templates, %d conversations with windows, %d without", len(templates), fast, slow)
	}
	t.Logf("%d templates, %d conversations with windows, %d without", len(templates), fast, slow)
}

// A conversation of many messages takes time in proportion to them; what would take far more is refused.
func TestLongConversations(t *testing.T) {
	var messages []chat.Message
	for i := range 5000 {
		messages = append(messages, chat.Message{Role: "user", Content: fmt.Sprint("Question ", i)}, chat.Message{Role: "assistant", Content: fmt.Sprint("Answer ", i)})
	}
	r := chat.NewRequest(messages...)
	r.AddGenerationPrompt = false
	got, err := renderTurns(template(t, "headers"), r, 0)
	if err != nil || len(got) != 1 || len(got[0].trained) != 5000 {
		t.Fatal(len(got), err)
	}
	for i, s := range got[0].trained {
		if said := got[0].text[s[0]:s[1]]; !strings.Contains(said, fmt.Sprint("Answer ", i)) || strings.Contains(said, "Question") {
			t.Fatalf("turn %d is %q", i, said)
		}
	}
	only := parse(t, "{% for m in messages %}{{ m.role }}: {% if loop.last or m.role == 'user' %}{{ m.content }}{% endif %}\n{% endfor %}")
	if _, err := renderTurns(only, r, 0); err == nil || !strings.Contains(err.Error(), "it is too long for that") {
		t.Errorf("error %v", err)
	}
}
