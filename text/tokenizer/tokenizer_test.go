package tokenizer

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"jamba/internal/testutil"
)

func TestFacts(t *testing.T) {
	for _, c := range []struct {
		style                  string
		bos, eos, pad, unk     int32
		addsBOS                bool
		size                   int
		token                  string
		id                     int32
		bytes                  string
		special, plain, absent int32
	}{
		{"jamba-style", 1, 2, 0, 3, true, 4096, "<0x0A>", 41, "\n", 13, 14, 4096},
		{"llama2-style", 1, 2, -1, 0, true, 3000, "▁t", 261, " t", 2, 3, -1},
		{"gpt2-style", 0, 0, -1, 0, false, 3000, "ĠĠ", 257, "  ", 0, 1, 1 << 30},
		{"cl100k-style", 0, 4, -1, -1, true, 3500, "Ċ", 203, "\n", 4, 5, -1 << 31},
	} {
		tk := loadStyle(t, c.style)
		for _, tk := range []*Tokenizer{tk, maybeModel(t, c.style, tk)} {
			for _, s := range []struct {
				name string
				f    func() (int32, bool)
				want int32
			}{{"BOS", tk.BOS, c.bos}, {"EOS", tk.EOS, c.eos}, {"PAD", tk.PAD, c.pad}, {"UNK", tk.UNK, c.unk}} {
				if id, ok := s.f(); id != s.want || ok != (s.want >= 0) {
					t.Errorf("%s: %s = %d, %v, want %d", c.style, s.name, id, ok, s.want)
				}
			}
			if tk.AddsBOS() != c.addsBOS || tk.VocabSize() != c.size {
				t.Errorf("%s: AddsBOS %v, VocabSize %d", c.style, tk.AddsBOS(), tk.VocabSize())
			}
			if id, ok := tk.ID(c.token); id != c.id || !ok {
				t.Errorf("%s: ID(%q) = %d, %v, want %d", c.style, c.token, id, ok, c.id)
			}
			if text, ok := tk.Token(c.id); text != c.token || !ok {
				t.Errorf("%s: Token(%d) = %q, %v, want %q", c.style, c.id, text, ok, c.token)
			}
			if got := string(tk.TokenBytes(c.id)); got != c.bytes {
				t.Errorf("%s: TokenBytes(%d) = %q, want %q", c.style, c.id, got, c.bytes)
			}
			if !tk.IsSpecial(c.special) || tk.IsSpecial(c.plain) || tk.IsSpecial(c.absent) {
				t.Errorf("%s: IsSpecial %v %v %v", c.style, tk.IsSpecial(c.special), tk.IsSpecial(c.plain), tk.IsSpecial(c.absent))
			}
			if text, ok := tk.Token(c.absent); ok || text != "" || tk.TokenBytes(c.absent) != nil || tk.Decode([]int32{c.absent}, false) != "" {
				t.Errorf("%s: Token(%d) = %q, %v", c.style, c.absent, text, ok)
			}
			if _, ok := tk.ID("no such token"); ok {
				t.Errorf("%s: has an id for a token it does not have", c.style)
			}
		}
	}
}

// maybeModel loads the style's tokenizer.model if it has one.
func maybeModel(t *testing.T, style string, otherwise *Tokenizer) *Tokenizer {
	if slices.Contains(styles[:2], style) {
		return loadModel(t, style)
	}
	return otherwise
}

// The bytes of a text's tokens add up to the text, but for a prefix space.
func TestTokenBytes(t *testing.T) {
	for _, style := range styles {
		tk := loadStyle(t, style)
		for _, g := range goldens(t, style) {
			if g.Kind != "encode" {
				continue
			}
			var b []byte
			for _, id := range g.IDs {
				b = append(b, tk.TokenBytes(id)...)
			}
			want := g.Text
			if style == "llama2-style" && g.Text != "" {
				if strings.Contains(g.Text, "<") {
					continue // added tokens put spaces within
				}
				want = " " + g.Text
			}
			want = strings.ReplaceAll(want, "▁", " ")
			if style == "gpt2-style" || style == "cl100k-style" {
				want = g.Text
			}
			if string(b) != want {
				t.Errorf("%s: the bytes of %q are %q", style, g.Text, b)
			}
		}
	}
}

