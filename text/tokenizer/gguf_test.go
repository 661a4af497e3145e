package tokenizer

import (
	"os"
	"slices"
	"strings"
	"testing"

	"jamba/internal/testutil"
)

// llamaGGUF is the vocabulary of a tokenizer.model as a converter writes it to a GGUF file.
func llamaGGUF(t testing.TB, style string) GGUF {
	t.Helper()
	data, err := os.ReadFile(testutil.Golden("tokenizer", style, "tokenizer.model"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := readSPM(data)
	if err != nil {
		t.Fatal(err)
	}
	g := GGUF{Model: "llama", AddSpacePrefix: &f.dummyPrefix, BOS: -1, EOS: -1, UNK: -1, PAD: -1}
	for i, p := range f.pieces {
		g.Tokens = append(g.Tokens, p.text)
		g.Scores = append(g.Scores, p.score)
		g.TokenTypes = append(g.TokenTypes, int32(p.kind))
		switch p.text {
		case f.unk:
			g.UNK = i
		case f.padPiece:
			g.PAD = i
		}
	}
	return g
}

func TestGGUFLlamaGoldens(t *testing.T) {
	for _, style := range styles[:2] {
		t.Run(style, func(t *testing.T) {
			tk, err := FromGGUF(llamaGGUF(t, style))
			if err != nil {
				t.Fatal(err)
			}
			checkGoldens(t, tk, goldens(t, style))
		})
	}
}

// gpt2GGUF is the vocabulary of a byte-level tokenizer.json as a converter writes it to a GGUF file.
func gpt2GGUF(t testing.TB, style, pre string) GGUF {
	t.Helper()
	file := testutil.JSON[struct {
		AddedTokens []addedTokenJSON `json:"added_tokens"`
		Model       struct {
			Vocab  map[string]int
			Merges [][]string
		}
	}](t, testutil.Golden("tokenizer", style, "tokenizer.json"))
	n := len(file.Model.Vocab)
	g := GGUF{Model: "gpt2", Pre: pre, BOS: 0, EOS: 0, UNK: -1, PAD: -1, Tokens: make([]string, n), TokenTypes: make([]int32, n)}
	for text, id := range file.Model.Vocab {
		g.Tokens[id], g.TokenTypes[id] = text, int32(pieceNormal)
	}
	for _, a := range file.AddedTokens {
		g.TokenTypes[a.ID] = int32(pieceControl)
	}
	for _, m := range file.Model.Merges {
		g.Merges = append(g.Merges, strings.Join(m, " "))
	}
	return g
}

func TestGGUFGPT2Goldens(t *testing.T) {
	yes := true
	for _, c := range []struct {
		style, pre string
		addBOS     *bool
	}{
		{"gpt2-style", "gpt-2", nil},
		{"cl100k-style", "llama-bpe", nil},
		{"cl100k-style", "dbrx", &yes},
	} {
		t.Run(c.style+" "+c.pre, func(t *testing.T) {
			g := gpt2GGUF(t, c.style, c.pre)
			g.AddBOS = c.addBOS
			tk, err := FromGGUF(g)
			if err != nil {
				t.Fatal(err)
			}
			checkGoldens(t, tk, goldens(t, c.style))
			if want := c.style == "cl100k-style"; tk.AddsBOS() != want {
				t.Errorf("AddsBOS = %v, want %v", tk.AddsBOS(), want)
			}
		})
	}
}

// Every kind of pre-tokenizer loads, and a text survives it.
func TestGGUFPreTokenizers(t *testing.T) {
	g := gpt2GGUF(t, "gpt2-style", "")
	const text = "Hello WORLD's 12345 naïve\n\n  日本語、ABC!? ١٢٣ \t x² don't `a`"
	for _, pre := range ggufPres {
		for _, name := range strings.Fields(pre.names) {
			g.Pre = name
			tk, err := FromGGUF(g)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if got := tk.Decode(encode(t, tk, text, false), false); got != text {
				t.Errorf("%s: decoded %q", name, got)
			}
		}
	}
}

// TestGGUFPatterns gives pieces that are known from the patterns themselves.
func TestGGUFPatterns(t *testing.T) {
	for _, c := range []struct{ pre, text, want string }{
		{"default", "a1234 b== c", "a|123|4| b|==| c"},
		{"gpt-2", "a1234  b== c's", "a|1234| | b|==| c|'s"},
		{"smollm", "a12  b\n\nc", "a|1|2| | b|\n|\n|c"},
		{"llama-bpe", "a12345  b==\n\nC'S", "a|123|45| | b|==\n\n|C|'S"},
		{"qwen2", "a12 b\tc", "a|1|2| b|\tc"},
		{"falcon", "a12345 `b", "a|123|45| |`|b"},
		{"deepseek-llm", "ab 12345\n日本 Ωω!", "ab| |12345|\n|日本| Ωω|!"},
		{"deepseek-coder", "ab 12\n日", "ab| |1|2|\n|日"},
		{"deepseek-v3", "ab12345日本 !x", "ab|123|45|日本| !|x"},
		{"tekken", "HelloWORLDx 12", "Hello|WORLDx| |1|2"},
		{"gpt-4o", "HelloWORLD's 1234", "Hello|WORLD's| |123|4"},
		{"bloom", "ab, cd!", "ab|,| cd|!"},
	} {
		g := GGUF{Pre: c.pre}
		pre, err := g.preTokenizer()
		if err != nil {
			t.Fatal(err)
		}
		got := splitGGUF(t, pre)(c.text)
		if joined := strings.Join(got, "|"); joined != c.want {
			t.Errorf("%s: %q, want %q", c.pre, joined, c.want)
		}
	}
}

// TestGGUFPreIsLlamaCpps compares every name that llama.cpp knows with its own splits and flags
// (testdata/make_ggufpre.py); where those do not follow the model's own expressions, with what the tokenizers library
// makes of these.
func TestGGUFPreIsLlamaCpps(t *testing.T) {
	type line struct {
		Texts        []string
		Name         string
		IgnoreMerges bool `json:"ignore_merges"`
		AddBOS       bool `json:"add_bos"`
		Splits       [][]string
	}
	lines := testutil.JSONLines[line](t, "testdata/ggufpre.jsonl")
	texts, refused := lines[0].Texts, 0
	for _, l := range lines[1:] {
		g := GGUF{Pre: l.Name}
		pre, err := g.preTokenizer()
		if err != nil {
			if ggufOther[l.Name] == "" {
				t.Error(err)
			}
			refused++
			continue
		}
		if pre.ignoreMerges != l.IgnoreMerges || pre.addBOS != l.AddBOS {
			t.Errorf("%s: ignoreMerges %v, addBOS %v, want %v, %v", l.Name, pre.ignoreMerges, pre.addBOS, l.IgnoreMerges, l.AddBOS)
		}
		split := splitGGUF(t, pre)
		for i, text := range texts {
			if got := split(text); !slices.Equal(got, l.Splits[i]) {
				t.Errorf("%s on %q: %q, want %q", l.Name, text, got, l.Splits[i])
			}
		}
	}
	if refused != len(ggufOther) || len(lines) != 92 {
		t.Errorf("%d names, %d refused", len(lines)-1, refused)
	}
}

// splitGGUF returns a function that cuts a text to pieces.
func splitGGUF(t *testing.T, pre ggufPre) func(text string) []string {
	t.Helper()
	var pts []preTokenizer
	for _, expr := range pre.patterns {
		pt, err := newPattern("", expr)
		if err != nil {
			t.Fatal(err)
		}
		pts = append(pts, splitter{pattern: pt, behavior: isolated})
	}
	return func(text string) (out []string) {
		preTokenize(pts, piece{s: text}, nil, func(p piece) { out = append(out, p.s) })
		return out
	}
}

// realGolden is the part of a real model's goldens that concerns the tokenizer.
type realGolden struct {
	Encode []struct {
		Text string
		IDs  []int32
	}
}

// TestSmolLM2Reduced encodes with those tokens and merges of SmolLM2 that matter for the goldens' texts.
func TestSmolLM2Reduced(t *testing.T) {
	reduced := testutil.JSON[struct {
		Tokens, Merges []string
		Types, IDs     []int32
	}](t, "testdata/smollm2_reduced.json")
	tk, err := FromGGUF(GGUF{
		Model: "gpt2", Pre: "smollm", Tokens: reduced.Tokens, TokenTypes: reduced.Types, Merges: reduced.Merges,
		BOS: 1, EOS: 2, UNK: 0, PAD: 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range testutil.JSON[realGolden](t, testutil.Golden("real", "smollm2-135m-q4_1.json")).Encode {
		got := encode(t, tk, e.Text, false)
		for i, id := range got {
			got[i] = reduced.IDs[id]
		}
		if !slices.Equal(got, e.IDs) {
			t.Errorf("Encode(%q) = %v, want %v", e.Text, got, e.IDs)
		}
	}
}

func TestGGUFErrors(t *testing.T) {
	none := GGUF{BOS: -1, EOS: -1, UNK: -1, PAD: -1}
	llama := func(change func(g *GGUF)) GGUF {
		g := none
		g.Model, g.Tokens, g.Scores, g.TokenTypes = "llama", []string{"<unk>", "a"}, []float32{0, 0}, []int32{2, 1}
		change(&g)
		return g
	}
	gpt2 := func(change func(g *GGUF)) GGUF {
		g := none
		g.Model, g.Pre, g.Tokens, g.Merges = "gpt2", "gpt-2", []string{"a", "b", "ab"}, []string{"a b"}
		change(&g)
		return g
	}
	for _, c := range []struct {
		name string
		g    GGUF
		want string
	}{
		{"no tokens", none, "gguf: tokenizer.ggml.tokens: 0 tokens"},
		{"model", llama(func(g *GGUF) { g.Model = "t5" }), `gguf: tokenizer.ggml.model: "t5" is not supported (supported: llama, gpt2)`},
		{"types", llama(func(g *GGUF) { g.TokenTypes = []int32{1} }), "token_type: 1 types for 2 tokens"},
		{"scores", llama(func(g *GGUF) { g.Scores = nil }), "scores: 0 scores for 2 tokens"},
		{"type", llama(func(g *GGUF) { g.TokenTypes[1] = 9 }), "tokens: piece 1: type 9 is not supported"},
		{"byte", llama(func(g *GGUF) { g.TokenTypes[1] = 6 }), `tokens: piece 1: "a" is no byte piece such as <0x0A>`},
		{"two unknown", llama(func(g *GGUF) { g.TokenTypes[1] = 2 }), "pieces 0 and 1 are both of type unknown"},
		{"duplicate", llama(func(g *GGUF) { g.Tokens[1] = "<unk>" }), `pieces 0 and 1 are both "<unk>"`},
		{"eos", llama(func(g *GGUF) { g.EOS, g.AddEOS = 2, new(true) }), "eos_token_id: 2, but there are only 2 tokens"},
		{"pre", gpt2(func(g *GGUF) { g.Pre = "nonsense" }), `pre: "nonsense" is not supported: no kind of pre-tokenizer of that name`},
		{"pre of another kind", gpt2(func(g *GGUF) { g.Pre = "gemma4" }), `pre: "gemma4" is not supported: Gemma 4's BPE on text`},
		{"no merges", gpt2(func(g *GGUF) { g.Merges = nil }), "merges: missing"},
		{"merge", gpt2(func(g *GGUF) { g.Merges[0] = "ab" }), `merges[0]: "ab", want two tokens with a space between`},
		{"empty merge", gpt2(func(g *GGUF) { g.Merges[0] = "" }), `merges[0]: "", want two tokens`},
		{"merge of unknown", gpt2(func(g *GGUF) { g.Merges[0] = "a c" }), `merges[0]: merge of "a" and "c": "c" is not in the vocabulary`},
		{"merge to unknown", gpt2(func(g *GGUF) { g.Merges[0] = "b a" }), `"ba" is not in the vocabulary`},
		{"duplicate in gpt2", gpt2(func(g *GGUF) { g.Tokens[2] = "a" }), `tokens: 0 and 2 are both "a"`},
	} {
		_, err := FromGGUF(c.g)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := FromGGUF(llama(func(*GGUF) {})); err != nil {
		t.Errorf("the unchanged llama vocabulary: %v", err)
	}
	if _, err := FromGGUF(gpt2(func(g *GGUF) { g.Tokens = append(g.Tokens, "", "") })); err != nil {
		t.Errorf("a gpt2 vocabulary with empty tokens: %v", err)
	}
}
