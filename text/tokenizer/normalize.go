package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A normalizer prepares a stretch of text between added tokens.
type normalizer interface {
	normalize(s string) string
	// growth bounds how many times longer a text can get.
	growth() float64
}

type (
	// replaceNormalizer puts content in the place of every match.
	replaceNormalizer struct {
		pattern pattern
		content string
	}
	// prependNormalizer puts a string before a text that is not empty.
	prependNormalizer string
	// stripNormalizer removes white space at the ends.
	stripNormalizer struct{ left, right bool }
	// mapNormalizer applies a function that makes a text at most factor times longer.
	mapNormalizer struct {
		f      func(string) string
		factor float64
	}
)

func (n replaceNormalizer) normalize(s string) string { return replaceAll(s, n.pattern, n.content) }
func (n replaceNormalizer) growth() float64           { return replaceGrowth(n.pattern, n.content) }

func (n prependNormalizer) normalize(s string) string {
	if s == "" {
		return s
	}
	return string(n) + s
}
func (n prependNormalizer) growth() float64 { return 1 + float64(len(n)) }

func (n stripNormalizer) normalize(s string) string {
	if n.left {
		s = strings.TrimLeftFunc(s, unicode.IsSpace)
	}
	if n.right {
		s = strings.TrimRightFunc(s, unicode.IsSpace)
	}
	return s
}
func (n stripNormalizer) growth() float64 { return 1 }

func (n mapNormalizer) normalize(s string) string { return n.f(s) }
func (n mapNormalizer) growth() float64           { return n.factor }

// The Unicode forms follow golang.org/x/text: it breaks runs of more than 30 non-starters with U+034F
// (Unicode TR #15, Stream-Safe Text Format), the one place where it differs from other implementations.
// The factors are those of Unicode's stability table for UTF-8, rounded up.
var mapNormalizers = map[string]mapNormalizer{
	"NFC":          {norm.NFC.String, 3},
	"NFD":          {norm.NFD.String, 3},
	"NFKC":         {norm.NFKC.String, 11},
	"NFKD":         {norm.NFKD.String, 11},
	"Lowercase":    {lowercase, 1.5},
	"StripAccents": {stripAccents, 1},
	"ByteLevel":    {toByteChars, 2},
}

// mapRunes applies f to every rune and keeps ill-formed bytes.
func mapRunes(s string, f func(b *strings.Builder, r rune)) string {
	var b strings.Builder
	b.Grow(len(s))
	for at := 0; at < len(s); {
		r, n := utf8.DecodeRuneInString(s[at:])
		if r == utf8.RuneError {
			b.WriteString(s[at : at+n])
		} else {
			f(&b, r)
		}
		at += n
	}
	return b.String()
}

// lowercase lowers rune by rune: a sigma at the end of a word is no exception.
func lowercase(s string) string {
	return mapRunes(s, func(b *strings.Builder, r rune) {
		if r == 'İ' { // the one rune whose lower case is two
			b.WriteString("i\u0307")
			return
		}
		b.WriteRune(unicode.ToLower(r))
	})
}

func stripAccents(s string) string {
	return mapRunes(s, func(b *strings.Builder, r rune) {
		if !unicode.Is(unicode.M, r) {
			b.WriteRune(r)
		}
	})
}

// collapseSpaces is SentencePiece's remove_extra_whitespaces: no spaces at the ends, single ones within.
func collapseSpaces(s string) string {
	s = strings.TrimLeft(s, " ")
	var b strings.Builder
	b.Grow(len(s))
	for i := range len(s) {
		if s[i] != ' ' || s[i-1] != ' ' {
			b.WriteByte(s[i])
		}
	}
	// The reference trims after it has written spaces as "▁", so a "▁" of the text goes too.
	s = b.String()
	for {
		t := strings.TrimSuffix(strings.TrimSuffix(s, " "), metaChar)
		if len(t) == len(s) {
			return s
		}
		s = t
	}
}

// metaChar stands for a space in SentencePiece vocabularies: U+2581, LOWER ONE EIGHTH BLOCK.
const metaChar = "▁"
