package text

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/format/gguf"
	"jamba/internal/testutil"
)

// TestExport writes each reference tokenizer as a GGUF file's metadata, and expects that it splits all texts as before.
func TestExport(t *testing.T) {
	for _, name := range []string{"jamba-style", "llama2-style", "gpt2-style", "cl100k-style", "jamba-style/model", "llama2-style/model"} {
		t.Run(strings.ReplaceAll(name, "/", "-"), func(t *testing.T) {
			name, isModel := strings.CutSuffix(name, "/model")
			dir := testutil.Golden("tokenizer", name)
			goldens := filepath.Join(dir, "goldens.jsonl")
			if isModel {
				dir = withoutJSON(t, dir)
			}
			from, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			const vocab = 5000
			_, meta, lost, err := Export(dir, vocab)
			if err != nil {
				t.Fatal(err)
			}
			if lost != nil {
				t.Errorf("lost: %q", lost)
			}
			if pre, _ := gguf.GetOr(meta, "tokenizer.ggml.pre", ""); pre != map[string]string{"gpt2-style": "gpt-2", "cl100k-style": "dbrx"}[name] {
				t.Errorf("pre-tokenizer %q", pre)
			}
			path := filepath.Join(t.TempDir(), "x.gguf")
			if err := gguf.WriteFile(path, meta, nil); err != nil {
				t.Fatal(err)
			}
			to, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if n := to.Tokenizer.VocabSize(); n != vocab {
				t.Errorf("%d tokens, want %d", n, vocab)
			}
			for _, special := range []string{"bos_token", "eos_token", "unk_token", "pad_token"} {
				if got, want := to.Tokenizer.SpecialTokens()[special], from.Tokenizer.SpecialTokens()[special]; got != want {
					t.Errorf("%s is %q, want %q", special, got, want)
				}
			}
			texts := 0
			for _, text := range goldenTexts(t, goldens) {
				texts++
				got, err := to.Tokenizer.Encode(text, true)
				want, wantErr := from.Tokenizer.Encode(text, true)
				if !slices.Equal(got, want) || err != nil || wantErr != nil {
					t.Fatalf("%.200q becomes %v, want %v", text, got, want)
				}
				if got, want := to.Tokenizer.Decode(got, true), from.Tokenizer.Decode(want, true); got != want {
					t.Fatalf("%v becomes %.200q, want %.200q", want, got, want)
				}
			}
			if texts < 100 {
				t.Errorf("only %d texts", texts)
			}
		})
	}
}

