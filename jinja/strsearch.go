package jinja

import (
	"strings"
	"unicode/utf8"
)

// splitMethod is split, or rsplit when right.
func splitMethod(name string, right bool) strFunc {
	return func(c *state, s string, _ bool, a args) (any, error) {
		v, err := a.bind(name, "sep?", "maxsplit?")
		if err != nil {
			return nil, err
		}
		limit, err := intArg(v[1], -1)
		if err != nil {
			return nil, err
		}
		n := clampInt(limit)
		if sep := orElse(v[0], nil); sep != nil {
			on, ok := asStr(sep)
			if !ok {
				return nil, failf(kindType, "must be str or None, not %s", typeName(sep))
			}
			if on == "" {
				return nil, failf(kindValue, "empty separator")
			}
			if err := c.allocTimes(3*boxSize, strings.Count(s, on)); err != nil {
				return nil, err
			}
			return c.textList(splitOn(s, on, n, right))
		}
		// Pieces and their number, which appending takes up to three times.
		if err := c.allocTimes(3*boxSize, pieces(s, isSpace)); err != nil {
			return nil, err
		}
		if right {
			return c.textList(splitSpaceRight(s, n))
		}
		return c.textList(splitSpace(s, n))
	}
}

// pieces returns how many characters of s separate pieces of it, and one.
func pieces(s string, separates func(rune) bool) int {
	n := 1
	for _, r := range s {
		if separates(r) {
			n++
		}
	}
	return n
}

// splitOn cuts s at a separator, at most n times unless n is negative.
func splitOn(s, sep string, n int, right bool) []string {
	if n < 0 {
		return strings.Split(s, sep)
	}
	if !right {
		return strings.SplitN(s, sep, n+1)
	}
	var back []string
	for ; n > 0; n-- {
		i := strings.LastIndex(s, sep)
		if i < 0 {
			break
		}
		back = append(back, s[i+len(sep):])
		s = s[:i]
	}
	return backwards(append(back, s))
}

func backwards(s []string) []string {
	for i, j := 0, len(s)-1; i < j; i, j = i+1, j-1 {
		s[i], s[j] = s[j], s[i]
	}
	return s
}

func splitSpace(s string, n int) []string {
	var out []string
	for s = strings.TrimLeftFunc(s, isSpace); s != ""; s = strings.TrimLeftFunc(s, isSpace) {
		i := strings.IndexFunc(s, isSpace)
		if i < 0 || len(out) == n {
			return append(out, s)
		}
		out = append(out, s[:i])
		s = s[i:]
	}
	return out
}

func splitSpaceRight(s string, n int) []string {
	var out []string
	for s = strings.TrimRightFunc(s, isSpace); s != ""; s = strings.TrimRightFunc(s, isSpace) {
		i := strings.LastIndexFunc(s, isSpace)
		if i < 0 || len(out) == n {
			return backwards(append(out, s))
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		out = append(out, s[i+size:])
		s = s[:i]
	}
	return backwards(out)
}

// window returns the part of s that the arguments start and end of a search leave, and the number of characters before
// it; false when start lies beyond s.
func (c *state) window(s string, start, end any) (string, int, bool, error) {
	if start == missing && end == missing {
		return s, 0, true, nil
	}
	n := utf8.RuneCountInString(s)
	from, to, _, err := bounds([3]any{orElse(start, nil), orElse(end, nil)}, n)
	if err != nil {
		return "", 0, false, err
	}
	if i, ok := asInt(start); ok && i > int64(n) || to < from {
		return "", 0, false, nil
	}
	return s[byteOffset(s, from):byteOffset(s, to)], from, true, nil
}

// byteOffset returns where character i of s begins.
func byteOffset(s string, i int) int {
	if isASCII(s) {
		return i
	}
	for at := range s {
		if i == 0 {
			return at
		}
		i--
	}
	return len(s)
}

// findMethod is find or index, or their like from the right. The index ones fail when nothing is found.
func findMethod(name string, find func(s, sub string) int) strFunc {
	return func(c *state, s string, _ bool, a args) (any, error) {
		v, err := a.bind(name, "sub", "start?", "end?")
		if err != nil {
			return nil, err
		}
		sub, ok := asStr(v[0])
		if !ok {
			return nil, failf(kindType, "must be str, not %s", typeName(v[0]))
		}
		part, before, ok, err := c.window(s, v[1], v[2])
		if err != nil {
			return nil, err
		}
		i := -1
		if ok {
			i = find(part, sub)
		}
		switch {
		case i >= 0:
			return int64(before + utf8.RuneCountInString(part[:i])), nil
		case strings.HasSuffix(name, "index"):
			return nil, failf(kindValue, "substring not found")
		}
		return int64(-1), nil
	}
}

func strCount(c *state, s string, _ bool, a args) (any, error) {
	v, err := a.bind("count", "sub", "start?", "end?")
	if err != nil {
		return nil, err
	}
	sub, ok := asStr(v[0])
	if !ok {
		return nil, failf(kindType, "must be str, not %s", typeName(v[0]))
	}
	part, _, ok, err := c.window(s, v[1], v[2])
	if err != nil || !ok {
		return int64(0), err
	}
	return int64(strings.Count(part, sub)), nil
}

// affixMethod is startswith or endswith: of one string or any of a tuple.
func affixMethod(name string, has func(s, affix string) bool) strFunc {
	return func(c *state, s string, _ bool, a args) (any, error) {
		v, err := a.bind(name, "affix", "start?", "end?")
		if err != nil {
			return nil, err
		}
		part, _, ok, err := c.window(s, v[1], v[2])
		if err != nil {
			return nil, err
		}
		if affix, isStr := asStr(v[0]); isStr {
			return ok && has(part, affix), nil
		}
		t, isTuple := v[0].(*tuple)
		if !isTuple {
			return nil, failf(kindType, "%s first arg must be str or a tuple of str, not %s", name, typeName(v[0]))
		}
		for _, x := range t.items {
			affix, isStr := asStr(x)
			if !isStr {
				return nil, failf(kindType, "tuple for %s must only contain str, not %s", name, typeName(x))
			}
			if err := c.work(min(len(affix), len(part))); err != nil {
				return nil, err
			}
			if ok && has(part, affix) {
				return true, nil
			}
		}
		return false, nil
	}
}

func partitionMethod(name string, find func(s, sub string) int) strFunc {
	return func(_ *state, s string, _ bool, a args) (any, error) {
		v, err := a.bind(name, "sep")
		if err != nil {
			return nil, err
		}
		sep, err := strArg(v[0], "")
		if err != nil {
			return nil, err
		}
		if sep == "" {
			return nil, failf(kindValue, "empty separator")
		}
		parts := []any{s, "", ""}
		if i := find(s, sep); i >= 0 {
			parts = []any{s[:i], sep, s[i+len(sep):]}
		} else if name == "rpartition" {
			parts = []any{"", "", s}
		}
		return &tuple{items: parts}, nil
	}
}
