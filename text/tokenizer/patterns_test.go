package tokenizer

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// trickyText draws text with what the patterns tell apart: spaces of all kinds, contractions, digits,
// letters of many scripts, marks, symbols and ill-formed bytes.
func trickyText() *rapid.Generator[string] {
	parts := []string{
		" ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u3000", "\u2028", "\u0085", "a", "Bc", "é", "ß", "中", "ก", "ſ", "'s", "'S", "'ll", "'", "'ſ",
		"'Ve", "1", "23", "456", "²", "Ⅻ", "٣", "!", "..", "_", "-", "\u0301", "\u200d", "😀", "<|", "▁", "\xff", "\xe4\xb8", "\x00",
	}
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 24).Draw(t, "parts"), "") + rapid.StringN(0, 4, -1).Draw(t, "any")
	})
}

// The hand-written patterns agree with the regular expressions they stand for.
func TestWellKnownPatterns(t *testing.T) {
	for expr, fast := range wellKnown {
		re, err := compile(expr)
		if err != nil {
			t.Fatal(err)
		}
		all := func(p pattern, s string) (spans [][2]int) {
			p.each(s, nil, func(lo, hi int) { spans = append(spans, [2]int{lo, hi}) })
			return spans
		}
		rapid.Check(t, func(t *rapid.T) {
			s := trickyText().Draw(t, "text")
			got, want := all(fast, s), all(regex{`(a|aa)+$|b`, re, nil}, s)
			if !slices.Equal(got, want) {
				t.Fatalf("%q on %q: %v, want %v", expr, s, got, want)
			}
		})
	}
}

// A pattern that backtracks without end gives up in time, which is an error.
func TestRegexTimeLimit(t *testing.T) {
	re, err := compile(`(a|aa)+$|b`)
	if err != nil {
		t.Fatal(err)
	}
	re.MatchTimeout = 1 << 20 // about a millisecond
	s := "b" + strings.Repeat("a", 100) + "!"
	b := newBudget(len(s))
	splitter{pattern: regex{`(a|aa)+$|b`, re, nil}, behavior: isolated}.split(piece{s: s}, b, func(p piece) {
		if p.s != "b" {
			t.Errorf("piece %q", p.s)
		}
	})
	if b.err == nil || !strings.Contains(b.err.Error(), `regular expression "(a|aa)+$|b" on a text of 102 bytes: takes too long`) {
		t.Errorf("error %v", b.err)
	}
}
