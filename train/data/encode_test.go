package data

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/internal/testutil"
	"jamba/text"
	"jamba/text/chat"
)

// Written to a file as they are made, documents are what they are in memory, and those that fail leave nothing behind.
func TestRecordedIsEncoded(t *testing.T) {
	tk, err := text.Open(testutil.Golden("tokenizer", "gpt2-style"))
	if err != nil {
		t.Fatal(err)
	}
	tk.Templates = chat.FromNamed(map[string]string{"default": "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"}, nil)
	e := newEncoder(tk, 0)
	long := strings.Repeat("The old fox, 42, sees a boat by the river. ", 5000)
	talk := chat.NewRequest(chat.Message{Role: "user", Content: long}, chat.Message{Role: "assistant", Content: "Yes. " + long})
	talk.AddGenerationPrompt = false
	documents := []Document{
		{Text: "Short."},
		{Text: long},
		{IDs: []int32{1, 2, 3}, Labels: []int32{1, Ignore, 3}},
		{Text: long + long, Given: len(long)},
		{Text: long, Given: 10},
		{IDs: []int32{1, -1}},
		{Chat: &talk},
		{Text: long + "\xff", Given: 7},
		{IDs: []int32{4000000}},
		{Text: ""},
		{Text: "x"},
	}
	path := filepath.Join(t.TempDir(), "x.tokens")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := newWriter(f, [32]byte{7}, e.size())
	var want []encoded
	for i, d := range documents {
		all, err := e.encode(d)
		if err == nil {
			want = append(want, all...)
		}
		if other := e.record(w, d); fmt.Sprint(other) != fmt.Sprint(err) {
			t.Errorf("document %d: error %v, want %v", i, other, err)
		}
		// What is begun and does not come to its end.
		undo := w.mark()
		if err := w.begin(); err != nil {
			t.Fatal(err)
		}
		if err := w.add(slices.Repeat([]int32{5}, 3000*i+i), nil); err != nil {
			t.Fatal(err)
		}
		if err := undo(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.finish(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := openDataset(path, [32]byte{7})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.Documents() != len(want) {
		t.Fatalf("%d documents, want %d", d.Documents(), len(want))
	}
	for i, one := range want {
		start, n := d.start(i), int(d.start(i+1)-d.start(i))
		if n != len(one.ids) {
			t.Errorf("document %d has %d ids, want %d", i, n, len(one.ids))
			continue
		}
		for j, id := range one.ids {
			got, err := d.id(start + int64(j))
			trained := one.trained == nil || one.trained[j]
			if err != nil || got != id || d.predicted(start+int64(j)) != trained {
				t.Fatalf("document %d, id %d: %d, trained %v, error %v; want %d, %v", i, j, got, d.predicted(start+int64(j)), err, id, trained)
			}
		}
	}
}

// The tokens of a completion that begin in what is given are not trained; those around the text are as before.
func TestCompletionInParts(t *testing.T) {
	for _, style := range []string{"jamba-style", "llama2-style", "gpt2-style", "cl100k-style"} {
		tk, err := text.Open(testutil.Golden("tokenizer", style))
		if err != nil {
			t.Fatal(err)
		}
		e := newEncoder(tk, 0)
		for _, s := range []string{"The old fox sees a boat.", "<s>The old fox", "  x", "▁ and é", "a"} {
			for given := 1; given <= len(s); given++ {
				d := Document{Text: s, Given: given}
				got, err := e.encode(d)
				if err != nil {
					t.Fatal(err)
				}
				var m memory
				if err := e.spelt(&m, d, conversation{s, [][2]int{{given, len(s)}}}); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got[0].ids, m[0].ids) || !slices.Equal(got[0].trained, m[0].trained) {
					t.Errorf("%s: %q after %d: %v %v, want %v %v", style, s, given, got[0].ids, got[0].trained, m[0].ids, m[0].trained)
				}
			}
		}
	}
}
