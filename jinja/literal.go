package jinja

import (
	"math/big"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// digits returns the length of a run of digits of the base with single underscores between.
func digits(s string, base int) int {
	n := 0
	for i := 0; i < len(s); i++ {
		c, v := s[i], 99
		switch {
		case c >= '0' && c <= '9':
			v = int(c - '0')
		case c >= 'a' && c <= 'f':
			v = int(c-'a') + 10
		case c >= 'A' && c <= 'F':
			v = int(c-'A') + 10
		}
		if v < base {
			n = i + 1
		} else if c != '_' || n != i || i == 0 {
			break
		}
	}
	return n
}

func (l *lexer) number(s string, t *token) (int, error) {
	n := digits(s, 10)
	end, isFloat := n, false
	if end+1 < len(s) && s[end] == '.' {
		if d := digits(s[end+1:], 10); d > 0 {
			end, isFloat = end+1+d, true
		}
	}
	if end < len(s) && (s[end] == 'e' || s[end] == 'E') {
		e := end + 1
		if e < len(s) && (s[e] == '+' || s[e] == '-') {
			e++
		}
		if d := digits(s[e:], 10); d > 0 {
			end, isFloat = e+d, true
		}
	}
	if isFloat && (l.pos == 0 || l.src[l.pos-1] != '.') {
		f, _ := strconv.ParseFloat(strings.ReplaceAll(s[:end], "_", ""), 64)
		t.kind, t.num = tokNumber, f
		return end, nil
	}
	t.kind = tokInteger
	base, text := 10, s[:n]
	if s[0] == '0' {
		prefix := map[byte]int{'b': 2, 'B': 2, 'o': 8, 'O': 8, 'x': 16, 'X': 16}
		text = "0"
		if len(s) > 2 && prefix[s[1]] > 0 {
			p := 2
			if s[2] == '_' {
				p = 3
			}
			if d := digits(s[p:], prefix[s[1]]); d > 0 {
				base, n, text = prefix[s[1]], p+d, s[p:p+d]
				t.num = parseInt(text, base)
				return n, nil
			}
		}
		for n = 1; n < len(s) && (s[n] == '0' || s[n] == '_' && n+1 < len(s) && s[n+1] == '0'); n++ {
		}
	}
	if n > maxIntDigits {
		return 0, l.fail("integer literal of %d digits, at most %d are allowed", n, maxIntDigits)
	}
	t.num = parseInt(text, base)
	return n, nil
}

// maxIntDigits is Python's own bound on converting strings to integers.
const maxIntDigits = 4300

// parseInt returns an int64, or a *big.Int when it does not fit, or nil when s is no integer.
func parseInt(s string, base int) any {
	s = strings.ReplaceAll(s, "_", "")
	if v, err := strconv.ParseInt(s, base, 64); err == nil {
		return v
	}
	if len(s) <= maxIntDigits {
		if b, ok := new(big.Int).SetString(s, base); ok {
			return b
		}
	}
	return nil
}

// str reads a string literal; 0 when it has no end.
func (l *lexer) str(s string, t *token) (int, error) {
	n := 1
	for n < len(s) && s[n] != s[0] {
		if s[n] == '\\' {
			n++
		}
		n++
	}
	if n >= len(s) {
		return 0, nil
	}
	v, err := unescape(s[1:n])
	if err != nil {
		return 0, place(err, "", t.line)
	}
	t.kind, t.val = tokString, v
	return n + 1, nil
}

// unescape decodes the backslash escapes of a Python string literal.
func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			i++
			continue
		}
		c := s[i+1]
		i += 2
		switch c {
		case '\n':
		case '\\', '\'', '"':
			b.WriteByte(c)
		case 'x', 'u', 'U':
			n := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
			r, ok := hexRune(s[i:], n)
			if !ok {
				return "", failf(kindSyntax, "truncated \\%c%s escape", c, strings.Repeat("X", n))
			}
			i += n
			// Python keeps surrogates apart and fails when it encodes them; a pair is joined here.
			if utf16.IsSurrogate(r) && strings.HasPrefix(s[i:], `\u`) {
				if low, ok := hexRune(s[i+2:], 4); ok {
					if j := utf16.DecodeRune(r, low); j != utf8.RuneError {
						r = j
						i += 6
					}
				}
			}
			b.WriteRune(r)
		case 'N':
			return "", failf(kindSyntax, `\N{...} escapes are not supported`)
		case '0', '1', '2', '3', '4', '5', '6', '7':
			j := i
			for j < len(s) && j < i+2 && s[j] >= '0' && s[j] <= '7' {
				j++
			}
			v, _ := strconv.ParseUint(s[i-1:j], 8, 32)
			b.WriteRune(rune(v))
			i = j
		default:
			if k := strings.IndexByte("abfnrtv", c); k >= 0 {
				b.WriteByte("\a\b\f\n\r\t\v"[k])
			} else {
				b.WriteByte('\\')
				b.WriteByte(c)
			}
		}
	}
	return b.String(), nil
}

func hexRune(s string, n int) (rune, bool) {
	if len(s) < n {
		return 0, false
	}
	v, err := strconv.ParseUint(s[:n], 16, 32)
	return rune(v), err == nil && v <= utf8.MaxRune
}

// quote returns Python's repr of a string.
func quote(s string) string {
	q := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		q = '"'
	}
	b := make([]byte, 0, len(s)+2)
	b = append(b, q)
	for _, r := range s {
		switch {
		case r == rune(q) || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case isPrintable(r):
			b = utf8.AppendRune(b, r)
		case r < 0x100:
			b = appendHex(append(b, `\x`...), r, 2)
		case r < 0x10000:
			b = appendHex(append(b, `\u`...), r, 4)
		default:
			b = appendHex(append(b, `\U`...), r, 8)
		}
	}
	return string(append(b, q))
}

func appendHex(b []byte, r rune, width int) []byte {
	h := strconv.FormatUint(uint64(r), 16)
	for i := len(h); i < width; i++ {
		b = append(b, '0')
	}
	return append(b, h...)
}

// formatFloat returns Python's repr of a float.
func formatFloat(f float64) string {
	s := strconv.FormatFloat(f, 'e', -1, 64)
	switch s {
	case "+Inf":
		return "inf"
	case "-Inf":
		return "-inf"
	case "NaN":
		return "nan"
	}
	exp, _ := strconv.Atoi(s[strings.IndexByte(s, 'e')+1:])
	if exp < -4 || exp >= 16 {
		return s
	}
	s = strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
