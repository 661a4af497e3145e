package tokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/dlclark/regexp2"

	"jamba/text/tokenizer/onig"
)

// A pattern finds its matches in a text.
type pattern interface {
	// each yields the matches from left to right, without overlaps, as byte offsets. A regular expression that takes
	// too long ends b.
	each(s string, b *budget, yield func(lo, hi int))
	neighbours
}

// neighbours tell what stands side by side in the matches of a pattern.
type neighbours interface {
	// Apart reports that nothing which a match, or an attempt at one, looks at goes from left on to right.
	Apart(left, right rune) bool
	// Holds reports that r is part of a match wherever it stands.
	Holds(r rune) bool
	// Touches reports that r may be part of a match.
	Touches(r rune) bool
}

// literal matches a fixed, non-empty string.
type literal string

func (l literal) each(s string, _ *budget, yield func(lo, hi int)) {
	for at := 0; ; {
		i := strings.Index(s[at:], string(l))
		if i < 0 {
			return
		}
		at += i + len(l)
		yield(at-len(l), at)
	}
}

// Apart reports whether the two are no neighbours in the string.
func (l literal) Apart(left, right rune) bool {
	return !strings.Contains(string(l), string(left)+string(right))
}

// Holds reports whether r is the string.
func (l literal) Holds(r rune) bool { return string(l) == string(r) }

// Touches reports whether the string has r.
func (l literal) Touches(r rune) bool { return strings.ContainsRune(string(l), r) }

// charIs matches every single character of a class.
type charIs func(r rune) bool

func (c charIs) each(s string, _ *budget, yield func(lo, hi int)) {
	for at := 0; at < len(s); {
		r, n := utf8.DecodeRuneInString(s[at:])
		if c(r) {
			yield(at, at+n)
		}
		at += n
	}
}

// Apart is true: a match is one character.
func (c charIs) Apart(_, _ rune) bool { return true }

// Holds reports whether r is of the class.
func (c charIs) Holds(r rune) bool { return c(r) }

// Touches reports whether r is of the class.
func (c charIs) Touches(r rune) bool { return c(r) }

// each of a scanner yields tokens that cover the text.
func (f scanner) each(s string, _ *budget, yield func(lo, hi int)) {
	for at := 0; at < len(s); {
		n := f(s[at:])
		yield(at, at+n)
		at += n
	}
}

// regex matches a regular expression of Oniguruma, translated for regexp2.
type regex struct {
	expr string
	re   *regexp2.Regexp
	near
}

// near are the neighbours in an expression, found out when they are asked for.
type near func() *onig.Neighbours

// Apart is that of the expression.
func (n near) Apart(left, right rune) bool { return n().Apart(left, right) }

// Holds is that of the expression.
func (n near) Holds(r rune) bool { return n().Holds(r) }

// Touches is that of the expression.
func (n near) Touches(r rune) bool { return n().Touches(r) }

// scanned is a scanner with the expression that it stands for.
type scanned struct {
	scanner
	near
}

const maxPattern = 1 << 14 // bytes of a regular expression

// newPattern makes a regular expression, hand-written where the pattern is well known.
func newPattern(path, expr string) (pattern, error) {
	if p, ok := wellKnown[expr]; ok {
		return p, nil
	}
	re, err := compile(expr)
	if err != nil {
		return nil, fmt.Errorf("%s: regular expression %.100q: %w", path, expr, err)
	}
	return regex{expr, re, onig.Lazily(expr)}, nil
}

func compile(expr string) (re *regexp2.Regexp, err error) {
	// regexp2 is not hardened against hostile patterns.
	defer func() {
		if r := recover(); r != nil {
			re, err = nil, fmt.Errorf("cannot be compiled: %v", r)
		}
	}()
	if len(expr) > maxPattern {
		return nil, fmt.Errorf("%d bytes, at most %d are supported", len(expr), maxPattern)
	}
	expr, err = onig.Translate(expr)
	if err != nil {
		return nil, err
	}
	re, err = regexp2.Compile(expr, regexp2.None)
	if err != nil {
		return nil, err
	}
	re.MatchTimeout = matchLimit
	return re, nil
}

func (p regex) each(s string, b *budget, yield func(lo, hi int)) {
	// regexp2 works on runes. An ill-formed byte becomes one U+FFFD, here and in its conversion, so
	// walking s along with the matches gives the byte offsets.
	bytes, runes, last := 0, 0, -1
	offset := func(rune int) int {
		for ; runes < rune; runes++ {
			_, n := utf8.DecodeRuneInString(s[bytes:])
			bytes += n
		}
		return bytes
	}
	var m *regexp2.Match
	for {
		if m = p.next(s, m, b); m == nil {
			return
		}
		lo := offset(m.Index)
		hi := offset(m.Index + m.Length)
		// Unlike .NET, Oniguruma's search does not find an empty match where the previous match ended.
		if lo < hi || lo != last {
			yield(lo, hi)
		}
		last = hi
	}
}

// next returns the match after prev, or the first. A search that takes too long, or fails by a fault of the library,
// ends b: its matches would be other ones.
func (p regex) next(s string, prev *regexp2.Match, b *budget) (m *regexp2.Match) {
	fail := func(err error) {
		b.fail(fmt.Errorf("regular expression %.200q on a text of %d bytes: %w", p.expr, len(s), err))
	}
	defer func() {
		if r := recover(); r != nil {
			m = nil
			fail(fmt.Errorf("%v", r))
		}
	}()
	if b.failed() {
		return nil
	}
	if !b.inTime() {
		fail(errSlow)
		return nil
	}
	var err error
	if prev == nil {
		m, err = p.re.FindStringMatch(s)
	} else {
		m, err = p.re.FindNextMatch(prev)
	}
	if err != nil { // it has no other than its time limit
		fail(errSlow)
		return nil
	}
	return m
}

// replaceGrowth bounds how many times longer replaceAll can make a text.
func replaceGrowth(p pattern, content string) float64 {
	if l, ok := p.(literal); ok {
		return max(1, float64(len(content))/float64(len(l)))
	}
	return 1 + 2*float64(len(content)) // a match at every byte, and an empty one before each
}

// replaceAll puts content in the place of every match. The content is taken literally.
func replaceAll(s string, p pattern, content string, b *budget) string {
	if l, ok := p.(literal); ok {
		if grown := len(content) - len(l); grown > 0 && !b.fits(len(s)+grown*strings.Count(s, string(l))) {
			return ""
		}
		return strings.ReplaceAll(s, string(l), content)
	}
	if s == "" { // the reference finds nothing there
		return s
	}
	var out strings.Builder
	done := 0
	p.each(s, b, func(lo, hi int) {
		if b.fits(out.Len() + lo - done + len(content)) {
			out.WriteString(s[done:lo])
			out.WriteString(content)
			done = hi
		}
	})
	if done == 0 && out.Len() == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}
