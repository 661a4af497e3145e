package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A strFunc is a method of str. safe tells that the string is safe, so that what is put into it must be escaped.
type strFunc func(c *state, s string, safe bool, a args) (any, error)

// strMethod binds a method to its string. The texts a safe string's methods return are safe too.
func strMethod(obj any, name string, m strFunc) *builtin {
	s, _ := asStr(obj)
	_, safe := obj.(markup)
	return &builtin{name, func(c *state, a args) (any, error) {
		if err := c.work(len(s)); err != nil {
			return nil, err
		}
		v, err := m(c, s, safe, a)
		if safe && err == nil {
			v = markSafe(v)
		}
		return v, err
	}}
}

func markSafe(v any) any {
	switch v := v.(type) {
	case string:
		return markup(v)
	case *List:
		for i := range v.items {
			v.items[i] = markSafe(v.items[i])
		}
	case *tuple:
		for i := range v.items {
			v.items[i] = markSafe(v.items[i])
		}
	}
	return v
}

var strMethods map[string]strFunc

func init() { // the methods lead back to the table
	strMethods = map[string]strFunc{
		"strip":        stripMethod("strip", true, true),
		"lstrip":       stripMethod("lstrip", true, false),
		"rstrip":       stripMethod("rstrip", false, true),
		"upper":        mapMethod("upper", upperCase),
		"lower":        mapMethod("lower", lowerCase),
		"casefold":     mapMethod("casefold", func(s string) string { return lowerCase(strings.ReplaceAll(s, "ß", "ss")) }),
		"title":        mapMethod("title", titleCase),
		"capitalize":   mapMethod("capitalize", capitalize),
		"swapcase":     mapMethod("swapcase", swapCase),
		"isdigit":      askMethod("isdigit", func(s string) bool { return every(s, isNumeral) }),
		"isdecimal":    askMethod("isdecimal", func(s string) bool { return every(s, unicode.IsDigit) }),
		"isnumeric":    askMethod("isnumeric", func(s string) bool { return every(s, unicode.IsNumber) }),
		"isalpha":      askMethod("isalpha", func(s string) bool { return every(s, unicode.IsLetter) }),
		"isalnum":      askMethod("isalnum", func(s string) bool { return every(s, isAlnum) }),
		"isspace":      askMethod("isspace", func(s string) bool { return every(s, isSpace) }),
		"isascii":      askMethod("isascii", isASCII),
		"isprintable":  askMethod("isprintable", func(s string) bool { return s == "" || every(s, isPrintable) }),
		"isupper":      askMethod("isupper", func(s string) bool { return cased(s, isLower) }),
		"islower":      askMethod("islower", func(s string) bool { return cased(s, isUpper) }),
		"istitle":      askMethod("istitle", isTitled),
		"isidentifier": askMethod("isidentifier", isIdentifier),
		"split":        splitMethod("split", false),
		"rsplit":       splitMethod("rsplit", true),
		"splitlines":   strSplitLines,
		"join":         strJoin,
		"replace":      strReplace,
		"startswith":   affixMethod("startswith", strings.HasPrefix),
		"endswith":     affixMethod("endswith", strings.HasSuffix),
		"find":         findMethod("find", strings.Index),
		"rfind":        findMethod("rfind", strings.LastIndex),
		"index":        findMethod("index", strings.Index),
		"rindex":       findMethod("rindex", strings.LastIndex),
		"count":        strCount,
		"removeprefix": cutMethod("removeprefix", strings.TrimPrefix),
		"removesuffix": cutMethod("removesuffix", strings.TrimSuffix),
		"partition":    partitionMethod("partition", strings.Index),
		"rpartition":   partitionMethod("rpartition", strings.LastIndex),
		"zfill":        strZfill,
		"center":       justifyMethod("center"),
		"ljust":        justifyMethod("ljust"),
		"rjust":        justifyMethod("rjust"),
		"expandtabs":   strExpandTabs,
		"format":       strFormat,
		"format_map":   strFormatMap,
	}
}

func mapMethod(name string, f func(string) string) strFunc {
	return func(c *state, s string, _ bool, a args) (any, error) {
		if _, err := a.bind(name); err != nil {
			return nil, err
		}
		return c.mapText(s, f)
	}
}

func askMethod(name string, f func(string) bool) strFunc {
	return func(_ *state, s string, _ bool, a args) (any, error) {
		_, err := a.bind(name)
		return f(s), err
	}
}

func stripMethod(name string, left, right bool) strFunc {
	return func(c *state, s string, _ bool, a args) (any, error) {
		v, err := a.bind(name, "chars?")
		if err != nil {
			return nil, err
		}
		return c.strip(s, v[0], left, right)
	}
}

// strip takes the characters of a string, or whitespace when it is None or missing, off the ends of s.
func (c *state) strip(s string, chars any, left, right bool) (string, error) {
	in := isSpace
	var failed error
	if chars = orElse(chars, nil); chars != nil {
		set, ok := asStr(chars)
		if !ok {
			return "", failf(kindType, "strip arg must be None or str")
		}
		in = func(r rune) bool {
			if failed == nil && len(set) > bytesPerStep {
				failed = c.work(len(set))
			}
			return failed == nil && strings.ContainsRune(set, r)
		}
	}
	if left {
		s = strings.TrimLeftFunc(s, in)
	}
	if right {
		s = strings.TrimRightFunc(s, in)
	}
	return s, failed
}

