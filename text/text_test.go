package text_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/format/gguf"
	"jamba/internal/testutil"
	"jamba/text"
	"jamba/text/chat"
)

// TestChatIDs renders the reference's conversations and compares the ids; package chat compares the texts.
func TestChatIDs(t *testing.T) {
	requests := map[string]json.RawMessage{}
	for _, raw := range testutil.JSON[[]json.RawMessage](t, testutil.Golden("chat", "cases.json")) {
		var c map[string]any
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Fatal(err)
		}
		requests[c["name"].(string)] = raw
	}
	var rendered int
	for _, want := range testutil.JSONLines[struct {
		Template, Case, Error string
		IDs                   []int32
	}](t, testutil.Golden("chat", "goldens.jsonl")) {
		if want.Error != "" {
			continue
		}
		// A model folder that has only the tokenizer's files and this template.
		dir := t.TempDir()
		for _, file := range []string{"tokenizer.json", "tokenizer_config.json"} {
			copyFile(t, testutil.Golden("tokenizer", "jamba-style", file), filepath.Join(dir, file))
		}
		copyFile(t, testutil.Golden("chat", "templates", want.Template), filepath.Join(dir, "chat_template.jinja"))
		m, err := text.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		var c map[string]json.RawMessage
		if err := json.Unmarshal(requests[want.Case], &c); err != nil {
			t.Fatal(err)
		}
		var r chat.Request
		if err := json.Unmarshal(flatten(t, c), &r); err != nil {
			t.Fatal(err)
		}
		got, err := m.EncodeChat(r)
		if err != nil || !slices.Equal(got, want.IDs) {
			t.Errorf("%s %s: ids %v, error %v, want %v", want.Template, want.Case, got, err, want.IDs)
		}
		rendered++
	}
	if rendered != 94 {
		t.Errorf("%d conversations, want 94", rendered)
	}
}

// flatten turns a case of the goldens into a request: what stands under extra are variables of the template. The
// messages' bytes are not touched, so that their keys keep their order.
func flatten(t *testing.T, c map[string]json.RawMessage) []byte {
	t.Helper()
	delete(c, "name")
	delete(c, "templates")
	if extra, ok := c["extra"]; ok {
		delete(c, "extra")
		if err := json.Unmarshal(extra, &c); err != nil {
			t.Fatal(err)
		}
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestOneBOS asserts that a text which begins with the token that begins a text does not get a second one.
func TestOneBOS(t *testing.T) {
	m, err := text.Open(testutil.Golden("e2e", "model"))
	if err != nil {
		t.Fatal(err)
	}
	with, err := m.Encode("<|startoftext|>Hello")
	if err != nil {
		t.Fatal(err)
	}
	without, err := m.Encode("Hello")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(with, without) || with[0] != 1 || with[1] == 1 {
		t.Errorf("ids %v and %v", with, without)
	}
	ids, err := m.EncodeChat(chat.NewRequest(chat.Message{Role: "user", Content: "Hello"}))
	if err != nil || ids[0] != 1 || ids[1] == 1 {
		t.Errorf("chat ids %v, error %v", ids, err)
	}
}

func TestGGUF(t *testing.T) {
	ref, err := text.Open(testutil.Golden("e2e", "model"))
	if err != nil {
		t.Fatal(err)
	}
	n := ref.Tokenizer.VocabSize()
	tokens, types, scores := make([]string, n), make([]int32, n), make([]float32, n)
	for i := range n {
		tokens[i], _ = ref.Tokenizer.Token(int32(i))
		types[i], scores[i] = 1, -float32(i)
		switch {
		case ref.Tokenizer.IsSpecial(int32(i)):
			types[i] = 3
		case strings.HasPrefix(tokens[i], "<0x"):
			types[i] = 6
		}
	}
	meta := gguf.Metadata{
		{Key: "general.architecture", Value: "jamba"},
		{Key: "tokenizer.ggml.model", Value: "llama"},
		{Key: "tokenizer.ggml.tokens", Value: tokens},
		{Key: "tokenizer.ggml.scores", Value: scores},
		{Key: "tokenizer.ggml.token_type", Value: types},
		{Key: "tokenizer.ggml.bos_token_id", Value: uint32(1)},
		{Key: "tokenizer.ggml.eos_token_id", Value: uint32(2)},
		{Key: "tokenizer.ggml.add_bos_token", Value: true},
		{Key: "tokenizer.ggml.add_space_prefix", Value: false},
		{Key: "tokenizer.chat_template", Value: "{{ bos_token }}{% for m in messages %}[{{ m.content }}]{% endfor %}"},
	}
	path := filepath.Join(t.TempDir(), "x.gguf")
	if err := gguf.WriteFile(path, meta, nil); err != nil {
		t.Fatal(err)
	}
	m, err := text.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	const s = "Hello, wörld 中文"
	ids, err := m.Encode(s)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Tokenizer.Decode(ids, true); got != s {
		t.Errorf("decoded %q", got)
	}
	if ids[0] != 1 {
		t.Errorf("no bos in %v", ids)
	}
	got, err := m.Templates.Render(chat.NewRequest(chat.Message{Role: "user", Content: "hi"}))
	if err != nil || got != "<|startoftext|>[hi]" {
		t.Errorf("rendered %q, error %v", got, err)
	}
}

// TestSmolLM2 encodes with the vocabulary of the real file, if scripts/fetch-smollm2 has brought it.
func TestSmolLM2(t *testing.T) {
	path := filepath.Join(testutil.Path(), "..", "models", "SmolLM2-135M-Instruct.Q4_1.gguf")
	if _, err := os.Stat(path); err != nil {
		t.Skip("run scripts/fetch-smollm2 for this test")
	}
	m, err := text.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	ref := testutil.JSON[struct {
		Encode []struct {
			Text string
			IDs  []int32
		}
	}](t, testutil.Golden("real", "smollm2-135m-q4_1.json"))
	if len(ref.Encode) == 0 {
		t.Fatal("nothing to compare with")
	}
	for _, e := range ref.Encode {
		if got, err := m.Encode(e.Text); !slices.Equal(got, e.IDs) {
			t.Errorf("%q gives %v, error %v, want %v", e.Text, got, err, e.IDs)
		}
		if got := m.Tokenizer.Decode(e.IDs, false); got != e.Text {
			t.Errorf("%v is %q, want %q", e.IDs, got, e.Text)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.gguf")
	if err := gguf.WriteFile(path, gguf.Metadata{{Key: "general.architecture", Value: "jamba"}}, nil); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]string{
		path:                               path + ": the file holds no tokenizer (tokenizer.ggml.model and tokenizer.ggml.tokens)",
		t.TempDir():                        "neither tokenizer.json nor tokenizer.model",
		filepath.Join(t.TempDir(), "none"): "no such file",
	} {
		if _, err := text.Open(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", p, err, want)
		}
	}
}
