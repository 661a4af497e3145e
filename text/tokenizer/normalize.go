package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A normalizer prepares a stretch of text between added tokens.
type normalizer interface {
	normalize(s string, b *budget) string
	// across tells what becomes of a seam, and whether what is done on its two sides is independent. A normalizer that does
	// something where a text begins has another, rest, for a text that goes on.
	across(s seam) (seam, bool)
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
	// mapNormalizer applies a function that goes rune by rune and makes a text at most twice as long.
	mapNormalizer func(string) string
	// collapseNormalizer is SentencePiece's remove_extra_whitespaces: no spaces at the ends, single ones within. escape tells
	// that spaces will be written as "▁", goesOn that something stands before the text.
	collapseNormalizer struct{ escape, goesOn bool }
	// formNormalizer brings a text into a Unicode form. It follows golang.org/x/text, which breaks runs of more than 30
	// non-starters with U+034F (Unicode TR #15, Stream-Safe Text Format), the one place where it differs from other
	// implementations.
	formNormalizer norm.Form
)

func (n replaceNormalizer) normalize(s string, b *budget) string {
	b.spend(len(s))
	return replaceAll(s, n.pattern, n.content, b)
}

func (n prependNormalizer) normalize(s string, b *budget) string {
	if s == "" || !b.spend(len(n)+len(s)) || !b.fits(len(n)+len(s)) {
		return s
	}
	return string(n) + s
}

func (n stripNormalizer) normalize(s string, b *budget) string {
	b.spend(len(s))
	if n.left {
		s = strings.TrimLeftFunc(s, unicode.IsSpace)
	}
	if n.right {
		s = strings.TrimRightFunc(s, unicode.IsSpace)
	}
	return s
}

func (n mapNormalizer) normalize(s string, b *budget) string {
	if !b.spend(len(s) * mapWork) {
		return s
	}
	return n(s)
}

// normalize goes on in parts, so that what comes out, up to 11 times as much, is bounded while it is made.
func (n formNormalizer) normalize(s string, b *budget) string {
	const part = 1 << 16
	form := norm.Form(n)
	if !b.spend(len(s) * mapWork) {
		return s
	}
	if len(s) <= part {
		return form.String(s)
	}
	var out strings.Builder
	for len(s) > part {
		cut := form.FirstBoundaryInString(s[part:])
		if cut < 0 {
			break
		}
		out.WriteString(form.String(s[:part+cut]))
		s = s[part+cut:]
		if !b.fits(out.Len()) {
			return ""
		}
	}
	out.WriteString(form.String(s))
	return out.String()
}

// plainNormalizers are those of tokenizer.json that have no settings.
var plainNormalizers = map[string]normalizer{
	"NFC":          formNormalizer(norm.NFC),
	"NFD":          formNormalizer(norm.NFD),
	"NFKC":         formNormalizer(norm.NFKC),
	"NFKD":         formNormalizer(norm.NFKD),
	"Lowercase":    mapNormalizer(lowercase),
	"StripAccents": mapNormalizer(stripAccents),
	"ByteLevel":    mapNormalizer(toByteChars),
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

func (n collapseNormalizer) normalize(s string, b *budget) string {
	if !b.spend(len(s) * mapWork) {
		return s
	}
	if !n.goesOn {
		s = strings.TrimLeft(s, " ")
	}
	var out strings.Builder
	out.Grow(len(s))
	for i := range len(s) {
		if s[i] != ' ' || i == 0 || s[i-1] != ' ' {
			out.WriteByte(s[i])
		}
	}
	return trimSpaces(out.String(), n.escape)
}

// trimSpaces removes spaces at the end. SentencePiece does so after it has written them as "▁", so a "▁" of the text
// goes, too.
func trimSpaces(s string, escape bool) string {
	for {
		t := strings.TrimSuffix(s, " ")
		if escape {
			t = strings.TrimSuffix(t, metaChar)
		}
		if len(t) == len(s) {
			return s
		}
		s = t
	}
}

// metaChar stands for a space in SentencePiece vocabularies: U+2581, LOWER ONE EIGHTH BLOCK.
const metaChar = "▁"
