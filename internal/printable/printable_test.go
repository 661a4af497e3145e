package printable

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"plain, ünïcödé 🙂":    "plain, ünïcödé 🙂",
		"\x1b[31mred\x07":     `\x1b[31mred\a`,
		"two\nlines\r\n":      "two lines  ",
		"\u202egnp.exe":       `\u202egnp.exe`,
		"bad \xff byte":       `bad \xff byte`,
		"csi \u009b31m":       `csi \u009b31m`,
		"replacement \uFFFD.": "replacement \uFFFD.",
	} {
		if got := Line(in); got != want {
			t.Errorf("Line(%q) is %q, want %q", in, got, want)
		}
	}
	if got := Line(strings.Repeat("x", 1000) + " end"); len(got) > MaxLine || !strings.HasSuffix(got, "x end") || !strings.Contains(got, "…") {
		t.Errorf("a long line became %q", got)
	}
}

func TestText(t *testing.T) {
	if got := Text("a\tb\nc\x1b[2J\r\n"); got != "a\tb\nc\\x1b[2J \n" {
		t.Errorf("got %q", got)
	}
}

func TestAnyBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(t, "s"))
		limit := rapid.IntRange(16, 600).Draw(t, "limit")
		got := Cut(s, limit)
		if len(got) > limit || !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) {
			t.Fatalf("%q", got)
		}
	})
}

func TestAnswer(t *testing.T) {
	for in, want := range map[string]string{
		"a\tb\r\nc":                   "a\tb\nc",
		"\x1b]0;title\x07\x1b[31mred": `\x1b]0;title\a\x1b[31mred`,
		"\u009b31m \u0085":            `\u009b31m \u0085`,
		"👨\u200d👩\u200d👧 می\u200cخواهم": "👨\u200d👩\u200d👧 می\u200cخواهم",
		"\u202egnp.exe\u2066":           `\u202egnp.exe\u2066`,
		"שלום\u200f":                    "שלום\u200f",
		"a\u2028b":                      "a\nb",
		"\x7f\x00\xff\ufffd":            "\\x7f\\x00\\xff\ufffd",
		"🏴\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F": "🏴\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F",
	} {
		if got := Answer(in); got != want {
			t.Errorf("Answer(%q) is %q, want %q", in, got, want)
		}
	}
}
