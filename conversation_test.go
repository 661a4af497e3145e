package jamba_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jamba"
	"jamba/checkpoint"
	"jamba/internal/testutil"
)

// withTemplate returns a folder with the model of the examples and another chat template.
func withTemplate(t *testing.T, template string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(path)); err != nil {
		t.Fatal(err)
	}
	if template == "" {
		return dir
	}
	b, err := os.ReadFile(testutil.Golden("chat", "templates", template+".jinja"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "chat_template.jinja"), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func openStates(t *testing.T, dir, states string) *jamba.Model {
	t.Helper()
	m, err := jamba.OpenWith(dir, jamba.OpenOptions{
		Options: checkpoint.Options{Precision: jamba.Fast}, StateDir: states, Warn: func(err error) { t.Error(err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// say answers a conversation and returns the answer and its counts.
func say(t *testing.T, m *jamba.Model, messages []jamba.Message, o jamba.Options) (string, jamba.Stats) {
	t.Helper()
	var b strings.Builder
	for p, err := range m.Chat(context.Background(), messages, o) {
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(p.Text)
		if p.Finish != "" {
			return b.String(), *p.Stats
		}
	}
	t.Fatal("the answer has no end")
	return "", jamba.Stats{}
}

// TestConversationsComeBackAsText expects the second turn of a conversation, which comes as messages and is rendered and tokenised
// anew, to go on from the first: with the answer as it was, with other text in its place as if reasoning was stripped, after a restart;
// another conversation to go on from the system prompt and the tools; nobody to have what is another salt's; and the answers of a
// model that has seen nothing.
func TestConversationsComeBackAsText(t *testing.T) {
	system := strings.Repeat("You are a careful clerk of the harbour and answer in few words. ", 8)
	tools := []json.RawMessage{json.RawMessage(`{"type": "function", "function": {"name": "tide", "description": "The tide at a time",
		"parameters": {"type": "object", "properties": {"time": {"type": "string"}}}}}`)}
	for name, test := range map[string]struct {
		template, system string
		tools            bool
	}{
		"own": {"", system, true}, "tools alone": {"", "", true}, "chatml": {"chatml-hermes", system, true}, "headers": {"headers", system, false}, "inst": {"inst", system, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir, states := withTemplate(t, test.template), t.TempDir()
			o := jamba.Options{MaxTokens: 12}
			if test.tools {
				o.Tools = tools
			}
			var before []jamba.Message
			if test.system != "" {
				before = append(before, jamba.Message{Role: "system", Content: test.system})
			}
			chat := func(said ...string) []jamba.Message {
				all := append([]jamba.Message{}, before...)
				for i, s := range said {
					all = append(all, jamba.Message{Role: []string{"user", "assistant"}[i%2], Content: s})
				}
				return all
			}
			const slack = 40 // tokens of a generation prompt and of a message's head
			const first = "When is it high tide today, and how deep is the water at the pier?"
			m := openStates(t, dir, states)
			defer func() { m.Close() }()
			fresh, err := jamba.OpenWith(dir, jamba.OpenOptions{
				Options: checkpoint.Options{Precision: jamba.Fast}, Engine: jamba.EngineOptions{Cache: -1},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer fresh.Close()
			// Each case below is a model's second turn, compared with what a model gives that keeps nothing.
			second := func(what string, messages []jamba.Message, o jamba.Options, atLeast, atMost int) {
				t.Helper()
				got, stats := say(t, m, messages, o)
				if stats.ReusedTokens < atLeast || stats.ReusedTokens > atMost {
					t.Errorf("%s: %d tokens of %d reused, want %d to %d", what, stats.ReusedTokens, stats.PromptTokens, atLeast, atMost)
				}
				if want, stats := say(t, fresh, messages, o); got != want || stats.ReusedTokens != 0 {
					t.Errorf("%s: %q, from the beginning %q", what, got, want)
				}
			}
			answer, stats := say(t, m, chat(first), o)
			prompt := stats.PromptTokens
			salted := o
			salted.Salt = "another's"
			second("of another salt", chat(first), salted, 0, 0)
			second("the same again", chat(first), o, prompt-slack, prompt-1)
			second("second turn", chat(first, answer, "And tomorrow?"), o, prompt-slack, prompt+30)
			second("stripped", chat(first, "At noon.", "And at night?"), o, prompt-slack, prompt)
			second("another conversation", chat("Who are you?"), o, prompt-len(first)-slack, prompt)
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
			m = openStates(t, dir, states)
			second("after a restart", chat(first, answer, "And the day after?"), o, prompt-slack, prompt+60)
			second("another after a restart", chat("What is that?"), o, prompt-len(first)-slack, prompt)
			second("of another salt after a restart", chat(first, "Now.", "Why?"), jamba.Options{MaxTokens: 3, Tools: o.Tools, Salt: "a third's"}, 0, 0)
		})
	}
}

// TestContinuedAndLiteralConversations expects an answer that a client asks to be gone on with to go on from the conversation, and one
// whose messages spell out control tokens, which are text, to be found again as such and not as the other reading.
func TestContinuedAndLiteralConversations(t *testing.T) {
	m := openStates(t, path, "")
	defer m.Close()
	reused := func(conversation string, o jamba.Options) (reused, prompt int) {
		t.Helper()
		o.MaxTokens = 4
		for p, err := range m.ChatJSON(context.Background(), []byte(conversation), o) {
			if err != nil {
				t.Fatal(err)
			}
			if p.Finish != "" {
				return p.Stats.ReusedTokens, p.Stats.PromptTokens
			}
		}
		return 0, 0
	}
	user := `{"role": "user", "content": "` + strings.Repeat("When is it high tide at the pier? ", 10) + `"}`
	_, first := reused(`{"messages": [`+user+`]}`, jamba.Options{})
	again, _ := reused(`{"messages": [`+user+`, {"role": "assistant", "content": "It is at noon"}], "continue_final_message": true}`, jamba.Options{})
	if again < first-10 {
		t.Errorf("%d tokens of %d reused", again, first)
	}
	odd := `{"role": "user", "content": "` + strings.Repeat("What does <|eom|><|bom|><|user|> mean? ", 10) + `"}`
	_, first = reused(`{"messages": [`+odd+`]}`, jamba.Options{LiteralContent: true})
	if again, _ := reused(`{"messages": [`+odd+`]}`, jamba.Options{}); again > 40 {
		t.Errorf("%d tokens of control tokens are taken for those of text", again)
	}
	next := `, {"role": "assistant", "content": "Nothing."}, {"role": "user", "content": "Why?"}]}`
	if again, _ := reused(`{"messages": [`+odd+next, jamba.Options{LiteralContent: true}); again < first-10 {
		t.Errorf("%d tokens of %d reused", again, first)
	}
}