// Ill-formed bytes survive where the vocabulary can express them.
func TestInvalidUTF8(t *testing.T) {
	const text = "a\xff\xc3 \xe4\xb8b\xf0\x9f\x98"
	for _, style := range styles {
		for _, tk := range []*Tokenizer{loadStyle(t, style), maybeModel(t, style, loadStyle(t, style))} {
			var b []byte
			for _, id := range encode(t, tk, text, false) {
				b = append(b, tk.TokenBytes(id)...)
			}
			if got := strings.TrimPrefix(string(b), " "); got != text {
				t.Errorf("%s: %q, want %q", style, got, text)
			}
		}
	}
	tk, err := FromJSON([]byte(tiny(`"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}, {"type": "StripAccents"}]}`)), Config{})
	if err != nil {
		t.Fatal(err)
	}
	if got := encode(t, tk, "A\xffe\u0301\xcc", false); !slices.Equal(got, []int32{1, 0, 0, 0}) {
		t.Errorf("ids %v, want a token for the letter and an unknown one for each other character", got)
	}
}

// tiny is a tokenizer.json with the tokens <unk>, a, b and ab and the given field in front.
func tiny(field string) string {
	return `{` + field + `, "model": {"type": "BPE", "unk_token": "<unk>", "vocab": {"<unk>": 0, "a": 1, "b": 2, "ab": 3}, "merges": ["a b"]}}`
}

func TestToValid(t *testing.T) {
	for in, want := range map[string]string{
		"a\xffb":                   "a\uFFFDb",
		"\xe4\xb8":                 "\uFFFD",
		"\xe4\xb8\xe4\xb8\xad":     "\uFFFD中",
		"\xf0\x9f\x98x":            "\uFFFDx",
		"\xed\xa0\x80":             "\uFFFD\uFFFD\uFFFD",
		"\xf4\x90\x80\x80":         "\uFFFD\uFFFD\uFFFD\uFFFD",
		"\xc0\x80":                 "\uFFFD\uFFFD",
		"\xf1\x80\x80\xe1\x80\xc2": "\uFFFD\uFFFD\uFFFD", // Unicode 15, table 3-8
		"":                         "",
	} {
		if got := toValid(in); got != want {
			t.Errorf("toValid(%q) = %q, want %q", in, got, want)
		}
	}
}

// Folder contents decide which file is read and what stands around a text.
// TestAddBOSIsPassedOver asserts what transformers 5.24 does, which takes add_bos_token out of the settings if there is a
// tokenizer.json, and that it is told.
func TestAddBOSIsPassedOver(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		bos, eos *bool
		want     int
	}{{nil, nil, 0}, {&no, &no, 0}, {&yes, &no, 1}, {&yes, &yes, 2}} {
		tk, err := FromJSON([]byte(tiny(`"post_processor": null`)), Config{Special: map[string]string{"bos_token": "a", "eos_token": "b"}, AddBOS: c.bos, AddEOS: c.eos})
		if err != nil {
			t.Fatal(err)
		}
		w := tk.Warnings()
		if len(w) != c.want || c.want > 0 && !strings.HasPrefix(w[0], "tokenizer_config.json: add_bos_token is passed over") {
			t.Errorf("warnings %q, want %d", w, c.want)
		}
		if ids := encode(t, tk, "ab", true); !slices.Equal(ids, []int32{1, 2}) || tk.AddsBOS() {
			t.Errorf("ids %v", ids)
		}
	}
}

