package tokenizer

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// Byte-level tokenizers keep every text, whatever its bytes; only decoding to UTF-8 can lose ill-formed ones.
func TestByteLevelKeepsText(t *testing.T) {
	for _, style := range []string{"gpt2-style", "cl100k-style"} {
		tk := loadStyle(t, style)
		rapid.Check(t, func(t *rapid.T) {
			s := trickyText().Draw(t, "text")
			ids := encode(t, tk, s, false)
			if got := tk.Decode(ids, false); got != toValid(s) {
				t.Fatalf("%q came back as %q", s, got)
			}
			var b []byte
			for _, id := range ids {
				b = append(b, tk.TokenBytes(id)...)
			}
			if string(b) != s {
				t.Fatalf("the bytes of %q are %q", s, b)
			}
		})
	}
}

// So does a SentencePiece tokenizer with byte fallback and no prefix space, but for "▁", which it takes
// for a space.
func TestByteFallbackKeepsText(t *testing.T) {
	for _, tk := range []*Tokenizer{loadStyle(t, "jamba-style"), loadModel(t, "jamba-style")} {
		rapid.Check(t, func(t *rapid.T) {
			s := strings.ReplaceAll(trickyText().Draw(t, "text"), "▁", " ")
			var b []byte
			for _, id := range encode(t, tk, s, false) {
				b = append(b, tk.TokenBytes(id)...)
			}
			if string(b) != s {
				t.Fatalf("the bytes of %q are %q", s, b)
			}
		})
	}
}

// A stream returns valid UTF-8 that adds up to the decoded text, and can be used again after Flush. The
// text is decoded here in the plain way: the decoders over the list of tokens, one after the other.
func TestStreamIsDecode(t *testing.T) {
	for _, style := range styles {
		tk := loadStyle(t, style)
		stream := [2]*Stream{tk.Stream(false), tk.Stream(true)}
		rapid.Check(t, func(t *rapid.T) {
			// Byte tokens and spaces are where streaming is hard: draw them often.
			low := rapid.Int32Range(0, 300)
			ids := rapid.SliceOfN(rapid.OneOf(low, rapid.Int32Range(-1, int32(tk.VocabSize()))), 0, 40).Draw(t, "ids")
			for k, skip := range []bool{false, true} {
				var got strings.Builder
				for _, id := range ids {
					s := stream[k].Push(id)
					if !utf8.ValidString(s) {
						t.Fatalf("Push(%d) = %q is not valid UTF-8", id, s)
					}
					got.WriteString(s)
				}
				got.WriteString(stream[k].Flush())
				if want := decodeWhole(tk, style, ids, skip, false); got.String() != want {
					t.Fatalf("stream of %v: %q, want %q", spell(tk, ids), got.String(), want)
				}
				if dec, want := tk.Decode(ids, skip), decodeWhole(tk, style, ids, skip, true); dec != want {
					t.Fatalf("Decode(%v) = %q, want %q", ids, dec, want)
				}
			}
		})
	}
}

// decodeWhole is the slow twin of a Stream, or with runs of Decode, for the decoders of the goldens.
func decodeWhole(tk *Tokenizer, style string, ids []int32, skip, runs bool) string {
	var tokens []string
	for _, id := range ids {
		if text, ok := tk.Token(id); ok && !(skip && tk.IsSpecial(id)) {
			tokens = append(tokens, text)
		}
	}
	if style == "gpt2-style" || style == "cl100k-style" {
		for i := range tokens {
			tokens[i] = fromByteChars(tokens[i])
		}
		return toValid(strings.Join(tokens, ""))
	}
	var out strings.Builder
	for i := 0; i < len(tokens); {
		if _, ok := byteToken(tokens[i]); !ok {
			out.WriteString(strings.ReplaceAll(tokens[i], "▁", " "))
			i++
			continue
		}
		var run []byte
		for ; i < len(tokens); i++ {
			b, ok := byteToken(tokens[i])
			if !ok {
				break
			}
			run = append(run, b)
		}
		if runs && !utf8.Valid(run) {
			out.WriteString(strings.Repeat("\uFFFD", len(run)))
			continue
		}
		out.WriteString(string([]rune(string(run)))) // U+FFFD for every byte that is part of no rune
	}
	if style == "llama2-style" {
		return strings.TrimPrefix(out.String(), " ")
	}
	return out.String()
}

