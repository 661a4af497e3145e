package tokenizer

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"jamba/internal/testutil"
)

// exercise uses a tokenizer of an untrusted file: whatever it is, it must be consistent with itself.
func exercise(t *testing.T, tk *Tokenizer) {
	t.Helper()
	const text = "Hi  <s>ab\n'll 12 naïve 中\xff▁ a-b!"
	one, err := tk.Encode(text, true)
	two, errTwo := tk.EncodePair(text, "x", true)
	if err != nil || errTwo != nil {
		return // the file lacks the unknown token, say
	}
	for _, ids := range [][]int32{one, two} {
		for _, id := range ids {
			if _, ok := tk.Token(id); !ok {
				t.Fatalf("encoding gives id %d, which is not in the vocabulary of %d", id, tk.VocabSize())
			}
		}
		s := tk.Stream(true)
		var b strings.Builder
		for _, id := range ids {
			b.WriteString(s.Push(id))
			tk.TokenBytes(id)
		}
		b.WriteString(s.Flush())
		// They differ in runs of bytes that are not UTF-8.
		if got := tk.Decode(ids, true); got != b.String() && !strings.Contains(got, "\uFFFD") || !utf8.ValidString(got) {
			t.Fatalf("decoded %q, streamed %q", got, b.String())
		}
	}
	for id := int32(-1); id <= int32(min(tk.VocabSize(), 1000)); id++ {
		tk.Decode([]int32{id}, false)
	}
}

// within fails the test when f takes long or much memory for an input of n bytes.
func within(t *testing.T, n int, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	f()
	runtime.ReadMemStats(&after)
	if d := time.Since(start); d > 20*time.Second {
		t.Fatalf("took %v for %d bytes", d, n)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 256<<20+uint64(n)*1000 {
		t.Fatalf("allocated %d bytes for %d", got, n)
	}
}

func FuzzTokenizerJSON(f *testing.F) {
	for _, field := range []string{
		`"added_tokens": [{"id": 4, "content": "<s>", "special": true, "lstrip": true}, {"id": 9, "content": "b", "normalized": true, "rstrip": true, "single_word": true}]`,
		`"normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}, {"type": "NFKC"}, {"type": "Lowercase"}, {"type": "Strip", "strip_left": true, "strip_right": true}, {"type": "StripAccents"}]}`,
		`"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "\\s+(?!\\S)|[^a-c]++|\\p{L}{1,3}"}, "behavior": "MergedWithNext", "invert": true}, {"type": "Digits", "individual_digits": true}, {"type": "Punctuation"}, {"type": "ByteLevel", "use_regex": true}]}`,
		`"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true}, "decoder": {"type": "Metaspace", "replacement": "▁"}`,
		`"pre_tokenizer": {"type": "Whitespace"}, "decoder": {"type": "ByteLevel"}`,
		`"decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"Regex": "a|b"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 2}]}`,
		`"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "b", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [{"Sequence": {"id": "B", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "special_tokens": {"b": {"id": "b", "ids": [2], "tokens": ["b"]}}}`,
	} {
		f.Add([]byte(tiny(field)))
	}
	f.Add([]byte(`{"model": {"type": "BPE", "vocab": {"a": 0, "##b": 70000, "ab": 2, "<0xFF>": 3}, "merges": [["a", "##b"]], "continuing_subword_prefix": "##", "end_of_word_suffix": "</w>", "byte_fallback": true, "fuse_unk": true, "ignore_merges": true}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		within(t, len(data), func() {
			tk, err := FromJSON(data, Config{})
			if err == nil {
				exercise(t, tk)
			}
		})
	})
}

func FuzzSentencePiece(f *testing.F) {
	f.Add(spmModel(nil, nil))
	f.Add(spmModel(varint(nil, 35, 0), varint(nil, 3, 0), spmPiece{"ab", 1, 1}, spmPiece{"<s>", 0, 3}, spmPiece{"Hi", 0, 4}, spmPiece{"aba", 2, 5}))
	f.Add(spmModel(varint(varint(nil, 3, 0), 4, 0), nil, spmPiece{"b", 1, 5}, spmPiece{"ab", 1, 5}, spmPiece{"i", 1, 5}, spmPiece{"Hi", 1, 1}))
	data, err := os.ReadFile(testutil.Golden("tokenizer", "llama2-style", "tokenizer.model"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[:2000])
	f.Fuzz(func(t *testing.T, data []byte) {
		within(t, len(data), func() {
			tk, err := FromSentencePiece(data, Config{})
			if err == nil {
				exercise(t, tk)
			}
		})
	})
}
