package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokEOF tokenKind = iota
	tokData
	tokVarBegin
	tokVarEnd
	tokBlockBegin
	tokBlockEnd
	tokName
	tokString
	tokNumber
	tokInteger
	tokOp
)

// A token of the template. val is the name, operator, text or decoded string; num a number's value.
type token struct {
	kind tokenKind
	val  string
	num  any
	line int
}

// describe names a token as Jinja's messages do.
func (t token) describe() string {
	switch t.kind {
	case tokEOF:
		return "end of template"
	case tokData:
		return "template data / text"
	case tokVarBegin:
		return "begin of print statement"
	case tokVarEnd:
		return "end of print statement"
	case tokBlockBegin:
		return "begin of statement block"
	case tokBlockEnd:
		return "end of statement block"
	case tokString:
		return "string"
	case tokNumber:
		return "float"
	case tokInteger:
		return "integer"
	}
	return t.val
}

// lexer splits a template into tokens, one at a time. Its rules are those of jinja2.lexer with trim_blocks and
// lstrip_blocks on.
type lexer struct {
	src       string
	pos       int
	line      int // of linePos
	linePos   int
	mode      tokenKind // tokEOF outside tags, else tokVarBegin or tokBlockBegin
	queued    []token
	open      []byte // closing brackets waited for inside a tag
	lineStart bool   // the text at pos begins a line, as far as whitespace stripping is concerned
}

func newLexer(src string) *lexer {
	if strings.Contains(src, "\r") {
		src = strings.ReplaceAll(strings.ReplaceAll(src, "\r\n", "\n"), "\r", "\n")
	}
	src = strings.TrimSuffix(src, "\n")
	return &lexer{src: src, line: 1, lineStart: true}
}

// lineAt returns the line of a position; positions asked for never go down.
func (l *lexer) lineAt(pos int) int {
	if pos > l.linePos {
		l.line += strings.Count(l.src[l.linePos:pos], "\n")
		l.linePos = pos
	}
	return l.line
}

func (l *lexer) fail(format string, a ...any) error {
	return place(failf(kindSyntax, format, a...), "", l.lineAt(l.pos))
}

func (l *lexer) next() (token, error) {
	for {
		if len(l.queued) > 0 {
			t := l.queued[0]
			l.queued = l.queued[1:]
			return t, nil
		}
		if l.pos >= len(l.src) {
			return token{kind: tokEOF, line: l.lineAt(len(l.src))}, nil
		}
		if l.mode != tokEOF {
			t, ok, err := l.inTag()
			if err != nil || ok {
				return t, err
			}
			continue
		}
		if err := l.text(); err != nil {
			return token{}, err
		}
	}
}

// text reads template text up to the next tag and the beginning of that tag.
func (l *lexer) text() error {
	at := l.pos
	for {
		i := strings.IndexByte(l.src[at:], '{')
		if i < 0 || at+i+1 >= len(l.src) {
			l.queue(tokData, l.src[l.pos:], l.pos)
			l.pos = len(l.src)
			return nil
		}
		at += i
		if c := l.src[at+1]; c == '{' || c == '%' || c == '#' {
			break
		}
		at++
	}
	text, tag := l.src[l.pos:at], l.src[at+1]
	after := at + 2
	if tag == '%' {
		if end, sign := rawTag(l.src[after:], "raw", false); end > 0 {
			l.emitText(text, sign, true)
			l.pos = after + end
			l.lineStart = l.src[l.pos-1] == '\n'
			return l.raw()
		}
	}
	sign := byte(0)
	if after < len(l.src) && (l.src[after] == '-' || l.src[after] == '+') {
		sign = l.src[after]
		after++
	}
	l.emitText(text, sign, tag != '{')
	l.lineStart = false
	switch tag {
	case '#':
		l.pos = after
		return l.comment()
	case '{':
		l.mode = tokVarBegin
	default:
		l.mode = tokBlockBegin
	}
	l.queue(l.mode, "", at)
	l.pos = after
	return nil
}

func (l *lexer) queue(kind tokenKind, val string, at int) {
	if kind == tokData && val == "" {
		return
	}
	l.queued = append(l.queued, token{kind: kind, val: val, line: l.lineAt(at)})
}

// emitText queues text that stands before a tag, less the whitespace that the tag's sign or lstrip_blocks takes.
func (l *lexer) emitText(text string, sign byte, block bool) {
	switch {
	case sign == '-':
		text = strings.TrimRightFunc(text, isSpace)
	case sign != '+' && block:
		bol := strings.LastIndexByte(text, '\n') + 1
		if (bol > 0 || l.lineStart) && strings.TrimFunc(text[bol:], isSpace) == "" {
			text = text[:bol]
		}
	}
	l.queue(tokData, text, l.pos)
}

