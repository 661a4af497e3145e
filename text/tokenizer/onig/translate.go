// Package onig gives regular expressions of Oniguruma, as the tokenizers library has them, to an engine with .NET's
// syntax: what is written otherwise is rewritten, and character classes become explicit ranges with the members that
// Oniguruma gives them. What cannot be said there is an error that names the construct.
//
// The syntax is that of Oniguruma itself: https://github.com/kkos/oniguruma/blob/master/doc/RE
package onig

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	maxDepth   = 100
	maxClasses = 200
	maxName    = 100     // characters
	maxOutput  = 1 << 19 // bytes
	maxRepeat  = 100_000 // as in Oniguruma
)

// Translate returns expr in the engine's syntax, for use without options.
func Translate(expr string) (string, error) {
	p := &parser{src: []rune(expr), used: map[string]bool{}}
	text, err := p.whole() // to learn which groups there are, and which are needed
	if err != nil || len(p.used)+len(p.names) == 0 {
		return text, err
	}
	for name := range p.used {
		if n := p.count(name); n != 1 {
			if n == 0 {
				return "", fmt.Errorf("a reference to the group %q, which is not there", cut(name))
			}
			return "", fmt.Errorf("a reference to the name %q of several groups is not supported", cut(name))
		}
	}
	q := &parser{src: p.src, used: p.used, named: len(p.names) > 0}
	if q.named {
		for name := range p.used {
			if _, err := strconv.Atoi(name); err == nil {
				return "", fmt.Errorf("a reference by number to the group %s beside groups with names", name)
			}
		}
	}
	return q.whole()
}

// parser reads an expression and writes its translation.
type parser struct {
	src     []rune
	at      int
	named   bool            // groups with names are there, so that those without do not capture
	names   []string        // of groups, in order
	groups  int             // without a name
	used    map[string]bool // names and numbers that are referred to
	depth   int
	behind  int // how many look-behinds we are in
	classes int
	size    int
	texts   map[string]string // of classes by their escape
	within  string            // of segment, once it is needed
}

func (p *parser) end() bool { return p.at >= len(p.src) }

func (p *parser) looking(s string) bool {
	i := p.at
	for _, r := range s {
		if i >= len(p.src) || p.src[i] != r {
			return false
		}
		i++
	}
	return true
}

func (p *parser) accept(s string) bool {
	if !p.looking(s) {
		return false
	}
	p.at += len([]rune(s))
	return true
}

// ahead returns the text from skip characters on, as far as a name can reach.
func (p *parser) ahead(skip int) string {
	return string(p.src[min(len(p.src), p.at+skip):min(len(p.src), p.at+skip+maxName)])
}

// count returns how many groups go by a name or number.
func (p *parser) count(name string) (n int) {
	if i, err := strconv.Atoi(name); err == nil && 1 <= i && i <= p.groups {
		n++
	}
	for _, s := range p.names {
		if s == name {
			n++
		}
	}
	return n
}

func (p *parser) whole() (string, error) {
	s, _, err := p.alternatives(options{})
	if err == nil && !p.end() {
		err = p.errorf(`")" without "("`)
	}
	return s, err
}

