package tokenizer

import (
	"errors"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"jamba/internal/testutil"
)

var kinds = []Kind{KindJamba, KindLlama3, KindGPT2}

func eachText(texts ...string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, t := range texts {
			if !yield(t, nil) {
				return
			}
		}
	}
}

// goldenTexts are the texts that the reference's tokenizers were trained on; see testdata/train/make_train.py.
func goldenTexts(t testing.TB) []string {
	var texts []string
	for _, g := range goldens(t, "cl100k-style") {
		if g.Kind == "encode" && !strings.Contains(g.Text, "<|") {
			texts = append(texts, g.Text)
		}
	}
	return texts
}

// The reference library's trainer makes the same tokens and merges, ties included.
func TestTrainIsTheReferences(t *testing.T) {
	type result struct {
		Size   int
		Least  int
		Tokens []string
		Merges [][2]string
	}
	want := testutil.JSON[map[Kind]result](t, filepath.Join("testdata", "train", "goldens.json"))
	for _, kind := range kinds {
		w := want[kind]
		texts := goldenTexts(t)
		for range 2 { // in any order
			got, err := Train(eachText(texts...), TrainOptions{Kind: kind, VocabSize: w.Size, MinFrequency: w.Least, MaxTokenLength: 1 << 20, LimitAlphabet: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(w.Tokens, got.Tokens); diff != "" {
				t.Errorf("%s: tokens (-want +got)\n%s", kind, diff)
			}
			if diff := cmp.Diff(w.Merges, got.Merges); diff != "" {
				t.Errorf("%s: merges (-want +got)\n%s", kind, diff)
			}
			slices.Reverse(texts)
		}
	}
}

// A plain twin: pairs are counted again for every merge.
func TestTrainIsThePlainWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("aab \n1é")), 0, 60, -1).Draw(t, "text")
		o := TrainOptions{
			VocabSize: 4 + 256 + 97 + rapid.IntRange(0, 12).Draw(t, "merges"), MinFrequency: rapid.IntRange(1, 3).Draw(t, "least"),
			MaxTokenLength: rapid.IntRange(1, 5).Draw(t, "longest"), LimitAlphabet: 1,
		}
		got, err := Train(eachText(text), o)
		if err != nil {
			t.Fatal(err)
		}
		id := map[string]int{}
		for i, token := range got.Tokens[:4+256+97] {
			id[token] = i
		}
		var words [][]string
		for at := 0; at < len(text); {
			n := scanMeta(text[at:])
			words = append(words, strings.Split(strings.ReplaceAll(text[at:at+n], " ", "▁"), ""))
			at += n
		}
		type pairOf struct{ a, b string }
		var merges [][2]string
		for len(id) < o.VocabSize {
			count := map[pairOf]int{}
			for _, w := range words {
				for i := range max(0, len(w)-1) {
					p := pairOf{w[i], w[i+1]}
					_, ok1 := id[p.a]
					_, ok2 := id[p.b]
					if ok1 && ok2 && len([]rune(p.a+p.b)) <= o.MaxTokenLength {
						count[p]++
					}
				}
			}
			best, found := pairOf{}, false
			for p, n := range count {
				if n >= o.MinFrequency && (!found || n > count[best] || n == count[best] && (id[p.a] < id[best.a] || id[p.a] == id[best.a] && id[p.b] < id[best.b])) {
					best, found = p, true
				}
			}
			if !found {
				break
			}
			if _, ok := id[best.a+best.b]; !ok {
				id[best.a+best.b] = len(id)
			}
			if m := [2]string{best.a, best.b}; !slices.Contains(merges, m) {
				merges = append(merges, m)
			}
			for w, word := range words {
				for i := 0; i+1 < len(word); i++ {
					if word[i] == best.a && word[i+1] == best.b {
						word = slices.Replace(word, i, i+2, best.a+best.b)
					}
				}
				words[w] = word
			}
		}
		if diff := cmp.Diff(merges, got.Merges); diff != "" {
			t.Fatalf("%q: merges (-plain +got)\n%s", text, diff)
		}
	})
}