// rawTag matches the rest of a raw or endraw tag after its "{%" and returns its length, 0 when it is none, and the sign
// after the "{%".
func rawTag(s, name string, trim bool) (int, byte) {
	rest, sign := s, byte(0)
	if rest != "" && (rest[0] == '-' || rest[0] == '+') {
		sign, rest = rest[0], rest[1:]
	}
	rest = strings.TrimLeftFunc(rest, isSpace)
	rest, ok := strings.CutPrefix(rest, name)
	if !ok {
		return 0, 0
	}
	rest = strings.TrimLeftFunc(rest, isSpace)
	switch {
	case strings.HasPrefix(rest, "%}"):
		rest = rest[2:]
		if trim {
			rest = strings.TrimPrefix(rest, "\n")
		}
	case strings.HasPrefix(rest, "-%}"):
		rest = strings.TrimLeftFunc(rest[3:], isSpace)
	case trim && strings.HasPrefix(rest, "+%}"):
		rest = rest[3:]
	default:
		return 0, 0
	}
	return len(s) - len(rest), sign
}

// raw reads the body of a raw block and its end tag.
func (l *lexer) raw() error {
	for at := l.pos; ; at += 2 {
		i := strings.Index(l.src[at:], "{%")
		if i < 0 {
			if l.pos == len(l.src) {
				return nil
			}
			return l.fail("Missing end of raw directive")
		}
		at += i
		if end, sign := rawTag(l.src[at+2:], "endraw", true); end > 0 {
			l.emitText(l.src[l.pos:at], sign, true)
			l.pos = at + 2 + end
			l.lineStart = l.src[l.pos-1] == '\n'
			return nil
		}
	}
}

func (l *lexer) comment() error {
	i := strings.Index(l.src[l.pos:], "#}")
	if i < 0 {
		if l.pos == len(l.src) {
			return nil
		}
		return l.fail("Missing end of comment tag")
	}
	sign := byte(0)
	if i > 0 {
		sign = l.src[l.pos+i-1]
	}
	l.pos += i + 2
	l.endTag(sign, true)
	return nil
}

// endTag takes the whitespace after a tag that ended at pos.
func (l *lexer) endTag(sign byte, trim bool) {
	rest := l.src[l.pos:]
	switch {
	case sign == '-':
		rest = strings.TrimLeftFunc(rest, isSpace)
	case sign != '+' && trim:
		rest = strings.TrimPrefix(rest, "\n")
	}
	l.pos = len(l.src) - len(rest)
	l.lineStart = l.src[l.pos-1] == '\n'
}

// inTag reads one token inside a tag; false when it only skipped whitespace.
func (l *lexer) inTag() (token, bool, error) {
	rest := l.src[l.pos:]
	if len(l.open) == 0 {
		block := l.mode == tokBlockBegin
		closing, kind := "}}", tokVarEnd
		if block {
			closing, kind = "%}", tokBlockEnd
		}
		sign, n := byte(0), 0
		switch {
		case strings.HasPrefix(rest, closing):
			n = 2
		case strings.HasPrefix(rest[1:], closing) && (rest[0] == '-' || rest[0] == '+' && block):
			sign, n = rest[0], 3
		}
		if n > 0 {
			t := token{kind: kind, line: l.lineAt(l.pos)}
			l.pos += n
			l.endTag(sign, block)
			l.mode = tokEOF
			return t, true, nil
		}
	}
	r, size := utf8.DecodeRuneInString(rest)
	if isSpace(r) {
		l.pos += size
		return token{}, false, nil
	}
	t := token{line: l.lineAt(l.pos)}
	var n int
	var err error
	switch {
	case r >= '0' && r <= '9':
		n, err = l.number(rest, &t)
	case isNameRune(r):
		t.kind = tokName
		n = len(rest)
		if i := strings.IndexFunc(rest, func(r rune) bool { return !isNameRune(r) }); i >= 0 {
			n = i
		}
		t.val = rest[:n]
		if n > maxName {
			err = l.fail("a name of %d bytes, at most %d are allowed", n, maxName)
		} else if !unicode.IsLetter(r) && r != '_' {
			err = l.fail("Invalid character in identifier")
		}
	case r == '"' || r == '\'':
		n, err = l.str(rest, &t)
	}
	if err == nil && n == 0 {
		n, err = l.operator(rest, &t)
	}
	l.pos += n
	return t, true, err
}

// maxName bounds the bytes of a name, so that looking one up takes a constant time.
const maxName = 1000

func isNameRune(r rune) bool {
	return r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || unicode.IsLetter(r) || unicode.IsDigit(r) ||
		unicode.Is(unicode.M, r)
}

func (l *lexer) operator(rest string, t *token) (int, error) {
	n := 0
	if len(rest) >= 2 {
		switch rest[:2] {
		case "//", "**", "==", "!=", ">=", "<=":
			n = 2
		}
	}
	if n == 0 && strings.IndexByte("+-/*%~[](){}><=.:|,;", rest[0]) >= 0 {
		n = 1
	}
	if n == 0 {
		r, _ := utf8.DecodeRuneInString(rest)
		return 0, l.fail("unexpected char %s at %d", quote(string(r)), utf8.RuneCountInString(l.src[:l.pos]))
	}
	t.kind, t.val = tokOp, rest[:n]
	switch c := rest[0]; c {
	case '(':
		l.open = append(l.open, ')')
	case '[', '{':
		l.open = append(l.open, c+2)
	case ')', ']', '}':
		if len(l.open) == 0 {
			return 0, l.fail("unexpected '%c'", c)
		}
		want := l.open[len(l.open)-1]
		l.open = l.open[:len(l.open)-1]
		if want != c {
			return 0, l.fail("unexpected '%c', expected '%c'", c, want)
		}
	}
	return n, nil
}
