package tokenizer

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"jamba/internal/testutil"
)

// everyKind returns tokenizers of all kinds in the test data by name: of every sort of file, with each component, with each
// of the pre-tokenizers of GGUF files, and those of random files.
func everyKind(t *testing.T) map[string]*Tokenizer {
	t.Helper()
	all := map[string]*Tokenizer{}
	for _, style := range styles {
		all[style] = loadStyle(t, style)
	}
	for _, style := range []string{"jamba-style", "llama2-style"} {
		tk := loadModel(t, style)
		all[style+", model"] = tk
		collapsed := *tk
		collapsed.normalizers = append([]normalizer{collapseNormalizer{escape: true}}, tk.normalizers...)
		all[style+", extra spaces removed"] = &collapsed
	}
	across, err := newPattern("", `[a-z]\s+|x`)
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range []normalizer{
		replaceNormalizer{literal("e f"), "X"},
		replaceNormalizer{literal(" "), " a "},
		replaceNormalizer{across, "y"},
		stripNormalizer{true, true},
		formNormalizer(norm.NFC), formNormalizer(norm.NFKD),
		collapseNormalizer{},
		prependNormalizer(" "), mapNormalizer(stripAccents),
	} {
		tk := *all["gpt2-style"]
		tk.normalizers = append([]normalizer{n}, tk.normalizers...)
		all[fmt.Sprintf("gpt2-style, normalizer %d", i)] = &tk
	}
	for _, pre := range ggufPres {
		tk := *all["gpt2-style"]
		tk.preTokenizers = nil
		for _, expr := range pre.patterns {
			p, err := newPattern("", expr)
			if err != nil {
				t.Fatal(err)
			}
			tk.preTokenizers = append(tk.preTokenizers, splitter{pattern: p, behavior: isolated})
		}
		tk.preTokenizers = append(tk.preTokenizers, byteLevelSplitter{raw: all["gpt2-style"].model.(*bpe).byteLevel})
		all["GGUF "+pre.names] = &tk
	}
	lines := testutil.JSONLines[map[string]json.RawMessage](t, "testdata/components.jsonl")
	for i, line := range lines[1:] {
		var model map[string]json.RawMessage
		set, own := map[string]json.RawMessage{}, map[string]json.RawMessage{}
		unmarshal(t, lines[0]["model"], &model)
		unmarshal(t, line["set"], &set)
		unmarshal(t, line["model"], &own)
		maps.Copy(model, own)
		file := maps.Clone(lines[0])
		maps.Copy(file, set)
		file["model"] = marshal(t, model)
		tk, err := FromJSON(marshal(t, file), Config{})
		if err != nil {
			t.Fatal(err)
		}
		all[fmt.Sprintf("component %d, %s", i, line["name"])] = tk
	}
	_, cases := randomCases(t, "testdata/random.jsonl.gz")
	for i, c := range cases {
		if tk, err := FromJSON(marshal(t, c.File), Config{}); err == nil {
			all[fmt.Sprint("random file ", i)] = tk
		}
	}
	return all
}

// cuttable is text with many places to cut, and with what tokenizers look for beside them.
func cuttable() *rapid.Generator[string] {
	parts := []string{
		"the", "The", "fox", "a", "b", "don't", "'s", "'", "42", "1234567", "naïve", "Straße", "слово", "В", "中文", "。", "ﬁ", "e\u0301", "\u0301", "ก็", "ำ", "😀", "—",
		" ", " ", " ", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", "\u00a0", ".", ",", "!", "▁", "_", "<s>", "</s>", "<unk>", "<|endoftext|>", "\xff", "{", "}", "é", "Ġ", "ᄀ", "ᅡ", "ᄀ",
	}
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(parts), rapid.StringN(0, 3, -1)), 0, 40).Draw(t, "parts"), "")
	})
}

// A text that is encoded in parts has the ids of the whole, whatever the tokenizer and wherever it is cut.
func TestPartsAreTheWhole(t *testing.T) {
	testutil.SkipRace(t, testutil.OneGoroutine)
	texts := 60
	if testing.Short() {
		texts = 8
	}
	kinds := everyKind(t)
	never := 0
	for k, name := range slices.Sorted(maps.Keys(kinds)) {
		tk, cuts := kinds[name], 0
		encode := func(text string, literal func(int) bool, part int) ([]int32, error) {
			return Gather(tk.parts(text, literal, literal == nil, part))
		}
		for i := range texts {
			text := cuttable().Example(k*texts + i)
			for _, literal := range []func(int) bool{nil, func(at int) bool { return at%7 < 3 }} {
				want, err := encode(text, literal, 1<<30)
				if err != nil {
					continue // of the text as a whole, such as one that has no token
				}
				if got, err := encode(text, literal, 1+i%5); err != nil || !slices.Equal(got, want) {
					t.Errorf("%s: %q in parts of %d: %q, error %v, want %q", name, text, 1+i%5, spell(tk, got), err, spell(tk, want))
				}
			}
			if c := (&seams{t: tk}); c.cut(text, 1+i%5) < len(text) {
				cuts++
			}
		}
		if cuts == 0 {
			never++
			if !strings.HasPrefix(name, "random") && !strings.HasPrefix(name, "component") {
				t.Logf("%s: no text can be cut", name)
			}
		}
	}
	if len(kinds) < 300 || never > len(kinds)/2 {
		t.Errorf("%d tokenizers, of which %d never cut a text", len(kinds), never)
	}
	t.Logf("%d tokenizers, of which %d never cut a text", len(kinds), never)
}

