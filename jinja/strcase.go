package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// isSpace is Python's str.isspace of one character.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// isPrintable is Python's str.isprintable of one character.
func isPrintable(r rune) bool { return unicode.IsPrint(r) }

func isLower(r rune) bool {
	if r <= unicode.MaxASCII {
		return 'a' <= r && r <= 'z'
	}
	return unicode.In(r, unicode.Lower, unicode.Other_Lowercase)
}

func isUpper(r rune) bool {
	if r <= unicode.MaxASCII {
		return 'A' <= r && r <= 'Z'
	}
	return unicode.In(r, unicode.Upper, unicode.Other_Uppercase)
}

func isCased(r rune) bool { return isLower(r) || isUpper(r) || unicode.IsTitle(r) }

// isNumeral is Python's str.isdigit of one character: decimal digits, superscripts and circled digits.
func isNumeral(r rune) bool {
	switch {
	case unicode.IsDigit(r):
		return true
	case r == 0xb2, r == 0xb3, r == 0xb9, r == 0x2070, r >= 0x2074 && r <= 0x2079, r >= 0x2080 && r <= 0x2089,
		r >= 0x2460 && r <= 0x2468:
		return true
	}
	return false
}

func isAlnum(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }

// upperCase and lowerCase map whole strings, where one character may become several.
func upperCase(s string) string {
	if isASCII(s) {
		return strings.ToUpper(s)
	}
	return cases.Upper(language.Und).String(s)
}

func lowerCase(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return cases.Lower(language.Und, cases.HandleFinalSigma(true)).String(s)
}

// titleRune is a character as it begins a word.
func titleRune(r rune) string {
	if t := unicode.ToTitle(r); t != r || r < utf8.RuneSelf {
		return string(t)
	}
	first, rest := splitFirst(upperCase(string(r)))
	return first + lowerCase(rest)
}

// splitFirst parts a string after its first character.
func splitFirst(s string) (string, string) {
	_, n := utf8.DecodeRuneInString(s)
	return s[:n], s[n:]
}

func capitalize(s string) string {
	first, _ := splitFirst(s)
	if first == "" {
		return ""
	}
	r, _ := utf8.DecodeRuneInString(first)
	// The rest is lowered in its context, which decides on a final sigma.
	return titleRune(r) + strings.TrimPrefix(lowerCase(s), lowerCase(first))
}

// titleCase is Python's str.title: a word is a run of cased letters.
func titleCase(s string) string {
	var b strings.Builder
	inWord := false
	for i, r := range s {
		switch {
		case !inWord:
			b.WriteString(titleRune(r))
		case r == 'Σ' && !startsWithLetter(s[i+2:]):
			b.WriteRune('ς')
		case r < utf8.RuneSelf:
			b.WriteRune(unicode.ToLower(r))
		default:
			b.WriteString(lowerCase(string(r)))
		}
		inWord = isCased(r)
	}
	return b.String()
}

func startsWithLetter(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return s != "" && unicode.IsLetter(r)
}

func swapCase(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf && unicode.IsUpper(r):
			b.WriteRune(unicode.ToLower(r))
		case r < utf8.RuneSelf:
			b.WriteRune(unicode.ToUpper(r))
		case isUpper(r):
			b.WriteString(lowerCase(string(r)))
		case isLower(r):
			b.WriteString(upperCase(string(r)))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// every tells whether s is not empty and all its characters pass.
func every(s string, f func(rune) bool) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !f(r) })
}

// cased tells whether s has a cased character and none of the wrong case.
func cased(s string, wrong func(rune) bool) bool {
	return strings.ContainsFunc(s, isCased) && !strings.ContainsFunc(s, func(r rune) bool { return wrong(r) || unicode.IsTitle(r) })
}

func isTitled(s string) bool {
	inWord, found := false, false
	for _, r := range s {
		switch {
		case isUpper(r) || unicode.IsTitle(r):
			if inWord {
				return false
			}
			inWord, found = true, true
		case isLower(r):
			if !inWord {
				return false
			}
		default:
			inWord = false
		}
	}
	return found
}

func isIdentifier(s string) bool {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !isNameRune(r)) {
			return false
		}
	}
	return s != ""
}

// splitLines is Python's str.splitlines.
func (c *state) splitLines(s string, keepEnds bool) ([]string, error) {
	n := pieces(s, isLineEnd)
	if err := c.allocTimes(boxSize, n); err != nil {
		return nil, err
	}
	out := make([]string, 0, n)
	for s != "" {
		i := strings.IndexFunc(s, isLineEnd)
		if i < 0 {
			return append(out, s), nil
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		if strings.HasPrefix(s[i:], "\r\n") {
			n = 2
		}
		if keepEnds {
			out = append(out, s[:i+n])
		} else {
			out = append(out, s[:i])
		}
		s = s[i+n:]
	}
	return out, nil
}

func isLineEnd(r rune) bool {
	return r >= '\n' && r <= '\r' || r >= 0x1c && r <= 0x1e || r == 0x85 || r == 0x2028 || r == 0x2029
}
