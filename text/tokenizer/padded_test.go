package tokenizer

import (
	"slices"
	"strings"
	"testing"
)

// Rows that only fill up the vocabulary are known as such whatever type they have, decode to nothing, and no text becomes one.
func TestPadded(t *testing.T) {
	for _, model := range []string{"llama", "gpt2"} {
		g := GGUF{
			Model: model, Pre: "gpt-2", BOS: -1, EOS: -1, UNK: 0, PAD: 8, Merges: []string{"a b"},
			Tokens: []string{"<unk>", "a", "b", "ab", "[PAD4]", "[PAD5]", "[PAD6]", "[PAD7]", "", "[PAD10]", "spare", "[PAD11]"},
		}
		g.TokenTypes = []int32{2, 1, 1, 1, 1, 3, 4, 5, 1, 1, 5, 2}
		if model == "llama" {
			g.TokenTypes[11] = 6 // a byte token without a byte is an error otherwise
		}
		g.Scores = make([]float32, len(g.Tokens))
		tk, err := FromGGUF(g)
		if err != nil {
			t.Fatal(model, err)
		}
		want := []int32{-1, 4, 5, 6, 7, 10, 11, 12, 1 << 30} // 8 is the padding token, which has a name; [PAD10] is row 9
		var got []int32
		for _, id := range []int32{-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1 << 30} {
			if tk.Padded(id) {
				got = append(got, id)
				if tk.Decode([]int32{1, id, 2}, false) != tk.Decode([]int32{1, 2}, false) || tk.TokenBytes(id) != nil {
					t.Errorf("%s: row %d prints something", model, id)
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: rows %v are padded, want %v", model, got, want)
		}
		for _, s := range []string{"[PAD4]", "a[PAD5]b", "[PAD6][PAD7]", "spare", "[PAD10]", "[EMPTY_8]"} {
			for _, id := range encode(t, tk, s, true) {
				if tk.Padded(id) {
					t.Errorf("%s: %q becomes row %d", model, s, id)
				}
			}
		}
		if tk.VocabSize() != len(g.Tokens) || len(tk.Warnings()) > 0 {
			t.Errorf("%s: %d rows, warnings %q", model, tk.VocabSize(), tk.Warnings())
		}
		// What a file says of a row that a tokenizer does not know comes back as it was.
		again, _, err := tk.GGUF()
		if err != nil {
			t.Fatal(model, err)
		}
		other, err := FromGGUF(again)
		if err != nil {
			t.Fatal(model, err)
		}
		for id := range int32(len(g.Tokens)) {
			if tk.Padded(id) != other.Padded(id) {
				t.Errorf("%s: row %d is padded: %v, in the file written from it %v", model, id, tk.Padded(id), other.Padded(id))
			}
		}
	}
}

// No text becomes a padded row, and a token that texts become is none, whatever its type.
func TestUnusedComesOut(t *testing.T) {
	for model, want := range map[string][]int32{
		"gpt2":  {3, 2, 1}, // the type does not count for merges
		"llama": {1, 0, 1}, // taken apart, and what is left is unknown
	} {
		g := GGUF{
			Model: model, Pre: "gpt-2", BOS: 4, EOS: 4, UNK: 0, PAD: -1, Merges: []string{"a b"},
			Tokens: []string{"<unk>", "a", "b", "ab", "</s>"}, TokenTypes: []int32{2, 1, 5, 5, 5}, Scores: make([]float32, 5), AddSpacePrefix: new(false),
		}
		tk, err := FromGGUF(g)
		if err != nil {
			t.Fatal(model, err)
		}
		ids := encode(t, tk, "abba</s>", false)
		if !slices.Equal(ids, append(want, 4)) {
			t.Errorf("%s: ids %v, want %v and 4", model, ids, want)
		}
		for _, id := range ids {
			if tk.Padded(id) {
				t.Errorf("%s: %d is a padded row", model, id)
			}
		}
	}
}

// Where whole words are looked up before merges, an unused one comes out.
func TestUnusedWord(t *testing.T) {
	tk, err := FromGGUF(GGUF{
		Model: "gpt2", Pre: "llama-bpe", BOS: 4, EOS: 4, UNK: -1, PAD: -1, Merges: []string{"a b"},
		Tokens: []string{"c", "a", "b", "ab", "</s>", "abc", "[PAD6]"}, TokenTypes: []int32{1, 1, 1, 1, 3, 5, 5},
	})
	if err != nil {
		t.Fatal(err)
	}
	if ids := encode(t, tk, "abc", false); !slices.Equal(ids, []int32{5}) || tk.Padded(5) || !tk.Padded(6) {
		t.Errorf("ids %v, 5 is padded: %v, 6: %v", ids, tk.Padded(5), tk.Padded(6))
	}
}

// The same holds for a folder: gaps and names.
func TestPaddedJSON(t *testing.T) {
	tk, err := FromJSON([]byte(`{"added_tokens": [{"id": 9, "content": "<s>", "special": true}, {"id": 11, "content": "[PAD11]"}],
		"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "[PAD3]": 3, "[PAD5]": 4}, "merges": []}}`), Config{})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range []bool{false, false, true, true, false, true, true, true, true, false, true, true, true} {
		if tk.Padded(int32(id)) != want {
			t.Errorf("row %d is padded: %v", id, !want)
		}
	}
	if got := tk.Decode([]int32{3, 4, 11, 2, 12}, false); got != "[PAD5]" {
		t.Errorf("decoded %q", got)
	}
}

// Ids of special tokens outside the vocabulary are passed over with a warning, unless every text would have them.
func TestSpecialIDsOutside(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		name          string
		change        func(g *GGUF)
		warning, fail string
	}{
		{"padding", func(g *GGUF) { g.PAD = 310 }, "tokenizer.ggml.padding_token_id: 310 is passed over, there are only 3 tokens", ""},
		{"unknown", func(g *GGUF) { g.UNK = 1 << 30 }, "tokenizer.ggml.unknown_token_id: 1073741824 is passed over", ""},
		{"minus one", func(g *GGUF) { g.PAD, g.UNK, g.EOS = 1<<32-1, 1<<32-1, 1<<32-1 }, "", ""},
		{"eos", func(g *GGUF) { g.EOS = 3 }, "tokenizer.ggml.eos_token_id: 3 is passed over", ""},
		{"eos, added", func(g *GGUF) { g.EOS, g.AddEOS = 3, &yes }, "", "eos_token_id: 3, but there are only 3 tokens, and the file asks for it around every text"},
		{"bos", func(g *GGUF) { g.BOS, g.AddBOS = 3, &no }, "tokenizer.ggml.bos_token_id: 3 is passed over", ""},
		{"bos, added", func(g *GGUF) { g.BOS, g.AddBOS = 3, &yes }, "", "bos_token_id: 3, but there are only 3 tokens"},
	} {
		g := GGUF{Model: "gpt2", Pre: "gpt-2", Tokens: []string{"a", "b", "ab"}, Merges: []string{"a b"}, BOS: -1, EOS: -1, UNK: -1, PAD: -1}
		c.change(&g)
		tk, err := FromGGUF(g)
		if c.fail != "" {
			if err == nil || !strings.Contains(err.Error(), c.fail) {
				t.Errorf("%s: error %v", c.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := strings.Join(tk.Warnings(), "\n"); (c.warning == "") != (got == "") || !strings.HasPrefix(got, c.warning) {
			t.Errorf("%s: warnings %q, want %q", c.name, got, c.warning)
		}
		if ids := encode(t, tk, "ab", true); !slices.Equal(ids, []int32{2}) {
			t.Errorf("%s: ids %v", c.name, ids)
		}
	}
}

// Where llama.cpp has a default, that is taken.
func TestDefaultForIDOutside(t *testing.T) {
	tk, err := FromGGUF(GGUF{
		Model: "llama", Tokens: []string{"<unk>", "<s>", "</s>", "▁a"}, TokenTypes: []int32{2, 3, 3, 1}, Scores: make([]float32, 4),
		BOS: 9999, EOS: 4, UNK: -1, PAD: -1, AddEOS: new(true),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "tokenizer.ggml.bos_token_id: 9999 is passed over, there are only 4 tokens: the default 1 is taken"
	if w := tk.Warnings(); len(w) != 2 || w[0] != want {
		t.Errorf("warnings %q, want %q and one of eos", w, want)
	}
	if ids := encode(t, tk, "a", true); !slices.Equal(ids, []int32{1, 3, 2}) {
		t.Errorf("ids %v", ids)
	}
}

// An unknown token that the vocabulary does not have is missed by the text that needs it, as in the reference.
func TestUnknownTokenIsMissing(t *testing.T) {
	tk, err := FromJSON([]byte(`{"model": {"type": "BPE", "unk_token": "<unk>", "vocab": {"a": 0}, "merges": []}}`), Config{})
	if err != nil {
		t.Fatal(err)
	}
	if w := tk.Warnings(); len(w) != 1 || !strings.Contains(w[0], `model.unk_token: "<unk>" is not in the vocabulary`) {
		t.Errorf("warnings %q", w)
	}
	if ids := encode(t, tk, "aa", true); len(ids) != 2 {
		t.Errorf("ids %v", ids)
	}
	if ids, err := tk.Encode("ab", true); err == nil || err.Error() != `tokenizer: the text needs the unknown token "<unk>", which the vocabulary does not have` {
		t.Errorf("ids %v, error %v", ids, err)
	}
}