func strSplitLines(c *state, s string, _ bool, a args) (any, error) {
	v, err := a.bind("splitlines", "keepends?")
	if err != nil {
		return nil, err
	}
	lines, err := c.splitLines(s, truth(orElse(v[0], false)))
	if err != nil {
		return nil, err
	}
	return c.textList(lines)
}

// textList makes a list of pieces of a counted string.
func (c *state) textList(parts []string) (*List, error) {
	if err := c.allocTimes(valueSize+boxSize, len(parts)); err != nil {
		return nil, err
	}
	l := &List{make([]any, len(parts))}
	for i, p := range parts {
		l.items[i] = p
	}
	return l, nil
}

func strJoin(c *state, s string, safe bool, a args) (any, error) {
	v, err := a.bind("join", "iterable")
	if err != nil {
		return nil, err
	}
	var b buffer
	n := 0
	if !isIterable(v[0]) {
		return nil, failf(kindType, "can only join an iterable")
	}
	err = c.each(v[0], func(x any) error {
		item, ok := asStr(x)
		if !ok {
			return failf(kindType, "sequence item %d: expected str instance, %s found", n, typeName(x))
		}
		if _, ok := x.(markup); safe && !ok {
			if item, err = c.escape(item); err != nil {
				return err
			}
		}
		if n++; n > 1 {
			if err := c.write(&b, s); err != nil {
				return err
			}
		}
		return c.write(&b, item)
	})
	return b.String(), err
}

func strReplace(c *state, s string, safe bool, a args) (any, error) {
	v, err := a.bind("replace", "old", "new", "count?")
	if err != nil {
		return nil, err
	}
	n, err := intArg(v[2], -1)
	if err != nil {
		return nil, err
	}
	old, ok1 := asStr(v[0])
	with, ok2 := asStr(v[1])
	if !ok1 || !ok2 {
		return nil, failf(kindType, "replace() argument must be str")
	}
	if _, ok := v[1].(markup); safe && !ok {
		if with, err = c.escape(with); err != nil {
			return nil, err
		}
	}
	return c.replace(s, old, with, n)
}

// replace is s.replace(old, with, n) with its result counted.
func (c *state) replace(s, old, with string, n int64) (string, error) {
	found := int64(strings.Count(s, old))
	if n < 0 || n > found {
		n = found
	}
	if err := c.alloc(len(s)); err != nil {
		return "", err
	}
	if err := c.allocTimes(len(with), int(n)); err != nil {
		return "", err
	}
	return strings.Replace(s, old, with, int(n)), nil
}

func cutMethod(name string, f func(s, affix string) string) strFunc {
	return func(_ *state, s string, _ bool, a args) (any, error) {
		v, err := a.bind(name, "affix")
		if err != nil {
			return nil, err
		}
		affix, err := strArg(v[0], "")
		return f(s, affix), err
	}
}

func strZfill(c *state, s string, _ bool, a args) (any, error) {
	v, err := a.bind("zfill", "width")
	if err != nil {
		return nil, err
	}
	width, err := intArg(v[0], 0)
	if err != nil {
		return nil, err
	}
	zeros, err := c.repeatStr("0", width-int64(utf8.RuneCountInString(s)))
	if err != nil {
		return nil, err
	}
	if s != "" && (s[0] == '-' || s[0] == '+') {
		return s[:1] + zeros + s[1:], nil
	}
	return zeros + s, nil
}

func justifyMethod(name string) strFunc {
	return func(c *state, s string, _ bool, a args) (any, error) {
		v, err := a.bind(name, "width", "fillchar?")
		if err != nil {
			return nil, err
		}
		width, err := intArg(v[0], 0)
		if err != nil {
			return nil, err
		}
		fill, err := strArg(v[1], " ")
		if err != nil {
			return nil, err
		}
		if utf8.RuneCountInString(fill) != 1 {
			return nil, failf(kindType, "The fill character must be exactly one character long")
		}
		return c.justify(name, s, width, fill)
	}
}

// justify pads s to a width in characters.
func (c *state) justify(how, s string, width int64, fill string) (string, error) {
	pad := width - int64(utf8.RuneCountInString(s))
	if pad <= 0 {
		return s, nil
	}
	left := int64(0)
	switch how {
	case "rjust":
		left = pad
	case "center":
		left = pad/2 + pad&width&1
	}
	if err := c.alloc(len(s)); err != nil {
		return "", err
	}
	before, err := c.repeatStr(fill, left)
	if err != nil {
		return "", err
	}
	after, err := c.repeatStr(fill, pad-left)
	return before + s + after, err
}

func strExpandTabs(c *state, s string, _ bool, a args) (any, error) {
	v, err := a.bind("expandtabs", "tabsize?")
	if err != nil {
		return nil, err
	}
	size, err := intArg(v[0], 8)
	if err != nil {
		return nil, err
	}
	var b buffer
	col := int64(0)
	for _, r := range s {
		text := string(r)
		switch {
		case r == '\t' && size > 0:
			if text, err = c.repeatStr(" ", size-col%size); err != nil {
				return nil, err
			}
			col = 0
		case r == '\t':
			text = ""
		case r == '\n' || r == '\r':
			col = 0
		default:
			col++
		}
		if err := c.write(&b, text); err != nil {
			return nil, err
		}
	}
	return b.String(), nil
}
