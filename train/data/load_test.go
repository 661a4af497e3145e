package data

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"jamba/internal/testutil"
	"jamba/text"
)

func load(t testing.TB, dir string, o Options) *Dataset {
	t.Helper()
	d, err := Load(context.Background(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// model returns a folder with a tokenizer and a chat template.
func modelDir(t testing.TB) string {
	dir := t.TempDir()
	for name, path := range map[string]string{
		"tokenizer.json":        testutil.Golden("tokenizer", "jamba-style", "tokenizer.json"),
		"tokenizer_config.json": testutil.Golden("tokenizer", "jamba-style", "tokenizer_config.json"),
		"chat_template.jinja":   testutil.Golden("chat", "templates", "jamba15-protocol.jinja"),
	} {
		b, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// idsOf returns the ids of all documents, with those that are not trained negated, less one.
func idsOf(t testing.TB, d *Dataset) (all [][]int32) {
	for i := range d.Documents() {
		var ids []int32
		for at := d.start(i); at < d.start(i+1); at++ {
			id, err := d.id(at)
			if err != nil {
				t.Fatal(err)
			}
			if !d.predicted(at) {
				id = -id - 1
			}
			ids = append(ids, id)
		}
		all = append(all, ids)
	}
	return all
}

// A token cache holds what the encoder makes of each document, in order.
func TestLoad(t *testing.T) {
	var content strings.Builder
	for i := range 1500 { // several windows
		fmt.Fprintf(&content, "{\"text\": \"Number %d: %s\"}\n", i, strings.Repeat("word ", i%40))
	}
	content.WriteString(lines)
	path := write(t, "a.jsonl", content.String())
	dir, model := t.TempDir(), modelDir(t)
	var skipped []error
	o := Options{Tokenizer: model, Sources: Sources{Paths: []string{path}, SkipCorrupt: true, Corrupt: func(err error) { skipped = append(skipped, err) }}}
	d := load(t, dir, o)
	tk, err := text.Open(model)
	if err != nil {
		t.Fatal(err)
	}
	e := newEncoder(tk, 0)
	var want [][]int32
	trained, tokens := int64(0), int64(0)
	for doc, err := range o.Documents {
		if err != nil {
			t.Fatal(err)
		}
		all, err := e.encode(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range all {
			ids := slices.Clone(one.ids)
			tokens += int64(len(ids))
			for i := range ids {
				if one.trained != nil && !one.trained[i] {
					ids[i] = -ids[i] - 1
				} else if i > 0 {
					trained++
				}
			}
			want = append(want, ids)
		}
	}
	if diff := cmp.Diff(want, idsOf(t, d)); diff != "" {
		t.Error(diff)
	}
	if d.Trained() != trained || d.Tokens() != tokens || d.Skipped() != 8 || len(skipped) != 16 || d.VocabSize() != 4096 || d.width != 2 {
		t.Errorf("%d trained of %d, want %d of %d; %d skipped, %d told; vocabulary %d in %d bytes", d.Trained(), d.Tokens(), trained, tokens, d.Skipped(), len(skipped), d.VocabSize(), d.width)
	}
}

// A cache is used again as long as nothing has changed that it was made from, and only then.
func TestLoadAgain(t *testing.T) {
	path := write(t, "a.txt", "one\n\ntwo")
	dir, model := t.TempDir(), modelDir(t)
	made := 0
	o := Options{Tokenizer: model, Sources: Sources{Paths: []string{path}, Progress: func(done, total int64) {
		if done == total {
			made++
		}
	}}}
	expectMade := func(what string, want int, o Options) {
		t.Helper()
		made = 0
		load(t, dir, o)
		if made != want {
			t.Errorf("%s: made %d times, want %d", what, made, want)
		}
	}
	expectMade("first", 1, o)
	expectMade("again", 0, o)
	split := o
	split.Split = SplitBlank
	expectMade("split", 1, split)
	split.ReplaceUTF8 = true
	expectMade("replace", 1, split)
	two := o
	two.Paths = []string{path, path}
	expectMade("two files", 1, two)
	copied := o
	copied.Paths = []string{write(t, "a.txt", "one\n\ntwo")}
	expectMade("the same elsewhere", 0, copied)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("one\n\ntwx"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	expectMade("other text at the same time", 1, o)
	if err := os.WriteFile(filepath.Join(model, "chat_template.jinja"), []byte("{{ messages }}"), 0o600); err != nil {
		t.Fatal(err)
	}
	expectMade("template", 1, o)
	if files, _ := filepath.Glob(filepath.Join(dir, ".*")); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}

func TestLoadBad(t *testing.T) {
	model, dir := modelDir(t), t.TempDir()
	for want, paths := range map[string][]string{
		"no documents in 1 files":    {write(t, "empty.txt", "")},
		"a.jsonl:7: text":            {write(t, "a.jsonl", lines)},
		"chat.jsonl:1: messages":     {write(t, "chat.jsonl", `{"messages": [{"role": "user", "content": "x"}]}`)},
		"ids.jsonl:1: input_ids[0]":  {write(t, "ids.jsonl", `{"input_ids": [70000]}`)},
		"is no file; name the files": {dir},
		"no such file":               {filepath.Join(dir, "none")},
	} {
		if _, err := Load(context.Background(), dir, Options{Tokenizer: model, Sources: Sources{Paths: paths}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	text := Options{Tokenizer: model, Sources: Sources{Paths: []string{write(t, "a.txt", strings.Repeat("text\n\n", 20_000))}, Split: SplitBlank}}
	text.Progress = func(done, total int64) { cancel() }
	if _, err := Load(ctx, dir, text); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}

// What is in memory at a time is bounded by bytes, not by documents, of whatever kind they are.
func TestWindow(t *testing.T) {
	long := strings.Repeat("word ", windowBytes/8)
	ids := strings.Repeat("70,", windowBytes/4) + "70"
	s := Sources{Paths: []string{
		write(t, "text.txt", long), write(t, "text.jsonl", `{"text":"`+long+`"}`), write(t, "ids.jsonl", `{"input_ids":[`+ids+`]}`),
		write(t, "chat.jsonl", `{"messages":[{"role":"assistant","content":"`+long+`"}]}`),
	}}
	n := 0
	for d, err := range s.Documents {
		if n++; err != nil || d.bytes < windowBytes/2 {
			t.Errorf("%s: %d bytes, error %v", d.Place, d.bytes, err)
		}
	}
	if n != len(s.Paths) {
		t.Error(n, "documents")
	}
}

// Ids of large vocabularies have four bytes each.
func TestWideIDs(t *testing.T) {
	for vocab, width := range map[int]int64{1 << 16: 2, 1<<16 + 1: 4} {
		path := filepath.Join(t.TempDir(), "x.tokens")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		ids := []int32{0, int32(vocab) - 1, 1}
		if newWriter(f, [32]byte{7}, vocab).document(encoded{ids: []int32{int32(vocab)}}) == nil {
			t.Error("an id beyond the vocabulary is written")
		}
		w := newWriter(f, [32]byte{7}, vocab)
		for _, e := range []encoded{{ids: ids}, {ids: nil}, {ids: ids, trained: []bool{false, true, false}}} {
			if err := w.document(e); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(w.finish(), f.Close()); err != nil {
			t.Fatal(err)
		}
		d, err := openDataset(path, [32]byte{7})
		if err != nil {
			t.Fatal(err)
		}
		want := [][]int32{ids, nil, {-1, int32(vocab) - 1, -2}}
		if diff := cmp.Diff(want, idsOf(t, d)); diff != "" || d.width != width || d.Trained() != 3 {
			t.Errorf("width %d, %d trained %s", d.width, d.Trained(), diff)
		}
		d.Close()
	}
}

// A broken cache file is an error, at the latest when its ids are read.
func TestBrokenCache(t *testing.T) {
	dir := t.TempDir()
	d := load(t, dir, Options{Tokenizer: modelDir(t), Sources: Sources{Paths: []string{write(t, "a.jsonl", lines)}, SkipCorrupt: true}})
	whole := bytes.Clone(d.data)
	for _, start := range []int64{d.start(2) + 1, 1 << 62, -1} { // of the document before it
		b := bytes.Clone(whole)
		binary.LittleEndian.PutUint64(b[d.layout.starts+8:], uint64(start))
		if err := (&Dataset{data: b, key: d.key}).read(); err == nil || !strings.Contains(err.Error(), "document") {
			t.Errorf("document 1 begins at %d: %v", start, err)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		b := bytes.Clone(whole)
		for range rapid.IntRange(1, 4).Draw(rt, "changes") {
			b[rapid.OneOf(rapid.IntRange(0, headerSize), rapid.IntRange(int(d.layout.starts), len(b)-1), rapid.IntRange(0, len(b)-1)).Draw(rt, "at")] = rapid.Byte().Draw(rt, "byte")
		}
		b = b[:len(b)-rapid.SampledFrom([]int{0, 0, 0, 1, 8, 100}).Draw(rt, "cut")]
		broken := &Dataset{data: b, key: d.key}
		if broken.read() != nil {
			return
		}
		it, err := broken.All().Iterator(Packing{Length: 5})
		if err != nil {
			return
		}
		for batch, err := range it.Rest(3) {
			if err != nil {
				return
			}
			for _, s := range batch {
				for _, span := range s {
					for _, id := range slices.Concat(span.IDs, span.Targets) {
						if int(id) >= broken.vocab {
							rt.Fatal(id)
						}
					}
				}
			}
		}
	})
}
