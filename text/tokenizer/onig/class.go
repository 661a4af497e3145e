package onig

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// set reads a character class, after its '[': ranges, types, properties, posix brackets, classes within it and
// intersections. The complement of the outermost class is left to the caller, for case is folded before.
func (p *parser) set(o options, depth int) (s set, negated bool, err error) {
	if depth > maxDepth {
		return nil, false, p.errorf("character classes nested deeper than %d", maxDepth)
	}
	negated = p.accept("^")
	var sets []set // between &&
	var cur set
	first, ranged := true, false // ranged: a range or a class came before, so "-" begins none
	for ; ; first = false {
		if p.end() {
			return nil, false, p.errorf("a character class has no end")
		}
		switch {
		case p.looking("]") && !first:
			p.at++
			sets = append(sets, cur)
			s = sets[0]
			for _, t := range sets[1:] {
				s = s.and(t)
			}
			return s, negated, nil
		case p.looking("]") && !slices.Contains(p.src[p.at+1:], ']'):
			return nil, false, p.errorf("an empty character class")
		case p.accept("&&"):
			sets, cur = append(sets, cur), nil
			ranged = false
			continue
		}
		nested := p.looking("[") && !p.looking("[:")
		item, lo, err := p.item(o, depth, negated)
		if err != nil {
			return nil, false, err
		}
		if item != nil {
			if !nested && p.looking("-") && !p.looking("-]") && !p.looking("-&&") {
				return nil, false, p.errorf(`"-" after a class within a character class (a literal "-" is written "\-")`)
			}
			cur, ranged = cur.union(item), true
			continue
		}
		hi := lo
		isRange := p.looking("-") && !p.looking("-]") && !p.looking("-&&") && !(ranged && lo == '-')
		if isRange {
			p.at++
			if item, hi, err = p.item(o, depth, negated); err != nil {
				return nil, false, err
			}
			if item != nil {
				return nil, false, p.errorf(`a range from %q to a class (a literal "-" is written "\-")`, lo)
			}
			if hi < lo {
				return nil, false, p.errorf("the range %q-%q is empty", lo, hi)
			}
		}
		ranged = isRange
		cur = cur.union(set{{lo, hi}})
	}
}

