package jinja

import (
	"strings"
	"unicode/utf8"
)

// strFormat is str.format, with the sandbox's access to attributes.
func strFormat(c *state, s string, safe bool, a args) (any, error) {
	if err := c.allocTimes(entrySize, len(a.kw)); err != nil {
		return nil, err
	}
	named := make(map[string]any, len(a.kw))
	for _, k := range a.kw {
		named[k.name] = k.val
	}
	return c.format(s, safe, a.pos, func(name string) (any, bool) { v, ok := named[name]; return v, ok })
}

func strFormatMap(c *state, s string, safe bool, a args) (any, error) {
	v, err := a.bind("format_map", "mapping")
	if err != nil {
		return nil, err
	}
	d, ok := v[0].(*Dict)
	if !ok {
		return nil, failf(kindType, "format_map() argument must be a dict, not %s", typeName(v[0]))
	}
	return c.format(s, safe, nil, func(name string) (any, bool) { return d.get(name) })
}

func (c *state) format(s string, safe bool, pos []any, named func(string) (any, bool)) (any, error) {
	f := braceFormat{c: c, safe: safe, pos: pos, named: named}
	out, err := f.expand(s, 2)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// braceFormat expands the replacement fields of str.format.
type braceFormat struct {
	c      *state
	safe   bool
	pos    []any
	named  func(string) (any, bool)
	auto   int
	manual bool
}

// expand replaces the fields of s; fields of a format spec may nest one deep.
func (f *braceFormat) expand(s string, depth int) (string, error) {
	if depth < 0 || depth == 0 && strings.ContainsAny(s, "{}") {
		return "", failf(kindValue, "Max string recursion exceeded")
	}
	var out buffer
	for s != "" {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			i = len(s)
		}
		if err := f.c.write(&out, s[:i]); err != nil {
			return "", err
		}
		s = s[i:]
		if s == "" {
			break
		}
		if len(s) > 1 && s[1] == s[0] {
			if err := f.c.write(&out, s[:1]); err != nil {
				return "", err
			}
			s = s[2:]
			continue
		}
		if s[0] == '}' {
			return "", failf(kindValue, "Single '}' encountered in format string")
		}
		if len(s) == 1 {
			return "", failf(kindValue, "Single '{' encountered in format string")
		}
		end := closingBrace(s)
		if end < 0 {
			return "", failf(kindValue, "expected '}' before end of string")
		}
		text, err := f.field(s[1:end], depth)
		if err != nil {
			return "", err
		}
		if err := f.c.write(&out, text); err != nil {
			return "", err
		}
		s = s[end+1:]
	}
	return out.String(), nil
}

// closingBrace returns where the brace that s begins with is closed, or -1.
func closingBrace(s string) int {
	open := 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			open++
		case '}':
			if open--; open == 0 {
				return i
			}
		}
	}
	return -1
}

// field formats one replacement field: name [!conversion] [:spec].
func (f *braceFormat) field(s string, depth int) (string, error) {
	if err := f.c.step(1); err != nil {
		return "", err
	}
	name, spec := s, ""
	conv := byte(0)
	if i := strings.IndexAny(s, "!:"); i >= 0 {
		name, spec = s[:i], s[i+1:]
		if s[i] == '!' {
			if spec == "" || len(spec) > 1 && spec[1] != ':' {
				return "", failf(kindValue, "expected ':' after conversion specifier")
			}
			conv = spec[0]
			spec = strings.TrimPrefix(spec[1:], ":")
		}
	}
	v, err := f.lookup(name)
	if err != nil {
		return "", err
	}
	if spec, err = f.expand(spec, depth-1); err != nil {
		return "", err
	}
	switch conv {
	case 0:
	case 's':
		v, err = f.c.str(v)
	case 'r', 'a':
		v, err = f.c.repr(v)
	default:
		err = failf(kindValue, "Unknown conversion specifier %c", conv)
	}
	if err != nil {
		return "", err
	}
	text, err := f.c.formatValue(v, spec)
	if _, ok := v.(markup); err == nil && f.safe && !ok {
		text, err = f.c.escape(text)
	}
	return text, err
}