// alternatives reads up to a closing parenthesis or the end. If there is nothing but characters whose case is ignored, run
// has them too.
func (p *parser) alternatives(o options) (text string, run []rune, err error) {
	if p.depth++; p.depth > maxDepth {
		return "", nil, p.errorf("groups nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	var b strings.Builder
	for several := false; ; several = true {
		if run, err = p.branch(&b, o); err != nil {
			return "", nil, err
		}
		if !p.accept("|") {
			if several {
				run = nil
			}
			return b.String(), run, nil
		}
		b.WriteByte('|')
	}
}

// An atom is what a quantifier repeats.
type atom struct {
	text   string
	char   rune // of a single character
	isChar bool
	anchor bool   // cannot be repeated
	run    []rune // of a group: the characters whose case is ignored that are all it has
}

// branch reads up to "|", a closing parenthesis or the end. It returns the characters whose case is ignored if there is
// nothing else.
func (p *parser) branch(b *strings.Builder, o options) (run []rune, err error) {
	only := true // run is all there is; otherwise what is not yet written
	write := func(s string) error {
		b.WriteString(s)
		if p.size += len(s); p.size > maxOutput {
			return p.errorf("too large an expression")
		}
		return nil
	}
	flush := func() error {
		only = false
		s := p.fold(run)
		run = nil
		return write(s)
	}
	for !p.end() && !p.looking("|") && !p.looking(")") {
		if p.blank(o) {
			continue
		}
		if o2, ok, err := p.isolated(o); err != nil {
			return nil, err
		} else if ok { // to the end of the group, alternatives too
			if err := flush(); err != nil {
				return nil, err
			}
			rest, _, err := p.alternatives(o2)
			if err != nil {
				return nil, err
			}
			return nil, write("(?:" + rest + ")")
		}
		a, err := p.atom(o)
		if err != nil {
			return nil, err
		}
		for p.blank(o) {
		}
		text, repeated, err := p.repeat(a, o)
		if err != nil {
			return nil, err
		}
		if !repeated && (a.isChar && o.ignoreCase || a.run != nil) {
			if a.isChar {
				a.run = []rune{a.char}
			}
			run = append(run, a.run...)
			continue
		}
		if err := flush(); err != nil {
			return nil, err
		}
		if err := write(text); err != nil {
			return nil, err
		}
	}
	if !only {
		return nil, flush()
	}
	all := run
	return all, flush()
}

// blank skips a comment, or white space of the extended form.
func (p *parser) blank(o options) bool {
	if p.accept("(?#") {
		for !p.end() && !p.accept(")") {
			if p.looking(`\`) {
				p.at++
			}
			p.at++
		}
		return true
	}
	if !o.extended || p.end() {
		return false
	}
	switch p.src[p.at] {
	case ' ', '\t', '\n', '\v', '\f', '\r':
		p.at++
		return true
	case '#':
		for !p.end() && p.src[p.at] != '\n' {
			p.at++
		}
		return true
	}
	return false
}

// repeat reads the quantifiers after an atom.
func (p *parser) repeat(a atom, o options) (text string, repeated bool, err error) {
	text = a.text
	if a.isChar {
		text = p.literal(a.char, o)
	}
	for ; ; repeated = true {
		lo, hi, interval, err := p.quantifier()
		if err != nil {
			return "", false, err
		}
		if interval == "" {
			return text, repeated, nil
		}
		if a.anchor {
			return "", false, p.errorf("repetition of an anchor")
		}
		suffix, atomic := "", false
		fixed := interval == "{}" && lo == hi
		switch {
		case hi >= 0 && lo > hi: // {3,1} is possessive
			lo, hi, atomic = hi, lo, true
		case !fixed && p.accept("?"):
			suffix = "?"
		case interval != "{}" && p.accept("+"):
			atomic = true
		}
		switch {
		case interval != "{}":
			suffix = interval + suffix
		case hi < 0:
			suffix = fmt.Sprintf("{%d,}%s", lo, suffix)
		default:
			suffix = fmt.Sprintf("{%d,%d}%s", lo, hi, suffix)
		}
		if atomic && p.behind > 0 {
			return "", false, p.errorf("possessive repetition within a look-behind is not supported")
		}
		if repeated {
			text = "(?:" + text + ")"
		}
		text += suffix
		if atomic {
			text = "(?>" + text + ")"
		}
		if len(text) > maxOutput {
			return "", false, p.errorf("too large an expression")
		}
		for p.blank(o) {
		}
	}
}

// quantifier reads one; hi < 0 is without limit. sign is empty if there is none.
func (p *parser) quantifier() (lo, hi int, sign string, err error) {
	switch {
	case p.accept("?"):
		return 0, 1, "?", nil
	case p.accept("*"):
		return 0, -1, "*", nil
	case p.accept("+"):
		return 1, -1, "+", nil
	}
	start := p.at
	if !p.accept("{") {
		return 0, 0, "", nil
	}
	digits := func() int {
		from := p.at
		for !p.end() && '0' <= p.src[p.at] && p.src[p.at] <= '9' {
			p.at++
		}
		n, e := strconv.Atoi(string(p.src[from:p.at]))
		switch {
		case from == p.at:
			return -1
		case e != nil || n > maxRepeat:
			err = p.errorf("repetition of more than %d times", maxRepeat)
		}
		return n
	}
	lo = digits()
	hi = lo
	if p.accept(",") {
		hi = digits()
		if lo < 0 && hi >= 0 {
			lo = 0
		}
	}
	if lo < 0 || !p.accept("}") { // a brace like any other character
		p.at = start
		return 0, 0, "", nil
	}
	return lo, hi, "{}", err
}