// item reads what may stand in a class, or in its complement: a set that is not nil, or a character.
func (p *parser) item(o options, depth int, complement bool) (set, rune, error) {
	switch {
	case p.end():
		return nil, 0, p.errorf("a character class has no end")
	case p.looking("["):
		if s, ok, err := p.posix(o); ok || err != nil {
			return s.orEmpty(), 0, err
		}
		p.at++
		s, negated, err := p.set(o, depth+1)
		if err != nil {
			return nil, 0, err
		}
		if negated {
			s = s.not()
			if complement && s.within(surrogates) { // the reference takes it for all that is not ASCII
				return nil, 0, p.errorf("a complement without members within a complement is not supported")
			}
		}
		return s.orEmpty(), 0, nil
	case p.looking(`\`):
		if s, ok, err := p.classEscape(o, "[:word:]"); ok || err != nil {
			return s.orEmpty(), 0, err
		}
		p.at++
		if p.looking("b") {
			p.at++
			return nil, '\b', nil
		}
		r, err := p.escapedChar()
		return nil, r, err
	}
	p.at++
	return nil, p.src[p.at-1], nil
}

// orEmpty makes the empty set differ from none.
func (a set) orEmpty() set {
	if a == nil {
		return set{}
	}
	return a
}

// posix reads a posix bracket such as [:alpha:] or [:^alpha:].
func (p *parser) posix(o options) (set, bool, error) {
	head := p.ahead(0)
	if !strings.HasPrefix(head, "[:") {
		return nil, false, nil
	}
	name, _, ok := strings.Cut(head[2:], ":]")
	if !ok || strings.ContainsAny(name, `]\[`) {
		return nil, false, nil
	}
	p.at += 4 + utf8.RuneCountInString(name)
	name, negated := strings.CutPrefix(name, "^")
	s, ok := properties()["[:"+strings.ToLower(name)+":]"]
	if !ok {
		return nil, false, p.errorf("an unknown posix bracket [:%s:]", name)
	}
	if o.ascii(name) {
		s = s.and(ascii)
	}
	if negated {
		s = s.not()
	}
	return s, true, nil
}

var ascii = set{{0, 0x7F}}

// classEscape reads an escape that stands for a set: \w, \d, \s, \h, \p{…} and their complements. Within a class \w has
// fewer members than outside, where all kinds of numbers belong to it: word names them.
func (p *parser) classEscape(o options, word string) (set, bool, error) {
	if p.at+1 >= len(p.src) {
		return nil, false, nil
	}
	c := p.src[p.at+1]
	switch c {
	case 'w', 's', 'd', 'h', 'W', 'S', 'D', 'H':
		p.at += 2
		low := strings.ToLower(string(c))
		s := properties()[`\`+low]
		if low == "w" {
			s = properties()[word]
		}
		if o.ascii(map[string]string{"w": "word", "s": "space", "d": "digit"}[low]) {
			s = s.and(ascii)
		}
		if c < 'a' {
			s = s.not()
		}
		return s, true, nil
	case 'p', 'P':
		if p.at+2 >= len(p.src) || p.src[p.at+2] != '{' {
			return nil, false, nil
		}
		name, _, ok := strings.Cut(p.ahead(3), "}")
		if !ok {
			return nil, false, p.errorf(`\%c{ has no }`, c)
		}
		bare, negated := strings.CutPrefix(name, "^")
		s, ok := property(bare)
		if !ok {
			return nil, false, p.errorf(`an unknown property \%c{%s}`, c, cut(name))
		}
		p.at += 4 + utf8.RuneCountInString(name)
		if o.ascii(bare) {
			s = s.and(ascii)
		}
		if negated != (c == 'P') {
			s = s.not()
		}
		return s, true, nil
	}
	return nil, false, nil
}

// options are what (?imxWDSP) turns on.
type options struct {
	ignoreCase, dotAll, extended                bool
	asciiWord, asciiDigit, asciiSpace, asciiAll bool
}

// ascii reports whether the class of a posix name is that of ASCII alone.
func (o options) ascii(name string) bool {
	switch strings.ToLower(name) {
	case "word":
		return o.asciiWord || o.asciiAll
	case "digit":
		return o.asciiDigit || o.asciiAll
	case "space":
		return o.asciiSpace || o.asciiAll
	case "alnum", "alpha", "blank", "cntrl", "graph", "lower", "print", "punct", "upper", "xdigit":
		return o.asciiAll
	}
	return false
}

// escapedChar reads the character that an escape stands for, after its backslash.
func (p *parser) escapedChar() (rune, error) {
	if p.end() {
		return 0, p.errorf(`"\" at the end`)
	}
	c := p.src[p.at]
	p.at++
	switch c {
	case 'a':
		return '\a', nil
	case 'e':
		return 0x1B, nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'v':
		return '\v', nil
	case 'M':
		if p.looking("-") {
			return 0, p.errorf(`\M- is not supported`)
		}
	case 'c', 'C':
		if c == 'C' && !p.accept("-") {
			return c, nil
		}
		if p.end() || p.looking(`\`) {
			return 0, p.errorf(`\%c without a character is not supported`, c)
		}
		p.at++
		if r := p.src[p.at-1]; r != '?' {
			return r & 0x9F, nil
		}
		return 0x7F, nil
	case 'x', 'o', 'u':
		base := map[rune]int{'x': 16, 'o': 8, 'u': 16}[c]
		if c != 'u' && p.accept("{") {
			r, n := p.number(base, 11)
			if n == 0 || !p.accept("}") {
				return 0, p.errorf(`\%c{…} other than with one number is not supported`, c)
			}
			return r, p.valid(r)
		}
		switch c {
		case 'o':
			return c, nil
		case 'u':
			r, n := p.number(16, 4)
			if n < 4 {
				return 0, p.errorf(`\u without four hexadecimal digits`)
			}
			return r, p.valid(r)
		}
		return p.bytes()
	case '0', '1', '2', '3', '4', '5', '6', '7':
		p.at--
		r, _ := p.number(8, 3)
		if r >= utf8.RuneSelf {
			return 0, p.errorf(`bytes written \%o are not supported`, r)
		}
		return r, nil
	}
	return c, nil
}

// bytes reads \xHH, and those after it that make one character.
func (p *parser) bytes() (rune, error) {
	var b []byte
	for {
		r, n := p.number(16, 2)
		if n == 0 {
			if len(b) == 0 {
				return 0, nil // as the reference has it
			}
			return 0, p.errorf(`bytes written \x that are no character`)
		}
		b = append(b, byte(r))
		if utf8.FullRune(b) {
			break
		}
		if !p.accept(`\x`) {
			return 0, p.errorf(`bytes written \x that are no character`)
		}
	}
	r, n := utf8.DecodeRune(b)
	if n != len(b) || r == utf8.RuneError && n == 1 {
		return 0, p.errorf(`bytes written \x that are no character`)
	}
	return r, nil
}

func (p *parser) valid(r rune) error {
	if !utf8.ValidRune(r) {
		return p.errorf("%#x is no character", r)
	}
	return nil
}

// number reads at most limit digits.
func (p *parser) number(base, limit int) (value rune, digits int) {
	for ; digits < limit && !p.end(); digits++ {
		d := strings.IndexRune("0123456789abcdef", toLower(p.src[p.at]))
		if d < 0 || d >= base {
			break
		}
		if value = value*rune(base) + rune(d); value > utf8.MaxRune {
			value = utf8.MaxRune + 1
		}
		p.at++
	}
	return value, digits
}

func toLower(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

func (p *parser) errorf(format string, args ...any) error {
	return fmt.Errorf("at character %d: "+format, append([]any{p.at}, args...)...)
}

// cut shortens what an error quotes.
func cut(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}
