package jinja

import (
	"slices"
	"strings"
	"unicode"
)

// filterWordWrap wraps each line of a text by Python's textwrap.
func filterWordWrap(c *state, v any, a args) (any, error) {
	p, err := a.bind("wordwrap", "width?", "break_long_words?", "wrapstring?", "break_on_hyphens?")
	if err != nil {
		return nil, err
	}
	w := wrapper{hyphens: truth(orElse(p[3], true)), long: truth(orElse(p[1], true))}
	width, err := intArg(p[0], 79)
	if err != nil {
		return nil, err
	}
	w.width = clampInt(width)
	sep := "\n"
	if p[2] != missing && p[2] != nil {
		if sep, err = strArg(p[2], ""); err != nil {
			return nil, err
		}
	}
	if u, ok := v.(*undefined); ok {
		return nil, u.fail()
	}
	s, ok := asStr(v)
	if !ok {
		return nil, failf("AttributeError", "'%s' object has no attribute 'splitlines'", typeName(v))
	}
	// A chunk may be one letter, and so may a line.
	if err := c.alloc(128 * len(s)); err != nil {
		return nil, err
	}
	lines, err := c.splitLines(s, false)
	if err != nil {
		return nil, err
	}
	var b buffer
	for i, line := range lines {
		if w.width <= 0 {
			return nil, failf(kindValue, "invalid width %d (must be > 0)", w.width)
		}
		parts := w.wrap(line)
		if len(parts) == 0 {
			parts = []string{""}
		}
		for j, part := range parts {
			if i+j > 0 {
				if err := c.write(&b, sep); err != nil {
					return nil, err
				}
			}
			if err := c.write(&b, part); err != nil {
				return nil, err
			}
		}
	}
	return b.String(), nil
}

type wrapper struct {
	width         int
	long, hyphens bool
}

// isWrapSpace is what textwrap takes as whitespace.
func isWrapSpace(r rune) bool { return r == ' ' || r >= '\t' && r <= '\r' }

// chunks cuts a line into whitespace and pieces of words, between which it may be broken.
func (w *wrapper) chunks(line string) [][]rune {
	s := []rune(line)
	var out [][]rune
	for start := 0; start < len(s); {
		end := start + 1
		if isWrapSpace(s[start]) {
			for end < len(s) && isWrapSpace(s[end]) {
				end++
			}
		} else {
			for end < len(s) && !isWrapSpace(s[end]) && !(w.hyphens && w.breakable(s, start, end)) {
				end++
			}
		}
		out = append(out, s[start:end])
		start = end
	}
	return out
}

// breakable tells whether a word that began at start may be broken before i: after a hyphen between letters, and around
// a dash of several hyphens.
func (w *wrapper) breakable(s []rune, start, i int) bool {
	letter := func(k int) bool { return k >= 0 && k < len(s) && (unicode.IsLetter(s[k]) || s[k] == '_') }
	word := func(k int) bool { return k >= 0 && k < len(s) && (isAlnum(s[k]) || s[k] == '_') }
	hyphen := func(k int) bool { return k >= 0 && k < len(s) && s[k] == '-' }
	punct := func(k int) bool { return word(k) || k >= 0 && strings.ContainsRune(`!"'&.,?`, s[k]) }
	dash := func(k int) bool { // two or more hyphens from k on, then a word
		if !hyphen(k) || !hyphen(k+1) || !punct(k-1) {
			return false
		}
		for hyphen(k) {
			k++
		}
		return word(k)
	}
	if dash(i) {
		return true
	}
	if hyphen(i-1) && !hyphen(i) {
		first := i - 1
		for first > start && hyphen(first-1) {
			first--
		}
		if first == start && i-first >= 2 && dash(first) {
			return true
		}
		before := letter(i-2) && letter(i-3) && i-3 >= start || letter(i-2) && hyphen(i-3) && letter(i-4)
		after := letter(i) && (letter(i+1) || hyphen(i+1) && letter(i+2))
		return before && after
	}
	return false
}

// wrap returns the lines of a paragraph.
func (w *wrapper) wrap(line string) []string {
	chunks := w.chunks(line)
	blank := func(c []rune) bool { return !slices.ContainsFunc(c, func(r rune) bool { return !isSpace(r) }) }
	var lines []string
	for len(chunks) > 0 {
		if len(lines) > 0 && blank(chunks[0]) {
			chunks = chunks[1:]
		}
		var cur [][]rune
		n := 0
		for len(chunks) > 0 && n+len(chunks[0]) <= w.width {
			cur = append(cur, chunks[0])
			n += len(chunks[0])
			chunks = chunks[1:]
		}
		if len(chunks) > 0 && len(chunks[0]) > w.width {
			switch {
			case w.long:
				end := w.cut(chunks[0], w.width-n)
				cur = append(cur, chunks[0][:end])
				chunks[0] = chunks[0][end:]
			case len(cur) == 0:
				cur = append(cur, chunks[0])
				chunks = chunks[1:]
			}
		}
		if len(cur) > 0 && blank(cur[len(cur)-1]) {
			cur = cur[:len(cur)-1]
		}
		if len(cur) > 0 {
			var b strings.Builder
			for _, c := range cur {
				b.WriteString(string(c))
			}
			lines = append(lines, b.String())
		}
	}
	return lines
}

// cut returns where to break a word that is too long: after its last hyphen within the space, else at the space's end.
func (w *wrapper) cut(word []rune, space int) int {
	if !w.hyphens {
		return space
	}
	for i := space - 1; i > 0; i-- {
		if word[i] == '-' {
			for _, r := range word[:i] {
				if r != '-' {
					return i + 1
				}
			}
			break
		}
	}
	return space
}
