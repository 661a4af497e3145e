package jinja

import (
	"html"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

var htmlEscaper = strings.NewReplacer("&", "&amp;", ">", "&gt;", "<", "&lt;", "'", "&#39;", `"`, "&#34;")

// escape replaces the characters that mean something in HTML.
func (c *state) escape(s string) (string, error) {
	if err := c.alloc(5 * len(s)); err != nil {
		return "", err
	}
	return htmlEscaper.Replace(s), nil
}

func filterEscape(c *state, v any, a args) (any, error) {
	if _, err := a.bind("escape"); err != nil {
		return nil, err
	}
	if m, ok := v.(markup); ok {
		return m, nil
	}
	return filterForceEscape(c, v, a)
}

func filterForceEscape(c *state, v any, a args) (any, error) {
	if _, err := a.bind("forceescape"); err != nil {
		return nil, err
	}
	s, err := c.str(v)
	if err == nil {
		s, err = c.escape(s)
	}
	return markup(s), err
}

func filterSafe(c *state, v any, a args) (any, error) {
	if _, err := a.bind("safe"); err != nil {
		return nil, err
	}
	s, err := c.str(v)
	return markup(s), err
}

func filterString(c *state, v any, a args) (any, error) {
	if _, err := a.bind("string"); err != nil {
		return nil, err
	}
	s, err := c.str(v)
	return likeStr(v, s), err
}

func filterReplace(c *state, v any, a args) (any, error) {
	p, err := a.bind("replace", "old", "new", "count?")
	if err != nil {
		return nil, err
	}
	n := int64(-1)
	if p[2] != missing && p[2] != nil {
		if n, err = intArg(p[2], -1); err != nil {
			return nil, err
		}
	}
	var texts [3]string
	for i, x := range []any{v, p[0], p[1]} {
		if texts[i], _, err = c.softStr(x); err != nil {
			return nil, err
		}
	}
	return c.replace(texts[0], texts[1], texts[2], n)
}

func filterTrim(c *state, v any, a args) (any, error) {
	p, err := a.bind("trim", "chars?")
	if err != nil {
		return nil, err
	}
	s, _, err := c.softStr(v)
	if err != nil {
		return nil, err
	}
	s, err = c.strip(s, p[0], true, true)
	return likeStr(v, s), err
}

func filterCenter(c *state, v any, a args) (any, error) {
	p, err := a.bind("center", "width?")
	if err != nil {
		return nil, err
	}
	width, err := intArg(p[0], 80)
	if err != nil {
		return nil, err
	}
	s, _, err := c.softStr(v)
	if err != nil {
		return nil, err
	}
	s, err = c.justify("center", s, width, " ")
	return likeStr(v, s), err
}

// filterTitle begins each word with a capital; words stand after blanks, hyphens and opening brackets.
func filterTitle(c *state, v any, a args) (any, error) {
	if _, err := a.bind("title"); err != nil {
		return nil, err
	}
	s, _, err := c.softStr(v)
	if err != nil {
		return nil, err
	}
	// Each word is mapped apart.
	err = c.alloc(12 * len(s))
	if err == nil {
		err = c.step(len(s))
	}
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	isSep := func(r rune) bool { return isSpace(r) || strings.ContainsRune("-({[<", r) }
	for s != "" {
		n := strings.IndexFunc(s, isSep)
		if n < 0 {
			n = len(s)
		}
		if n == 0 {
			r, size := utf8.DecodeRuneInString(s)
			b.WriteRune(r)
			s = s[size:]
			continue
		}
		first, rest := splitFirst(s[:n])
		b.WriteString(upperCase(first))
		b.WriteString(lowerCase(rest))
		s = s[n:]
	}
	return b.String(), nil
}

func filterIndent(c *state, v any, a args) (any, error) {
	p, err := a.bind("indent", "width?", "first?", "blank?")
	if err != nil {
		return nil, err
	}
	prefix, isStr := asStr(p[0])
	if !isStr {
		n, err := intArg(p[0], 4)
		if err != nil {
			return nil, err
		}
		if prefix, err = c.repeatStr(" ", n); err != nil {
			return nil, err
		}
	}
	if u, ok := v.(*undefined); ok {
		return nil, u.fail()
	}
	s, ok := asStr(v)
	if !ok {
		if _, ok := v.(*List); ok { // Python would add the newline to the list
			return nil, failf("AttributeError", "'list' object has no attribute 'splitlines'")
		}
		return nil, badOperands("+=", v, "")
	}
	if err := c.alloc(len(s)); err != nil {
		return nil, err
	}
	lines, err := c.splitLines(s+"\n", false)
	if err != nil {
		return nil, err
	}
	var b buffer
	for i, line := range lines {
		pre := ""
		switch {
		case i > 0 && (line != "" || truth(orElse(p[2], false))), i == 0 && truth(orElse(p[1], false)):
			pre = prefix
		}
		if i > 0 {
			pre = "\n" + pre
		}
		if err := c.write(&b, pre); err != nil {
			return nil, err
		}
		if err := c.write(&b, line); err != nil {
			return nil, err
		}
	}
	return likeStr(v, b.String()), nil
}

func filterTruncate(c *state, v any, a args) (any, error) {
	p, err := a.bind("truncate", "length?", "killwords?", "end?", "leeway?")
	if err != nil {
		return nil, err
	}
	size, err := intArg(p[0], 255)
	if err != nil {
		return nil, err
	}
	end, err := strArg(p[2], "...")
	if err != nil {
		return nil, err
	}
	leeway, err := intArg(orElse(p[3], int64(5)), 5)
	if err != nil {
		return nil, err
	}
	n, err := length(v)
	if err != nil {
		return nil, err
	}
	cut := size - int64(utf8.RuneCountInString(end))
	switch {
	case cut < 0:
		return nil, failf("AssertionError", "expected length >= %d, got %d", size-cut, size)
	case leeway < 0:
		return nil, failf("AssertionError", "expected leeway >= 0, got %d", leeway)
	case n <= size+leeway:
		return v, nil
	}
	s, ok := asStr(v)
	if !ok {
		return nil, failf(kindType, "truncate() wants a str, not %s", typeName(v))
	}
	s = cutRunes(s, clampInt(cut))
	if !truth(orElse(p[1], false)) {
		s = splitOn(s, " ", 1, true)[0]
	}
	return c.add(likeStr(v, s), orElse(p[2], "..."))
}

func filterWordCount(c *state, v any, a args) (any, error) {
	if _, err := a.bind("wordcount"); err != nil {
		return nil, err
	}
	s, _, err := c.softStr(v)
	if err != nil {
		return nil, err
	}
	n, in := int64(0), false
	for _, r := range s {
		word := isAlnum(r) || r == '_'
		if word && !in {
			n++
		}
		in = word
	}
	return n, nil
}

// filterStripTags takes out tags and comments, folds whitespace and decodes entities.
func filterStripTags(c *state, v any, a args) (any, error) {
	if _, err := a.bind("striptags"); err != nil {
		return nil, err
	}
	s, _, err := c.softStr(v)
	if err == nil {
		err = c.alloc(12 * len(s)) // words of a letter each, found, joined and decoded
	}
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for {
		start := strings.IndexByte(s, '<')
		if start < 0 {
			break
		}
		end := 0
		if strings.HasPrefix(s[start:], "<!--") {
			if end = strings.Index(s[start+4:], "-->"); end < 0 {
				break
			}
			end += start + 4 + 3
		} else {
			if end = strings.IndexByte(s[start:], '>'); end < 0 {
				break
			}
			end += start + 1
		}
		b.WriteString(s[:start])
		s = s[end:]
	}
	b.WriteString(s)
	return html.UnescapeString(strings.Join(strings.FieldsFunc(b.String(), isSpace), " ")), nil
}

func filterURLEncode(c *state, v any, a args) (any, error) {
	if _, err := a.bind("urlencode"); err != nil {
		return nil, err
	}
	pairs := v
	switch d := v.(type) {
	case *Dict:
		pairs = &dictView{d, "dict_items"}
	case *List, *tuple, *generator, *dictView, *undefined, *rangeVal:
	default:
		return c.quoteURL(v, false)
	}
	var b buffer
	err := c.each(pairs, func(x any) error {
		kv, err := c.collect(x)
		if err != nil {
			return err
		}
		if err := wantValues(len(kv), 2); err != nil {
			return err
		}
		k, err := c.quoteURL(kv[0], true)
		if err != nil {
			return err
		}
		val, err := c.quoteURL(kv[1], true)
		if err != nil {
			return err
		}
		if b.Len() > 0 {
			k = "&" + k
		}
		return c.write(&b, k+"="+val)
	})
	return b.String(), err
}

// quoteURL percent-encodes a value's text for a path, or for a query.
func (c *state) quoteURL(v any, query bool) (string, error) {
	s, err := c.str(v)
	if err != nil {
		return "", err
	}
	if err := c.alloc(9 * len(s)); err != nil {
		return "", err
	}
	s = strings.ReplaceAll(url.QueryEscape(s), "%7E", "~")
	if !query {
		s = strings.ReplaceAll(strings.ReplaceAll(s, "+", "%20"), "%2F", "/")
	}
	return s, nil
}

func filterFileSize(_ *state, v any, a args) (any, error) {
	p, err := a.bind("filesizeformat", "binary?")
	if err != nil {
		return nil, err
	}
	size, err := toFloat(v)
	if err != nil {
		return nil, err
	}
	base, units := 1000.0, []string{"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"}
	if truth(orElse(p[0], false)) {
		base, units = 1024, []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"}
	}
	switch {
	case size == 1:
		return "1 Byte", nil
	case size < base:
		return strconv.FormatFloat(float64(int64(size)), 'f', 0, 64) + " Bytes", nil
	}
	unit := base
	for i, name := range units {
		unit *= base
		if size < unit || i == len(units)-1 {
			return strconv.FormatFloat(base*size/unit, 'f', 1, 64) + " " + name, nil
		}
	}
	return "", nil
}
