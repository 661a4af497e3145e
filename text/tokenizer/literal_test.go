package tokenizer

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"jamba/internal/testutil"
)

// TestEncodeLiteral compares with the tokenizers library where it takes special tokens for text (testdata/make_literal.py).
func TestEncodeLiteral(t *testing.T) {
	differs := 0
	for _, g := range testutil.JSONLines[struct {
		Name      string
		Tokenizer *string
		Cases     []struct {
			Text string
			IDs  []int32
		}
	}](t, "testdata/literal.jsonl") {
		tk, err := (*Tokenizer)(nil), error(nil)
		if g.Tokenizer == nil {
			tk, err = Load(testutil.Golden("tokenizer", g.Name))
		} else {
			tk, err = FromJSON([]byte(*g.Tokenizer), Config{})
		}
		if err != nil {
			t.Fatal(g.Name, err)
		}
		for _, c := range g.Cases {
			got := encodeLiteral(t, tk, c.Text, nil, false)
			if !slices.Equal(got, c.IDs) {
				t.Errorf("%s: %q has ids %v, want %v", g.Name, c.Text, got, c.IDs)
			}
			if !slices.Equal(got, encode(t, tk, c.Text, false)) {
				differs++
			}
			if none := encodeLiteral(t, tk, c.Text, func(int) bool { return false }, true); !slices.Equal(none, encode(t, tk, c.Text, true)) {
				t.Errorf("%s: %q without literal parts has ids %v, want %v", g.Name, c.Text, none, encode(t, tk, c.Text, true))
			}
		}
	}
	if differs < 40 {
		t.Errorf("only %d texts name control tokens", differs)
	}
}

// TestEncodeLiteralInPart has control tokens of which some are literal: the ids have as many of them as are not.
func TestEncodeLiteralInPart(t *testing.T) {
	for _, name := range []string{"cl100k-style", "jamba-style", "llama2-style"} {
		tk, err := Load(testutil.Golden("tokenizer", name))
		if err != nil {
			t.Fatal(err)
		}
		token, _ := tk.Token(2)
		if !tk.IsSpecial(2) {
			bos, _ := tk.EOS()
			token, _ = tk.Token(bos)
		}
		id, _ := tk.ID(token)
		rapid.Check(t, func(t *rapid.T) {
			var text strings.Builder
			literal, want := map[int]bool{}, 0
			for range rapid.IntRange(0, 6).Draw(t, "parts") {
				text.WriteString(rapid.SampledFrom([]string{"", "a", " word ", "\n", "<", "|>"}).Draw(t, "between"))
				if rapid.Bool().Draw(t, "literal") {
					literal[text.Len()] = true
				} else {
					want++
				}
				text.WriteString(token)
			}
			ids := encodeLiteral(t, tk, text.String(), func(at int) bool { return literal[at] }, false)
			n := 0
			for _, i := range ids {
				if i == id {
					n++
				}
			}
			if n != want {
				t.Fatalf("%q with literal %v: %d control tokens, want %d", text.String(), literal, n, want)
			}
			// Text is what it was.
			if got := tk.Decode(ids, false); len(literal) > 0 && !strings.Contains(got, token) {
				t.Fatalf("%q decodes to %q", text.String(), got)
			}
		})
	}
}

// TestLiteralWhiteSpace asserts that added tokens of white space, which tell a model nothing, stay tokens.
func TestLiteralWhiteSpace(t *testing.T) {
	tk, err := FromJSON([]byte(`{"added_tokens": [{"id": 3, "content": "  ", "special": false, "normalized": true}, {"id": 4, "content": "<x>", "special": false, "normalized": true}],
		"model": {"type": "BPE", "vocab": {"a": 0, "<": 1, "x": 2, " ": 5, ">": 6}, "merges": []}}`), Config{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := encodeLiteral(t, tk, "a  a<x>", nil, false), []int32{0, 3, 0, 1, 2, 6}; !slices.Equal(got, want) {
		t.Errorf("ids %v, want %v", got, want)
	}
}

func encodeLiteral(t failer, tk *Tokenizer, text string, is func(at int) bool, special bool) []int32 {
	t.Helper()
	ids, err := tk.EncodeLiteral(text, is, special)
	if err != nil {
		t.Fatalf("%.200q: %v", text, err)
	}
	return ids
}
