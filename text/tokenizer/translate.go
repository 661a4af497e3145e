package tokenizer

import (
	"fmt"
	"strings"
)

// foldS writes out the case folding of known alternatives: U+017F (ſ) folds to s, which regexp2 ignores.
var foldS = strings.NewReplacer(
	`(?i:'s|'t|'re|'ve|'m|'ll|'d)`, `(?:'[sSſ]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])`,
	`(?i:[sdmt]|ll|ve|re)`, `(?:[sdmtSDMTſ]|[lL][lL]|[vV][eE]|[rR][eE])`,
)

// translate turns a regular expression of Oniguruma into one of regexp2, which follows .NET. Possessive
// repetition becomes an atomic group. It refuses character classes that regexp2 would read in another
// sense: Oniguruma has intersections and nested classes, .NET has subtraction.
func translate(expr string) (string, error) {
	expr = foldS.Replace(expr)
	var out []byte
	var open []int // where the groups not yet closed begin in out
	atom := 0      // where what a repetition repeats begins in out
	for i := 0; i < len(expr); {
		switch c := expr[i]; {
		case c == '[':
			n, err := classLen(expr[i:])
			if err != nil {
				return "", fmt.Errorf("character class at offset %d: %w", i, err)
			}
			atom = len(out)
			out = append(out, expr[i:i+n]...)
			i += n
		case c == '\\':
			n := escapeLen(expr[i:])
			atom = len(out)
			out = append(out, expr[i:i+n]...)
			i += n
		case strings.IndexByte("?*+", c) >= 0 && i > 0 && strings.HasPrefix(expr[i+1:], "+"):
			if expr[i-1] == '(' || expr[i-1] == '|' {
				return "", fmt.Errorf("repetition of nothing at offset %d", i)
			}
			tail := string(out[atom:])
			out = append(append(out[:atom], "(?>"+tail...), c, ')')
			i += 2
		default:
			switch {
			case c == '(':
				open = append(open, len(out))
			case c == ')' && len(open) > 0:
				atom = open[len(open)-1]
				open = open[:len(open)-1]
			case c&0xC0 != 0x80 && strings.IndexByte("?*+{}", c) < 0: // not a continuation byte or repetition
				atom = len(out)
			}
			out = append(out, c)
			i++
		}
	}
	return string(out), nil
}

// classLen returns the length of the character class s begins with.
func classLen(s string) (int, error) {
	i := 1
	if strings.HasPrefix(s[i:], "^") {
		i++
	}
	if strings.HasPrefix(s[i:], "]") {
		i++
	}
	for i < len(s) {
		switch {
		case s[i] == '\\':
			i += escapeLen(s[i:])
			continue
		case s[i] == ']':
			return i + 1, nil
		case s[i] == '[':
			return 0, fmt.Errorf(`a class within it is not supported (a literal '[' is written '\[')`)
		case strings.HasPrefix(s[i:], "&&"):
			return 0, fmt.Errorf("intersection (&&) is not supported")
		}
		i++
	}
	return 0, fmt.Errorf("has no end")
}

// escapeLen returns the length of the escape sequence s begins with, at most that of s.
func escapeLen(s string) int {
	if len(s) < 2 {
		return len(s)
	}
	if strings.IndexByte("pPx", s[1]) >= 0 && strings.HasPrefix(s[2:], "{") {
		if end := strings.IndexByte(s, '}'); end >= 0 {
			return end + 1
		}
	}
	return 2
}
