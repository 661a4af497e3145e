package main

import (
	"strings"
	"testing"

	"github.com/rivo/uniseg"
	"pgregory.net/rapid"
)

// onScreen returns what a terminal of that many columns gets of a text in pieces.
func onScreen(columns int, pieces ...string) string {
	var b strings.Builder
	s := &screen{out: &b, width: func() int { return columns }}
	for _, p := range pieces {
		_ = s.print(p)
	}
	_ = s.end()
	return b.String()
}

func TestScreen(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"words", "the quick brown fox jumps", "the quick\nbrown fox\njumps\n"},
		{"exactly a line", "0123456789 0123456789", "0123456789\n0123456789\n"},
		{"line breaks", "a\n\n  b\n", "a\n\n  b\n"},
		{"a long word", "see 0123456789abcdefghijk now", "see\n0123456789\nabcdefghij\nk now\n"},
		{"after a hyphen", "well-known-things", "well-\nknown-\nthings\n"},
		{"wide characters", "日本語日本語日本語", "日本語日本\n語日本語\n"},
		{"emoji", "ab 👨‍👩‍👧👍🏽 🇩🇪🇩🇪 é́x", "ab 👨‍👩‍👧👍🏽 🇩🇪\n🇩🇪 é́x\n"},
		{"code", "so:\n```go\nfunc main() { println(1) }\n```\nand that was all", "so:\n```go\nfunc main() { println(1) }\n```\nand that\nwas all\n"},
		{"a table", "| name | age |\nof five of us", "| name | age |\nof five of\nus\n"},
		{"tabs", "\ta bc def", "\ta\nbc def\n"},
		{"controls", "a\x1b[2Jb\x07 \u009b1mc\r\nd", "a\\x1b[2Jb\\\na\n\\u009b1mc\nd\n"},
		{"nothing", "", "\n"},
	} {
		if got := onScreen(10, test.text); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
		// Character by character it is the same.
		if got := onScreen(10, strings.Split(test.text, "")...); got != test.want {
			t.Errorf("%s in pieces: %q, want %q", test.name, got, test.want)
		}
	}
	var b strings.Builder
	s := newScreen(&b)
	_ = s.print("a\x1b[2J")
	if _ = s.end(); b.String() != "a\x1b[2J" {
		t.Errorf("what is no terminal gets %q", b.String())
	}
}

// TestScreenKeepsText asserts that nothing but space and line breaks changes, that lines fit, and that no more than a word is
// held back.
func TestScreenKeepsText(t *testing.T) {
	word := rapid.SampledFrom([]string{"a", "word", "considerably", "日本語", "👨‍👩‍👧", "e\u0301", "x-y", "\n", " ", "  ", "(1)", "1.5%", "https://x.org/a?b=c"})
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOfN(word, 0, 30).Draw(t, "pieces")
		columns := rapid.IntRange(1, 30).Draw(t, "columns")
		var b strings.Builder
		s := &screen{out: &b, width: func() int { return columns }}
		fed := ""
		for _, p := range pieces {
			fed += p
			_ = s.print(p)
			if late := strings.TrimLeft(fed[len(fed)-len(s.held):], " "); strings.ContainsAny(strings.TrimRight(late, " "), " \n") {
				t.Fatalf("after %q, %q is held back", fed, s.held)
			}
		}
		_ = s.end()
		plain := func(s string) string { return strings.Join(strings.Fields(s), "") }
		if plain(b.String()) != plain(fed) {
			t.Fatalf("%q became %q", fed, b.String())
		}
		for line := range strings.SplitSeq(b.String(), "\n") {
			if w := uniseg.StringWidth(strings.TrimRight(line, " ")); w > max(columns, 2) {
				t.Fatalf("a line of %d columns: %q", w, line)
			}
		}
	})
}
