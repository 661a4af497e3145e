package tokenizer

import (
	"sync"
	"unicode"
	"unicode/utf8"

	"jamba/text/tokenizer/onig"
)

// A scanner returns the length of the first token of a non-empty text, at least 1. It is a hand-written
// form of a pattern whose matches cover every text.
type scanner func(s string) int

// Patterns of well known models.
const (
	gpt2Pattern = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

	// The patterns of OpenAI's cl100k and its descendants differ in how many digits go together.
	llama3Pattern = clHead + `\p{N}{1,3}` + clTail
	qwen2Pattern  = clHead + `\p{N}` + clTail
	digitPattern  = `\p{N}`
	clHead        = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|`
	clTail        = `| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// wellKnown are hand-written forms of regular expressions, about ten times as fast.
var wellKnown = map[string]pattern{
	gpt2Pattern:   gpt2Words,
	llama3Pattern: scanned{func(s string) int { return scanCL(s, 3) }, onig.Lazily(llama3Pattern)},
	qwen2Pattern:  scanned{func(s string) int { return scanCL(s, 1) }, onig.Lazily(qwen2Pattern)},
	digitPattern:  charIs(func(r rune) bool { return runeClass(r) == number }),
}

var gpt2Words = scanned{scanGPT2, onig.Lazily(gpt2Pattern)}

type class uint8

const (
	other class = iota
	letter
	number
	space   // white space without the next
	newline // CR and LF
)

func (c class) isSpace() bool { return c >= space }

var asciiClass = func() (t [utf8.RuneSelf]class) {
	for r := range t {
		t[r] = runeClass(rune(r))
	}
	return t
}()

func runeClass(r rune) class {
	switch {
	case r == '\r' || r == '\n':
		return newline
	case unicode.IsSpace(r):
		return space
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case r < firstNewer:
		return other
	case newerLetters()(r):
		return letter
	case newerNumbers()(r):
		return number
	}
	return other
}

// Letters and numbers of Unicode 16, which regular expressions go by, that Go's tables lack; all are from firstNewer on.
var (
	newerLetters = sync.OnceValue(func() func(rune) bool { return onig.Newer("L", unicode.L) })
	newerNumbers = sync.OnceValue(func() func(rune) bool { return onig.Newer("N", unicode.N) })
)

const firstNewer = 0x1C89

// classAt returns the class and length of the first character of s; length 0 at the end of the text.
func classAt(s string) (class, int) {
	if s == "" {
		return other, 0
	}
	if s[0] < utf8.RuneSelf {
		return asciiClass[s[0]], 1
	}
	r, n := utf8.DecodeRuneInString(s)
	return runeClass(r), n
}

// run returns the length of the run of characters of class c that s begins with.
func run(s string, c class) int {
	at := 0
	for at < len(s) {
		d, n := classAt(s[at:])
		if d != c {
			break
		}
		at += n
	}
	return at
}

// spaces is what \s+(?!\S)|\s+ matches in s, which begins with white space: the run of white space,
// without its last character when a word follows. newlines ends after the last CR or LF of the run.
func spaces(s string) (length, newlines int) {
	at, last := 0, 0
	for at < len(s) {
		c, n := classAt(s[at:])
		if !c.isSpace() {
			if last > 0 {
				return last, newlines
			}
			return at, newlines
		}
		last = at
		at += n
		if c == newline {
			newlines = at
		}
	}
	return at, newlines
}

func scanGPT2(s string) int {
	if n := contraction(s, false); n > 0 {
		return n
	}
	lead := 0
	if s[0] == ' ' {
		lead = 1
	}
	if c, n := classAt(s[lead:]); n > 0 && !c.isSpace() {
		return lead + run(s[lead:], c)
	}
	n, _ := spaces(s)
	return n
}

func scanCL(s string, digits int) int {
	if n := contraction(s, true); n > 0 {
		return n
	}
	c, n := classAt(s)
	switch c {
	case letter:
		return run(s, letter)
	case number:
		length := n
		for digits--; digits > 0; digits-- {
			c, n := classAt(s[length:])
			if n == 0 || c != number {
				break
			}
			length += n
		}
		return length
	case space, other:
		if m := run(s[n:], letter); m > 0 {
			return n + m
		}
	}
	lead := 0
	if s[0] == ' ' {
		lead = 1
	}
	if m := run(s[lead:], other); m > 0 {
		return lead + m + run(s[lead+m:], newline)
	}
	length, newlines := spaces(s)
	if newlines > 0 {
		return newlines
	}
	return length
}

// contraction returns the length of 's 't 're 've 'm 'll or 'd at the start of s.
func contraction(s string, fold bool) int {
	if len(s) < 2 || s[0] != '\'' {
		return 0
	}
	at := func(i int) byte {
		if i >= len(s) {
			return 0
		}
		if b := s[i]; !fold || b < 'A' || b > 'Z' {
			return b
		}
		return s[i] + 'a' - 'A'
	}
	switch at(1) {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		if at(2) == 'e' {
			return 3
		}
	case 'l':
		if at(2) == 'l' {
			return 3
		}
	}
	if fold && len(s) >= 3 && s[1:3] == "ſ" { // U+017F folds to s
		return 3
	}
	return 0
}
