package jinja

import (
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A formatSpec is how a value is laid out, by % or by str.format.
type formatSpec struct {
	fill, align, sign string // align is one of < > = ^
	alt, zero         bool
	group             string // "," or "_" between thousands
	width, prec       int    // prec -1: not given
	verb              byte   // 0: not given
}

// digitSteps are the steps of working out more digits of a number than it has in memory.
const digitSteps = 200

// maxPrec bounds the digits a number is printed with.
const maxPrec = 1000

// pad brings a text to the spec's width.
func (c *state) pad(s string, sp formatSpec, align string) (string, error) {
	n := sp.width - utf8.RuneCountInString(s)
	if n <= 0 {
		return s, nil
	}
	if sp.align != "" {
		align = sp.align
	}
	fill := sp.fill
	if fill == "" {
		fill = " "
	}
	if align == "=" {
		sign := 0
		if s != "" && strings.IndexByte("+- ", s[0]) >= 0 {
			sign = 1
		}
		if sign+2 <= len(s) && sp.alt && s[sign] == '0' && strings.IndexByte("xXob", s[sign+1]) >= 0 {
			sign += 2
		}
		zeros, err := c.repeatStr(fill, int64(n))
		return s[:sign] + zeros + s[sign:], err
	}
	how := map[string]string{"<": "ljust", ">": "rjust", "^": ""}[align]
	left := 0
	if how == "" {
		left = n / 2
	} else if how == "rjust" {
		left = n
	}
	before, err := c.repeatStr(fill, int64(left))
	if err != nil {
		return "", err
	}
	after, err := c.repeatStr(fill, int64(n-left))
	return before + s + after, err
}

// number formats an int or a float.
func (c *state) number(v any, sp formatSpec) (string, error) {
	if sp.prec > maxPrec {
		return "", failf(kindLimit, "a precision of more than %d digits", maxPrec)
	}
	cost := textLen(v) / 4 // turning digits into another base is more work than going through them
	if sp.prec > 17 {
		cost += digitSteps
	}
	if err := c.step(cost); err != nil {
		return "", err
	}
	var digits string
	negative := false
	switch sp.verb {
	case 'd', 'i', 'u', 'x', 'X', 'o', 'b', 'n', 0:
		if f, ok := v.(float64); ok {
			return c.general(f, sp)
		}
		b, ok := v.(*big.Int)
		if !ok {
			i, _ := asInt(v)
			b = big.NewInt(i)
		}
		negative = b.Sign() < 0
		base := map[byte]int{'x': 16, 'X': 16, 'o': 8, 'b': 2}[sp.verb]
		if base == 0 {
			base = 10
		}
		digits = new(big.Int).Abs(b).Text(base)
		if sp.prec > len(digits) {
			digits = strings.Repeat("0", sp.prec-len(digits)) + digits
		}
		if sp.verb == 'X' {
			digits = strings.ToUpper(digits)
		}
		digits = grouped(digits, sp.group)
		if sp.alt && base != 10 {
			digits = "0" + string(sp.verb) + digits
		}
	default:
		f, ok := asFloat(v)
		if !ok {
			return "", failf(kindType, "must be real number, not %s", typeName(v))
		}
		digits, negative = floatDigits(f, sp)
	}
	return c.signed(digits, negative, sp)
}

// general formats a float without a type letter: like repr, or like g when a precision is given.
func (c *state) general(f float64, sp formatSpec) (string, error) {
	if sp.prec >= 0 {
		sp.verb = 'g'
		s, neg := floatDigits(f, sp)
		if !strings.ContainsAny(s, ".eni") {
			s += ".0"
		}
		return c.signed(s, neg, sp)
	}
	s, neg := strings.CutPrefix(formatFloat(f), "-")
	if whole, frac, ok := strings.Cut(s, "."); ok {
		s = grouped(whole, sp.group) + "." + frac
	}
	return c.signed(s, neg, sp)
}

func (c *state) signed(digits string, negative bool, sp formatSpec) (string, error) {
	switch {
	case negative:
		digits = "-" + digits
	case sp.sign != "" && sp.sign != "-":
		digits = sp.sign + digits
	}
	if sp.zero && sp.align == "" {
		sp.align, sp.fill = "=", "0"
	}
	return c.pad(digits, sp, ">")
}

// floatDigits formats a float's absolute value by one of e E f F g G %.
func floatDigits(f float64, sp formatSpec) (string, bool) {
	verb, prec := sp.verb, sp.prec
	if prec < 0 {
		prec = 6
	}
	if verb == '%' {
		f *= 100
	}
	s, negative := strings.CutPrefix(formatFloat(f), "-")
	switch {
	case s == "inf" || s == "nan":
	case verb == 'f' || verb == 'F' || verb == '%':
		s = strings.TrimPrefix(strconv.FormatFloat(f, 'f', prec, 64), "-")
	case verb == 'e' || verb == 'E':
		s = strings.TrimPrefix(strconv.FormatFloat(f, 'e', prec, 64), "-")
	default:
		s = strings.TrimPrefix(formatG(f, max(prec, 1), sp.alt), "-")
	}
	if verb == 'E' || verb == 'F' || verb == 'G' {
		s = strings.ToUpper(s)
	}
	if sp.alt && verb != 'g' && verb != 'G' {
		s = withPoint(s)
	}
	whole, frac, ok := strings.Cut(s, ".")
	s = grouped(whole, sp.group)
	if ok {
		s += "." + frac
	}
	if verb == '%' {
		s += "%"
	}
	return s, negative
}

// withPoint gives a number a decimal point.
func withPoint(s string) string {
	mant, exp, isExp := strings.Cut(s, "e")
	if strings.Contains(mant, ".") || s == "inf" || s == "nan" {
		return s
	}
	if isExp {
		return mant + ".e" + exp
	}
	return mant + "."
}

// formatG is C's %g: prec significant digits, without trailing zeros unless alt.
func formatG(f float64, prec int, alt bool) string {
	s := strconv.FormatFloat(f, 'e', prec-1, 64)
	mant, exp, _ := strings.Cut(s, "e")
	e, _ := strconv.Atoi(exp)
	if e >= -4 && e < prec {
		mant, exp = strconv.FormatFloat(f, 'f', prec-1-e, 64), ""
	}
	if !alt && strings.Contains(mant, ".") {
		mant = strings.TrimRight(strings.TrimRight(mant, "0"), ".")
	}
	if exp != "" {
		return mant + "e" + exp
	}
	return mant
}

// grouped puts a separator between each three digits of an integer.
func grouped(s, sep string) string {
	if sep == "" || strings.ContainsAny(s, "ein") {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteString(sep)
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