func TestLoad(t *testing.T) {
	for _, c := range []struct {
		name    string
		files   map[string]string
		ids     []int32 // of "ab" with special tokens
		special map[string]string
		err     string
	}{
		{
			name: "no post-processor, whatever the configuration says", files: map[string]string{
				"tokenizer.json":        tiny(`"added_tokens": []`),
				"tokenizer_config.json": `{"bos_token": {"content": "a"}, "eos_token": "b", "pad_token": null, "add_bos_token": true, "add_eos_token": true}`,
			},
			ids: []int32{1, 2}, special: map[string]string{"bos_token": "a", "eos_token": "b"},
		},
		{
			name: "special tokens map", files: map[string]string{
				"tokenizer.json":          tiny(`"added_tokens": []`),
				"tokenizer_config.json":   `{"bos_token": "<unk>", "add_bos_token": true}`,
				"special_tokens_map.json": `{"bos_token": "a", "eos_token": "</s>", "additional_special_tokens": ["b"]}`,
			},
			// As in the reference "b" is looked for before the model's "ab".
			ids: []int32{1, 2}, special: map[string]string{"bos_token": "<unk>", "eos_token": "</s>"},
		},
		{
			name: "added tokens of the configuration", files: map[string]string{
				"tokenizer.json":        tiny(`"added_tokens": []`),
				"tokenizer_config.json": `{"added_tokens_decoder": {"4": {"content": "bx", "special": true}, "3": {"content": "ab", "lstrip": true}}}`,
			},
			ids: []int32{3},
		},
		{
			name: "a post-processor overrides add_bos_token", files: map[string]string{
				"tokenizer.json":        tiny(`"post_processor": {"type": "ByteLevel"}`),
				"tokenizer_config.json": `{"bos_token": "a", "add_bos_token": true}`,
			},
			ids: []int32{1, 2}, special: map[string]string{"bos_token": "a"},
		},
		{
			name: "a template names the bos", files: map[string]string{
				"tokenizer.json": tiny(`"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "b"}}, {"Sequence": {"id": "A"}}], "pair": [], "special_tokens": {"b": {"id": "b", "ids": [2], "tokens": ["b"]}}}`),
			},
			ids: []int32{2, 3}, special: map[string]string{"bos_token": "b"},
		},
		{name: "nothing", err: "neither tokenizer.json nor tokenizer.model"},
		{name: "configuration", files: map[string]string{"tokenizer_config.json": `{`}, err: "tokenizer_config.json: unexpected end of JSON input"},
		{name: "bos of a wrong type", files: map[string]string{"tokenizer_config.json": `{"bos_token": 1}`}, err: `tokenizer_config.json: bos_token: want a string or an object with "content"`},
		{name: "id of a wrong kind", files: map[string]string{"tokenizer_config.json": `{"added_tokens_decoder": {"x": {}}}`}, err: `added_tokens_decoder: "x" is not an id`},
		{name: "negative id", files: map[string]string{"tokenizer_config.json": `{"added_tokens_decoder": {"-1": {"content": "y"}}}`}, err: `added_tokens_decoder: "y": id -1 is out of range`},
		{name: "map", files: map[string]string{"special_tokens_map.json": `[]`}, err: "special_tokens_map.json: json: cannot unmarshal array"},
		{
			name: "id of another token", files: map[string]string{
				"tokenizer.json": tiny(`"added_tokens": []`), "tokenizer_config.json": `{"added_tokens_decoder": {"3": {"content": "x"}}}`,
			},
			err: `tokenizer.json: added_tokens: "x" has id 3, which is that of "ab"`,
		},
	} {
		dir := t.TempDir()
		for name, data := range c.files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		tk, err := Load(dir)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want %q", c.name, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := encode(t, tk, "ab", true); !slices.Equal(got, c.ids) {
			t.Errorf("%s: ids %v, want %v", c.name, got, c.ids)
		}
		if !maps.Equal(tk.SpecialTokens(), c.special) {
			t.Errorf("%s: special tokens %v, want %v", c.name, tk.SpecialTokens(), c.special)
		}
	}
}

