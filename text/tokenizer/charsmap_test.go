package tokenizer

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"jamba/internal/testutil"
)

// charsmapData is what testdata/make_charsmap.py writes.
type charsmapData struct {
	Model []byte
	Maps  map[string][]byte
	Cases []struct {
		Rule       string
		Flags      map[string]bool
		Texts      []string
		IDs        [][]int32
		Decoded    []string
		Normalized []string
	}
	Bytes [][2]json.RawMessage // a run of bytes and its text
}

// Maps of characters and the settings for spaces do what they do in SentencePiece, from tokenizer.model and from GGUF, and in
// the tokenizers library.
func TestCharsmap(t *testing.T) {
	data := testutil.GzipJSON[charsmapData](t, "testdata/charsmap.json.gz")
	compared := 0
	for _, c := range data.Cases {
		var spec []byte
		for i, flag := range []string{"add_dummy_prefix", "remove_extra_whitespaces", "escape_whitespaces"} {
			value := uint64(0)
			if c.Flags[flag] {
				value = 1
			}
			spec = varint(spec, i+3, value)
		}
		if m := data.Maps[c.Rule]; m != nil {
			spec = message(spec, 2, m)
		}
		no := false
		tk, err := FromSentencePiece(message(slices.Clone(data.Model), 3, spec), Config{AddBOS: &no})
		if err != nil {
			t.Fatal(err)
		}
		g, _, err := tk.GGUF()
		fromGGUF, gErr := FromGGUF(g)
		if c.Flags["escape_whitespaces"] != (err == nil && gErr == nil) {
			t.Errorf("%s %v: errors %v, %v", c.Rule, c.Flags, err, gErr)
		}
		for i, text := range c.Texts {
			compared++
			if got := encode(t, tk, text, false); !slices.Equal(got, c.IDs[i]) {
				t.Errorf("%s %v: %q becomes %q, want %q", c.Rule, c.Flags, text, spell(tk, got), spell(tk, c.IDs[i]))
			}
			if got := tk.Decode(c.IDs[i], false); got != c.Decoded[i] {
				t.Errorf("%s %v: %q is %q, want %q", c.Rule, c.Flags, spell(tk, c.IDs[i]), got, c.Decoded[i])
			}
			// GGUF files keep user-defined pieces apart, before anything else is looked at.
			if err == nil && gErr == nil && !strings.ContainsAny(text, "ﬁ<Ａ") {
				if got := encode(t, fromGGUF, text, false); !slices.Equal(got, c.IDs[i]) {
					t.Errorf("%s %v from GGUF: %q becomes %q, want %q", c.Rule, c.Flags, text, spell(tk, got), spell(tk, c.IDs[i]))
				}
			}
		}
		if c.Normalized == nil {
			continue
		}
		file := marshal(t, map[string]any{"type": "Precompiled", "precompiled_charsmap": data.Maps[c.Rule]})
		hf, err := FromJSON([]byte(tiny(`"normalizer": `+string(file))), Config{})
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range c.Texts {
			if got := hf.normalize(text, true, newBudget(len(text))); got != c.Normalized[i] {
				t.Errorf("%s: %q is normalized to %q, want %q", c.Rule, text, got, c.Normalized[i])
			}
		}
	}
	if compared < 300 {
		t.Errorf("only %d texts", compared)
	}
}

// A stream decodes runs of byte tokens as SentencePiece does, and has each character when its bytes are there.
func TestByteRuns(t *testing.T) {
	data := testutil.GzipJSON[charsmapData](t, "testdata/charsmap.json.gz")
	tk, err := FromSentencePiece(data.Model, Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range data.Bytes {
		var raw []byte
		var want string
		for _, b := range unmarshalTo[[]int](t, run[0]) {
			raw = append(raw, byte(b))
		}
		unmarshal(t, run[1], &want)
		var ids []int32
		for _, b := range raw {
			id, _ := tk.ID(byteTokens[b])
			ids = append(ids, id)
		}
		if got := streamed(tk, ids, false); got != want {
			t.Errorf("%x decodes to %q, want %q", raw, got, want)
		}
	}
	s := tk.Stream(false)
	var got []string
	for _, b := range []byte("😀é\xff😀a") {
		id, _ := tk.ID(byteTokens[b])
		got = append(got, s.Push(id))
	}
	want := []string{"", "", "", "😀", "", "é", "\uFFFD", "", "", "", "😀", "a"}
	if !slices.Equal(got, want) {
		t.Errorf("the stream is %q, want %q", got, want)
	}
}

func unmarshalTo[T any](t testing.TB, data []byte) (v T) {
	t.Helper()
	unmarshal(t, data, &v)
	return v
}

// A map that is damaged anywhere is an error or normalizes somehow, without a trace.
func TestMalformedCharsmap(t *testing.T) {
	good := testutil.GzipJSON[charsmapData](t, "testdata/charsmap.json.gz").Maps["rules"]
	for _, data := range [][]byte{nil, {1, 0, 0}, {0, 0, 0, 0}, {4, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff, 1}, append([]byte{4, 0, 0, 0, 1, 2, 3, 4}, 0xff)} {
		if _, err := newCharsmap(data); err == nil {
			t.Errorf("%x is a map", data)
		}
	}
	for i := range min(len(good), 4096) {
		for _, flip := range []byte{0xff, 0x01, 0x80} {
			data := slices.Clone(good)
			data[i] ^= flip
			c, err := newCharsmap(data)
			if err != nil {
				continue
			}
			const text = "abcab é中文▁ \x00\xff"
			b := newBudget(len(text))
			precompiledNormalizer{c}.normalize(text, b)
			spmCharsNormalizer{c, new(trie), true, true}.normalize(text, b)
		}
	}
}