// The agenda makes the same merges as looking for the best pair over and over.
func TestMergesAreThoseOfTheSlowWay(t *testing.T) {
	vocab := map[string]int32{"a": 0, "b": 1, "c": 2}
	var merges [][2]string
	for _, m := range strings.Fields("a,b b,c ab,ab a,a aa,aa ab,c c,a a,bc bc,bc ca,ab abab,c") {
		l, r, _ := strings.Cut(m, ",")
		merges = append(merges, [2]string{l, r})
		if _, ok := vocab[l+r]; !ok {
			vocab[l+r] = int32(len(vocab))
		}
	}
	m, err := newBPE(vocab, merges, "", "merges")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOfN(rapid.RuneFrom([]rune("abc")), 0, 60, -1).Draw(t, "text")
		tokens := strings.Split(s, "")
		for {
			best, at := len(merges), -1
			for i := range max(0, len(tokens)-1) {
				for rank, mg := range merges[:best] {
					if tokens[i] == mg[0] && tokens[i+1] == mg[1] {
						best, at = rank, i
						break
					}
				}
			}
			if at < 0 {
				break
			}
			tokens = slices.Replace(tokens, at, at+2, tokens[at]+tokens[at+1])
		}
		var want []int32
		for _, tok := range tokens {
			want = append(want, vocab[tok])
		}
		if got := m.encode(nil, s, nil); !slices.Equal(got, want) {
			t.Fatalf("%q: %v, want %v", s, got, want)
		}
	})
}

// Decoders after Fuse see the text in parts; the parts must not show.
func TestSinksSeeNoParts(t *testing.T) {
	decoders := []decoder{
		replaceDecoder{literal("aba"), "ab"},
		replaceDecoder{literal("aa"), "b"},
		replaceDecoder{literal(" "), ""},
		stripDecoder{" ", 2, 0},
		stripDecoder{" ", 0, 3},
		stripDecoder{"é", 1, 1},
		metaspaceDecoder{"é", prependAlways},
		byteFallbackDecoder{},
		byteLevelDecoder{},
	}
	part := rapid.StringOfN(rapid.RuneFrom([]rune("ab é")), 0, 5, -1)
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SampledFrom(decoders).Draw(t, "decoder")
		parts := rapid.SliceOfN(part, 1, 8).Draw(t, "parts")
		run := func(parts ...string) string {
			var b strings.Builder
			s := d.start((*builderSink)(&b), true)
			for _, p := range parts {
				s.push(p)
			}
			s.flush()
			return b.String()
		}
		whole := strings.Join(parts, "")
		if got, want := run(parts...), run(whole); got != want {
			t.Fatalf("%#v on %q: %q, want %q", d, parts, got, want)
		}
		if want := d.bytes(whole, false); !strings.ContainsRune(want, 'é') && !strings.Contains(whole, "é") && run(whole) != want {
			t.Fatalf("%#v on %q: %q, want %q", d, whole, run(whole), want)
		}
	})
}

// The symbols of a long word take their memory once: growing with them they took a quarter more than the whole, and what they had before
// it.
func TestSymbolsTakeMemoryOnce(t *testing.T) {
	m, err := newBPE(map[string]int32{"a": 0, "é": 1}, nil, "", "merges")
	if err != nil {
		t.Fatal(err)
	}
	word := strings.Repeat("aé", 5000)
	if n := testing.AllocsPerRun(3, func() { m.addSymbols(new(scratch), word, nil) }); n > 2 {
		t.Errorf("%v allocations", n)
	}
}