// lookup finds the value of a field name: a number or a name, then .attributes and [items].
func (f *braceFormat) lookup(path string) (any, error) {
	end := strings.IndexAny(path, ".[")
	if end < 0 {
		end = len(path)
	}
	first, rest := path[:end], path[end:]
	n, left, err := leadingInt(first)
	isNumber := first != "" && left == ""
	switch {
	case err != nil:
		return nil, err
	case path == "" && f.manual, isNumber && rest == "" && f.auto > 0:
		return nil, failf(kindValue, "cannot switch from manual field specification to automatic field numbering")
	case path == "":
		n, isNumber = f.auto, true
		f.auto++
	case isNumber && rest == "":
		f.manual = true
	}
	var v any
	if isNumber {
		if n >= len(f.pos) {
			return nil, failf("IndexError", "tuple index out of range")
		}
		v = f.pos[n]
	} else {
		var ok bool
		if v, ok = f.named(first); !ok {
			return nil, failf("KeyError", "%s", quoted(first))
		}
	}
	for rest != "" {
		if rest[0] == '.' {
			end := strings.IndexAny(rest[1:], ".[") + 1
			if end == 0 {
				end = len(rest)
			}
			v, err = f.c.getAttr(v, rest[1:end])
			rest = rest[end:]
		} else {
			key, after, ok := strings.Cut(rest[1:], "]")
			if !ok || after != "" && after[0] != '.' && after[0] != '[' {
				return nil, failf(kindValue, "Only '.' or '[' may follow ']' in format field specifier")
			}
			var i any = key
			if n, left, err := leadingInt(key); err == nil && left == "" && key != "" {
				i = int64(n)
			}
			v, err = f.c.getItem(v, i)
			rest = after
		}
		if err != nil {
			return nil, err
		}
	}
	return v, nil
}

// formatValue is Python's format(v, spec).
func (c *state) formatValue(v any, spec string) (string, error) {
	if spec == "" {
		return c.str(v)
	}
	sp, err := parseSpec(spec, typeName(v))
	if err != nil {
		return "", err
	}
	if s, ok := asStr(v); ok {
		switch {
		case sp.verb != 0 && sp.verb != 's':
			return "", failf(kindValue, "Unknown format code '%c' for object of type 'str'", sp.verb)
		case sp.sign != "":
			return "", failf(kindValue, "Sign not allowed in string format specifier")
		case sp.align == "=":
			return "", failf(kindValue, "'=' alignment not allowed in string format specifier")
		}
		if sp.zero && sp.fill == "" {
			sp.fill = "0"
		}
		return c.pad(cutRunes(s, sp.prec), sp, "<")
	}
	if !isNumber(v) {
		return "", failf(kindType, "unsupported format string passed to %s.__format__", typeName(v))
	}
	_, isFloat := v.(float64)
	switch {
	case sp.verb == 'c' && !isFloat:
		i, _ := asInt(v)
		if i < 0 || i > utf8.MaxRune {
			return "", failf(kindOverflow, "%%c arg not in range(0x110000)")
		}
		return c.pad(string(rune(i)), sp, "<")
	case isFloat && strings.IndexByte("diuxXobs", sp.verb) >= 0, sp.verb == 's' || sp.verb == 'i' || sp.verb == 'u' || sp.verb == 'c':
		return "", failf(kindValue, "Unknown format code '%c' for object of type '%s'", sp.verb, typeName(v))
	case !isFloat && sp.prec >= 0 && (sp.verb == 0 || strings.IndexByte("dxXob", sp.verb) >= 0):
		return "", failf(kindValue, "Precision not allowed in integer format specifier")
	}
	return c.number(v, sp)
}

// parseSpec parses [[fill]align][sign][#][0][width][grouping][.precision][type].
func parseSpec(s, typ string) (formatSpec, error) {
	sp, all := formatSpec{prec: -1}, s
	isAlign := func(s string) bool { return s != "" && strings.IndexByte("<>=^", s[0]) >= 0 }
	if first, rest := splitFirst(s); isAlign(rest) {
		sp.fill, sp.align, s = first, rest[:1], rest[1:]
	} else if isAlign(s) {
		sp.align, s = s[:1], s[1:]
	}
	if s != "" && strings.IndexByte("+- ", s[0]) >= 0 {
		sp.sign, s = s[:1], s[1:]
	}
	s, sp.alt = strings.CutPrefix(s, "#")
	s, sp.zero = strings.CutPrefix(s, "0")
	if sp.zero && sp.align != "" && sp.fill == "" {
		sp.fill = "0"
	}
	var err error
	if sp.width, s, err = leadingInt(s); err != nil {
		return sp, err
	}
	if s != "" && (s[0] == ',' || s[0] == '_') {
		sp.group, s = s[:1], s[1:]
	}
	if rest, ok := strings.CutPrefix(s, "."); ok {
		if rest == "" || rest[0] < '0' || rest[0] > '9' {
			return sp, failf(kindValue, "Format specifier missing precision")
		}
		if sp.prec, s, err = leadingInt(rest); err != nil {
			return sp, err
		}
	}
	verb, rest := splitFirst(s)
	switch {
	case rest != "":
		return sp, failf(kindValue, "Invalid format specifier '%.100s' for object of type '%s'", all, typ)
	case verb != "" && !strings.Contains("bcdeEfFgGnosxX%", verb):
		return sp, failf(kindValue, "Unknown format code '%s' for object of type '%s'", verb, typ)
	case verb != "":
		sp.verb = verb[0]
	}
	return sp, nil
}