// Tokenizers of the models that this engine runs cut prose where a word ends.
func TestProseIsCut(t *testing.T) {
	testutil.SkipRace(t, testutil.OneGoroutine)
	kinds := everyKind(t)
	for name, tk := range kinds {
		if strings.HasPrefix(name, "random") || strings.HasPrefix(name, "component") || strings.Contains(name, "normalizer") {
			continue
		}
		if slices.ContainsFunc([]string{"deepseek-llm", "afmoe", "tiny_aya", "exaone-moe", "superbpe", "laguna"}, func(s string) bool { return strings.Contains(name, s) }) {
			continue // they look behind, or past the end of a word
		}
		for _, text := range []string{"fox jumps over", "слово за словом", "fox, 12, and", "a b\nc"} {
			if n := (&seams{t: tk}).cut(text, 1); n == len(text) {
				t.Errorf("%s: %q is not cut", name, text)
			}
		}
	}
}

// Between two characters that are apart in an expression its matches are those of the two parts.
func TestNeighbours(t *testing.T) {
	testutil.SkipRace(t, testutil.OneGoroutine)
	apart, known := 0, 0
	exprs := []string{gpt2Pattern, llama3Pattern, qwen2Pattern, `\w+|[^\w\s]+`, `a(?=b)`, `a(?!b)|b`, `(?>ab|a)c?`, `x*y`, `(ab){2,}|a`, `[ab]{2}`, `\s+(?!\S)`}
	for _, pre := range ggufPres {
		exprs = append(exprs, pre.patterns...)
	}
	exprs = append(exprs, regexCases(t)...)
	for k, expr := range exprs {
		p, err := newPattern("", expr)
		if err != nil {
			continue
		}
		for i := range 6 {
			text := cuttable().Example(k + i)
			if i%2 == 1 {
				text = rapid.StringOfN(rapid.RuneFrom([]rune("aAbBxy1 \n.ßé-_")), 0, 30, -1).Example(k + i)
			}
			whole := matches(p, text)
			for at, right := range text {
				left, _ := utf8.DecodeLastRuneInString(text[:at])
				if at == 0 || !plain(left) || !plain(right) || !p.Apart(left, right) {
					continue
				}
				apart++
				parts := matches(p, text[:at])
				for _, m := range matches(p, text[at:]) {
					parts = append(parts, [2]int{m[0] + at, m[1] + at})
				}
				if !slices.Equal(parts, whole) {
					t.Fatalf("%q on %q cut at %d: %v, want %v", expr, text, at, parts, whole)
				}
			}
			for at, r := range text {
				in := slices.ContainsFunc(whole, func(m [2]int) bool { return m[0] <= at && at < m[1] })
				if plain(r) && (p.Holds(r) && !in || !p.Touches(r) && in) {
					t.Fatalf("%q on %q: %q holds %v, touches %v", expr, text, r, p.Holds(r), p.Touches(r))
				}
				if p.Holds(r) {
					known++
				}
			}
		}
	}
	if apart < 1000 || known < 1000 {
		t.Errorf("%d places apart and %d characters held in %d expressions", apart, known, len(exprs))
	}
	t.Logf("%d places apart and %d characters held in %d expressions", apart, known, len(exprs))
}

// regexCases are the expressions that are compared with the reference.
func regexCases(t *testing.T) (exprs []string) {
	t.Helper()
	f, err := os.Open("testdata/regex.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(z); d.More(); {
		var c struct{ P string }
		if err := d.Decode(&c); err != nil {
			t.Fatal(err)
		}
		exprs = append(exprs, c.P)
	}
	return exprs
}

func matches(p pattern, s string) (all [][2]int) {
	p.each(s, nil, func(lo, hi int) { all = append(all, [2]int{lo, hi}) })
	return all
}

// An encoding that is ended has the first ids, and does no more work than they need.
func TestPartsEndEarly(t *testing.T) {
	testutil.SkipRace(t, testutil.OneGoroutine)
	for _, style := range styles {
		tk := loadStyle(t, style)
		text := strings.Repeat("the old fox jumps over a river, and sees the boat. ", 1<<16)
		want := encode(t, tk, text[:1<<18], true)[:1000]
		var got []int32
		n := testing.AllocsPerRun(1, func() {
			got = nil
			for ids, err := range tk.Parts(text, true) {
				if err != nil {
					t.Fatal(err)
				}
				if got = append(got, ids...); len(got) >= 1000 {
					break
				}
			}
		})
		if !slices.Equal(got[:1000], want) {
			t.Errorf("%s: other ids", style)
		}
		if len(got) > 1<<18 {
			t.Errorf("%s: %d ids and %v allocations", style, len(got), n)
		}
	}
}