// withoutJSON returns a folder with all of dir but tokenizer.json.
func withoutJSON(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{"tokenizer.model", "tokenizer_config.json"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func goldenTexts(t *testing.T, path string) (texts []string) {
	t.Helper()
	for _, c := range testutil.JSONLines[struct {
		Kind, Text, Unit string
		Times            int
	}](t, path) {
		switch c.Kind {
		case "encode":
			texts = append(texts, c.Text)
		case "encode_repeat":
			texts = append(texts, strings.Repeat(c.Unit, c.Times))
		}
	}
	return texts
}

// A map of characters goes along, and rows without a token stay without one.
func TestExportCharsmap(t *testing.T) {
	data := testutil.GzipJSON[struct {
		Model []byte
		Maps  map[string][]byte
		Cases []struct {
			Rule  string
			Flags map[string]bool
			Texts []string
			IDs   [][]int32
		}
	}](t, "tokenizer/testdata/charsmap.json.gz")
	// A normalizer_spec with the map and nothing else, appended as protobuf merges messages.
	rule := data.Maps["nmt_nfkc"]
	spec := append(binary.AppendUvarint([]byte{2<<3 | 2}, uint64(len(rule))), rule...)
	model := append(binary.AppendUvarint(append(data.Model, 3<<3|2), uint64(len(spec))), spec...)
	dir := t.TempDir()
	for name, b := range map[string][]byte{"tokenizer.model": model, "tokenizer_config.json": []byte(`{"add_bos_token": false}`)} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	from, meta, _, err := Export(dir, 500)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.gguf")
	if err := gguf.WriteFile(path, meta, nil); err != nil {
		t.Fatal(err)
	}
	to, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	texts := 0
	for _, c := range data.Cases {
		if c.Rule != "nmt_nfkc" || !c.Flags["add_dummy_prefix"] || !c.Flags["remove_extra_whitespaces"] || !c.Flags["escape_whitespaces"] {
			continue
		}
		for i, s := range c.Texts {
			if strings.ContainsAny(s, "ﬁＡ<") {
				continue // GGUF keeps user-defined pieces apart
			}
			texts++
			if got, err := to.Tokenizer.Encode(s, false); err != nil || !slices.Equal(got, c.IDs[i]) {
				t.Errorf("%q becomes %v, error %v, want %v", s, got, err, c.IDs[i])
			}
		}
	}
	if texts < 50 {
		t.Errorf("only %d texts", texts)
	}
	for id := range int32(510) {
		if from.Padded(id) != to.Tokenizer.Padded(id) {
			t.Errorf("row %d is padded in the folder: %v, in the file: %v", id, from.Padded(id), to.Tokenizer.Padded(id))
		}
	}
}

// TestExportTells has folders whose tokenizer GGUF cannot hold, or not all of it.
func TestExportTells(t *testing.T) {
	dir := testutil.Golden("tokenizer", "gpt2-style")
	b, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	change := func(field string, v any) string {
		var j map[string]any
		if err := json.Unmarshal(b, &j); err != nil {
			t.Fatal(err)
		}
		j[field] = v
		out, err := json.Marshal(j)
		if err != nil {
			t.Fatal(err)
		}
		to := t.TempDir()
		if err := os.WriteFile(filepath.Join(to, "tokenizer.json"), out, 0o666); err != nil {
			t.Fatal(err)
		}
		return to
	}
	type object = map[string]any
	for _, c := range []struct{ dir, lost, err string }{
		{change("normalizer", object{"type": "Lowercase"}), `"Hello, world!" becomes`, ""},
		{change("pre_tokenizer", object{"type": "ByteLevel", "add_prefix_space": true, "use_regex": true}), "", "llama.cpp has no name"},
		{change("pre_tokenizer", object{"type": "Sequence", "pretokenizers": []object{
			{"type": "Split", "pattern": object{"Regex": "[aeiou]"}, "behavior": "Isolated", "invert": false},
			{"type": "ByteLevel", "add_prefix_space": false, "use_regex": false},
		}}), "", "llama.cpp has no name"},
		{change("pre_tokenizer", nil), "", "neither byte-level nor one with byte fallback"},
		{dir, "", "the embedding 100 rows"},
	} {
		vocab := 1 << 16
		if c.dir == dir {
			vocab = 100
		}
		_, _, lost, err := Export(c.dir, vocab)
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %s", err, c.err)
			}
		case err != nil:
			t.Error(err)
		case !strings.Contains(strings.Join(lost, "\n"), c.lost):
			t.Errorf("lost %q, want %s", lost, c.lost)
		}
	}
	if _, _, _, err := Export(t.TempDir(), 100); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no tokenizer: %v", err)
	}
}

// TestExportTemplates writes chat templates and reads them back.
func TestExportTemplates(t *testing.T) {
	dir := t.TempDir()
	b, err := os.ReadFile(testutil.Golden("tokenizer", "gpt2-style", "tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	config := `{"chat_template": [{"name": "default", "template": "a{{ 1 }}"}, {"name": "rag", "template": "b{{ 2 }}"}]}`
	for name, content := range map[string][]byte{"tokenizer.json": b, "tokenizer_config.json": []byte(config)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	_, meta, _, err := Export(dir, 3000)
	if err != nil {
		t.Fatal(err)
	}
	got := templates(meta)
	if got["default"] != "a{{ 1 }}" || got["rag"] != "b{{ 2 }}" || len(got) != 2 {
		t.Errorf("templates %q", got)
	}
	if names, _ := gguf.Get[[]string](meta, "tokenizer.chat_templates"); !slices.Equal(names, []string{"rag"}) {
		t.Errorf("names %q", names)
	}
}
