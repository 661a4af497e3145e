package jinja

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// percent is the operator % of a str. A safe one escapes what it takes in.
func (c *state) percent(format string, arg any, safe bool) (any, error) {
	f := percentFormat{c: c, format: format, s: format, safe: safe, arg: arg}
	switch a := arg.(type) {
	case *tuple:
		f.args = a.items
	case *Dict:
		f.args, f.mapping = []any{arg}, a
	default:
		f.args = []any{arg}
	}
	if err := c.work(len(format)); err != nil {
		return nil, err
	}
	if err := f.run(); err != nil {
		return nil, err
	}
	if f.next < len(f.args) && !isMapping(arg) {
		return nil, failf(kindType, "not all arguments converted during string formatting")
	}
	if safe {
		return markup(f.out.String()), nil
	}
	return f.out.String(), nil
}

// isMapping tells what Python's % takes as a mapping: anything with subscripts but a tuple or a string.
func isMapping(v any) bool {
	switch v.(type) {
	case *Dict, *List, *rangeVal, *undefined:
		return true
	}
	return false
}

type percentFormat struct {
	c       *state
	format  string
	s       string // what is left of it
	safe    bool
	arg     any
	args    []any
	next    int
	mapping *Dict
	out     buffer
}

func (f *percentFormat) run() error {
	for f.s != "" {
		i := strings.IndexByte(f.s, '%')
		if i < 0 {
			i = len(f.s)
		}
		if err := f.c.write(&f.out, f.s[:i]); err != nil {
			return err
		}
		f.s = f.s[i:]
		if f.s == "" {
			return nil
		}
		f.s = f.s[1:]
		if err := f.directive(); err != nil {
			return err
		}
	}
	return nil
}

func (f *percentFormat) take() (any, error) {
	if f.next >= len(f.args) {
		return nil, failf(kindType, "not enough arguments for format string")
	}
	f.next++
	return f.args[f.next-1], nil
}

func (f *percentFormat) directive() error {
	if strings.HasPrefix(f.s, "%") {
		f.s = f.s[1:]
		return f.c.write(&f.out, "%")
	}
	v := missing
	if strings.HasPrefix(f.s, "(") {
		name, rest, ok := strings.Cut(f.s[1:], ")")
		if !ok {
			return failf(kindValue, "incomplete format key")
		}
		if f.mapping == nil {
			return failf(kindType, "format requires a mapping")
		}
		if v, ok = f.mapping.get(name); !ok {
			return failf("KeyError", "%s", quoted(name))
		}
		f.s = rest
	}
	sp := formatSpec{prec: -1}
	left := false
	for f.s != "" && strings.IndexByte("-+ #0", f.s[0]) >= 0 {
		switch f.s[0] {
		case '-':
			left = true
		case '+':
			sp.sign = "+"
		case ' ':
			if sp.sign == "" {
				sp.sign = " "
			}
		case '#':
			sp.alt = true
		case '0':
			sp.zero = true
		}
		f.s = f.s[1:]
	}
	width, err := f.count()
	if err != nil {
		return err
	}
	if width < 0 {
		left, width = true, -width
	}
	sp.width = width
	if left {
		sp.align, sp.zero = "<", false
	}
	if strings.HasPrefix(f.s, ".") {
		f.s = f.s[1:]
		if sp.prec, err = f.count(); err != nil {
			return err
		}
		sp.prec = max(sp.prec, 0)
	}
	f.s = strings.TrimLeft(f.s, "hlL")
	if f.s == "" {
		return failf(kindValue, "incomplete format")
	}
	sp.verb, f.s = f.s[0], f.s[1:]
	return f.convert(v, sp)
}

// count reads a width or precision: digits, or * for the next argument.
func (f *percentFormat) count() (int, error) {
	if strings.HasPrefix(f.s, "*") {
		f.s = f.s[1:]
		v, err := f.take()
		if err != nil {
			return 0, err
		}
		n, ok := asInt(v)
		if !ok {
			return 0, failf(kindType, "* wants int")
		}
		return int(max(-1<<31, min(n, 1<<31))), nil
	}
	n, rest, err := leadingInt(f.s)
	f.s = rest
	return n, err
}

// leadingInt reads the digits that s begins with, 0 when there are none.
func leadingInt(s string) (int, string, error) {
	end := 0
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	if end > 9 {
		return 0, "", failf(kindValue, "Too many decimal digits in format string")
	}
	n, _ := strconv.Atoi(s[:end])
	return n, s[end:], nil
}

func (f *percentFormat) convert(v any, sp formatSpec) error {
	if v == missing {
		var err error
		if v, err = f.take(); err != nil {
			return err
		}
	}
	s, err := f.text(v, sp)
	if err != nil {
		return err
	}
	return f.c.write(&f.out, s)
}

func (f *percentFormat) text(v any, sp formatSpec) (string, error) {
	c := f.c
	switch sp.verb {
	case 's', 'r', 'a':
		text := c.str
		if sp.verb != 's' {
			text = c.repr
		}
		s, err := text(v)
		if _, ok := v.(markup); err == nil && f.safe && (!ok || sp.verb != 's') {
			s, err = c.escape(s)
		}
		if err != nil {
			return "", err
		}
		return c.pad(cutRunes(s, sp.prec), sp, ">")
	case 'c':
		if s, ok := asStr(v); ok && utf8.RuneCountInString(s) == 1 {
			return c.pad(s, sp, ">")
		}
		if i, ok := asInt(v); ok && i >= 0 && i <= utf8.MaxRune {
			return c.pad(string(rune(i)), sp, ">")
		}
		return "", failf(kindType, "%%c requires int or char")
	case 'd', 'i', 'u', 'x', 'X', 'o', 'e', 'E', 'f', 'F', 'g', 'G':
		if u, ok := v.(*undefined); ok {
			return "", u.fail()
		}
		if !isNumber(v) {
			return "", failf(kindType, "%%%c format: a real number is required, not %s", sp.verb, typeName(v))
		}
		if fl, ok := v.(float64); ok && strings.IndexByte("diuxXo", sp.verb) >= 0 {
			if strings.IndexByte("xXo", sp.verb) >= 0 {
				return "", failf(kindType, "%%%c format: an integer is required, not float", sp.verb)
			}
			i, err := truncate(fl)
			if err != nil {
				return "", err
			}
			v = i
		}
		return c.number(v, sp)
	}
	return "", failf(kindValue, "unsupported format character '%c' (0x%x) at index %d", sp.verb, sp.verb,
		utf8.RuneCountInString(f.format[:len(f.format)-len(f.s)])-1)
}

// cutRunes returns the first n characters of s, all of it when n is negative.
func cutRunes(s string, n int) string {
	if n < 0 || n >= len(s) {
		return s
	}
	return s[:byteOffset(s, n)]
}