// What was trained keeps every text, but for the "▁" that kind jamba takes for a space, and is read back as it was.
func TestTrainedKeepsText(t *testing.T) {
	texts := goldenTexts(t)
	for _, kind := range kinds {
		trained, err := Train(eachText(texts...), TrainOptions{Kind: kind, VocabSize: 1500, Special: []string{"<|mask|>"}, Markers: ChatMarkers})
		if err != nil {
			t.Fatal(err)
		}
		tk, err := trained.Tokenizer()
		if err != nil {
			t.Fatal(err)
		}
		for id, token := range trained.Tokens {
			if got, ok := tk.Token(int32(id)); !ok || got != token {
				t.Fatalf("%s: token %d is %q, want %q", kind, id, got, token)
			}
			if got := tk.IsSpecial(int32(id)); got != (id < 5) {
				t.Fatalf("%s: token %q is special: %v", kind, token, got)
			}
		}
		for name, id := range map[string]int32{"<|pad|>": 0, "<|startoftext|>": 1, "<|endoftext|>": 2, "<|unk|>": 3, "<|mask|>": 4, "<|eom|>": 5, "<|tool|>": 10} {
			if got, ok := tk.ID(name); !ok || got != id {
				t.Errorf("%s: %s is %d, want %d", kind, name, got, id)
			}
		}
		if ids := encode(t, tk, "a", true); len(ids) != 2 || ids[0] != 1 || !tk.AddsBOS() {
			t.Errorf("%s: a text is framed as %v", kind, ids)
		}
		check := func(t rapid.TB, s string) {
			if kind == KindJamba {
				s = strings.ReplaceAll(s, "▁", " ")
			}
			if got := tk.Decode(encode(t, tk, s, false), false); got != s {
				t.Fatalf("%s: %q came back as %q", kind, s, got)
			}
		}
		for _, s := range texts {
			check(t, s)
		}
		rapid.Check(t, func(t *rapid.T) { check(t, toValid(trickyText().Draw(t, "text"))) })
	}
}

// No token of kind jamba goes across what its words are: so the tokenizer needs no rule for words.
func TestTokensStayWithinWords(t *testing.T) {
	trained, err := Train(eachText(goldenTexts(t)...), TrainOptions{VocabSize: 2000})
	if err != nil {
		t.Fatal(err)
	}
	tk, err := trained.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		// A ▁ that the text itself has is a space to the model and none to the words.
		text := strings.ReplaceAll(toValid(trickyText().Draw(t, "text")), "▁", "_")
		var ids []int32
		for at := 0; at < len(text); {
			n := scanMeta(text[at:])
			ids = append(ids, encode(t, tk, text[at:at+n], false)...)
			at += n
		}
		if got := encode(t, tk, text, false); !slices.Equal(got, ids) {
			t.Fatalf("%q: %v, by words %v", text, spell(tk, got), spell(tk, ids))
		}
	})
}

func TestTrainLeavesAddedTokensOut(t *testing.T) {
	trained, err := Train(eachText(strings.Repeat("<|endoftext|><|user|>", 9)), TrainOptions{Kind: KindGPT2, VocabSize: 400, Markers: ChatMarkers})
	if err != nil {
		t.Fatal(err)
	}
	if len(trained.Merges) != 0 {
		t.Errorf("merges %q", trained.Merges)
	}
}

// Texts of several chunks and words of several pieces are counted as a whole.
func TestTrainChunks(t *testing.T) {
	line := strings.Repeat("some words  and\n", 3)
	long := strings.Repeat("ab", maxTrainWord)
	counts, err := countWords(eachText(strings.Repeat(line, trainChunk/20), long), TrainOptions{Kind: KindJamba})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{"some": 0, " words": 0, "  and": 0, "\n": 0, long[:maxTrainWord]: 2}
	for _, w := range []string{"some", " words", "  and", "\n"} {
		want[w] = 3 * (trainChunk / 20)
	}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Error(diff)
	}
}

func TestTrainBad(t *testing.T) {
	for want, o := range map[string]TrainOptions{
		"vocab_size is 0": {},
		"vocab_size is 300, but 4 added tokens and 353 bytes and characters come before the first merge": {VocabSize: 300},
		"vocab_size is 1048577":                {VocabSize: 1<<20 + 1},
		`kind "wordpiece" is not known`:        {VocabSize: 1000, Kind: "wordpiece"},
		`added token "<|pad|>" is there twice`: {VocabSize: 1000, Special: []string{"<|pad|>"}},
		`added token "a": single`:              {VocabSize: 1000, Markers: []string{"a"}},
		`added token "<0x41>": single`:         {VocabSize: 1000, Markers: []string{"<0x41>"}},
		`added token "": want`:                 {VocabSize: 1000, Markers: []string{""}},
		"min_frequency is -1":                  {VocabSize: 1000, MinFrequency: -1},
	} {
		if _, err := Train(eachText("text"), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	broken := errors.New("cannot be read")
	texts := func(yield func(string, error) bool) { yield("", broken) }
	if _, err := Train(texts, TrainOptions{VocabSize: 1000}); !errors.Is(err, broken) {
		t.Error(err)
	}
}