// Special tokens without a name of their own that have an id are found in texts, as in the reference (transformers 5.24);
// those that have none are told.
func TestExtraSpecialTokens(t *testing.T) {
	for config, want := range map[string]struct {
		th      bool
		warning string
	}{
		`{}`:                                                         {},
		`{"additional_special_tokens": ["th"]}`:                      {th: true},
		`{"extra_special_tokens": {"q": "th"}}`:                      {th: true},
		`{"extra_special_tokens": ["th"]}`:                           {th: true},
		`{"extra_special_tokens": {"q": {"content": "th"}}}`:         {th: true},
		`{"additional_special_tokens": ["<|x|>", "<|y|>", "<|x|>"]}`: {warning: `"<|x|>", "<|y|>"`},
		`{"additional_special_tokens": ["<|x|>"], "extra_special_tokens": ["<|y|>"]}`:   {warning: `: "<|y|>"`},
		`{"additional_special_tokens": ["<|x|>"], "extra_special_tokens": {"i": "th"}}`: {th: true, warning: `: "<|x|>"`},
	} {
		c, err := ParseConfig([]byte(config))
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(testutil.Golden("tokenizer", "gpt2-style", "tokenizer.json"))
		if err != nil {
			t.Fatal(err)
		}
		tk, err := FromJSON(data, c)
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Equal(spell(tk, encode(t, tk, "other", false)), []string{"o", "th", "er"}); got != want.th {
			t.Errorf("%s: %q", config, spell(tk, encode(t, tk, "other", false)))
		}
		if w := strings.Join(tk.Warnings(), "; "); (w == "") != (want.warning == "") || !strings.HasSuffix(w, want.warning) {
			t.Errorf("%s: warning %q", config, w)
		}
	}
}

// The configuration beside a tokenizer.model.
func TestSentencePieceConfig(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "testdata", "goldens", "tokenizer", "llama2-style", "tokenizer.model"))
	if err != nil {
		t.Fatal(err)
	}
	yes, no := true, false
	for _, c := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"none", Config{}, "<s> ▁h ell o <s> ▁h ell o"},
		{"no bos, eos", Config{AddBOS: &no, AddEOS: &yes}, "▁h ell o <s> ▁h ell o </s>"},
		{"not legacy", Config{Legacy: &no}, "<s> ▁h ell o <s> h ell o"},
		{"no prefix", Config{AddPrefixSpace: &no}, "<s> h ell o <s> h ell o"},
	} {
		tk, err := FromSentencePiece(data, c.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(spell(tk, encode(t, tk, "hello<s>hello", true)), " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestConcurrentUse has goroutines share new tokenizers of all kinds, from the first word on.
func TestConcurrentUse(t *testing.T) {
	for _, style := range styles {
		for _, tk := range both(t, style) {
			all := goldens(t, style)
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for _, g := range all {
						switch g.Kind {
						case "encode":
							if got, err := tk.Encode(g.Text, true); err != nil || !slices.Equal(got, g.IDsWithSpecial) {
								t.Errorf("%s: Encode(%q) differs when used concurrently (%v)", style, g.Text, err)
							}
							if tk.Decode(g.IDsWithSpecial, true) != g.DecodedSkipSpecial {
								t.Errorf("%s: Decode(%v) differs when used concurrently", style, g.IDsWithSpecial)
							}
						case "decode":
							if tk.Decode(g.IDs, false) != g.Decoded || tk.Decode(g.IDs, true) != g.DecodedSkipSpecial {
								t.Errorf("%s: Decode(%v) differs when used concurrently", style, g.IDs)
							}
						case "stream":
							if streamed(tk, g.IDs, true) != g.Prefixes[len(g.Prefixes)-1] {
								t.Errorf("%s: a stream of %v differs when used concurrently", style, g.IDs)
							}
						}
					}
				})
			}
			wg.Wait()
		}
	}
}
