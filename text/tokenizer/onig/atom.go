package onig

import (
	"slices"
	"strings"
)

// atom reads one character, class, anchor or group.
func (p *parser) atom(o options) (atom, error) {
	c := p.src[p.at]
	switch c {
	case '(':
		p.at++
		return p.group(o)
	case '[':
		p.at++
		return p.bracket(o)
	case '\\':
		return p.escape(o)
	case '?', '*', '+':
		return atom{}, p.errorf("repetition of nothing")
	case '{':
		start := p.at
		if _, _, sign, err := p.quantifier(); err != nil || sign != "" {
			return atom{}, p.errorf("repetition of nothing")
		}
		p.at = start
	case '.':
		p.at++
		if o.dotAll {
			return atom{text: `[\s\S]`}, nil
		}
		return atom{text: `[^\n]`}, nil
	case '^': // not after a line feed that ends the text
		p.at++
		return atom{text: `(?:\A|(?<=\n)(?!\z))`, anchor: true}, nil
	case '$':
		p.at++
		return atom{text: `(?=\n|\z)`, anchor: true}, nil
	}
	p.at++
	return atom{char: c, isChar: true}, nil
}

func (p *parser) escape(o options) (atom, error) {
	start := p.at
	s, ok, err := p.classEscape(o, `\w`)
	if err != nil {
		return atom{}, err
	}
	if ok {
		text, err := p.class(string(p.src[start:p.at]), o, s)
		return atom{text: text}, err
	}
	p.at++
	if p.end() {
		return atom{}, p.errorf(`"\" at the end`)
	}
	c := p.src[p.at]
	p.at++
	switch c {
	case 'A':
		return atom{text: `\A`, anchor: true}, nil
	case 'z':
		return atom{text: `\z`, anchor: true}, nil
	case 'Z':
		return atom{text: `(?=\n?\z)`, anchor: true}, nil
	case 'b', 'B':
		s := properties()[`\w`]
		if o.ascii("word") {
			s = s.and(ascii)
		}
		w, err := p.class(`\w`, o, s)
		if err != nil {
			return atom{}, err
		}
		if c == 'b' {
			return atom{text: "(?:(?<=" + w + ")(?!" + w + ")|(?<!" + w + ")(?=" + w + "))", anchor: true}, nil
		}
		return atom{text: "(?:(?<=" + w + ")(?=" + w + ")|(?<!" + w + ")(?!" + w + "))", anchor: true}, nil
	case 'N':
		return atom{text: `[^\n]`}, nil
	case 'O':
		return atom{text: `[\s\S]`}, nil
	case 'R':
		if p.behind > 0 {
			return atom{text: `(?:\r\n|[\n-\r\u0085\u2028\u2029])`}, nil
		}
		return atom{text: `(?>\r\n|[\n-\r\u0085\u2028\u2029])`}, nil
	case 'X':
		if p.behind > 0 {
			return atom{}, p.errorf(`\X within a look-behind is not supported`)
		}
		within, _ := p.segment()
		return atom{text: `(?>[\s\S](?:` + within + `[\s\S])*)`}, nil
	case 'y', 'Y':
		within, boundary := p.segment()
		if c == 'y' {
			return atom{text: boundary, anchor: true}, nil
		}
		return atom{text: within, anchor: true}, nil
	case 'G', 'K':
		return atom{}, p.errorf(`\%c is not supported`, c)
	case 'g':
		if p.looking("<") || p.looking("'") {
			return atom{}, p.errorf(`a call \g<…> of a group is not supported`)
		}
	case 'k':
		if p.looking("<") || p.looking("'") {
			return p.reference(o)
		}
	case '1', '2', '3', '4', '5', '6', '7', '8', '9':
		// A number of one digit is a reference, a longer one is if there is such a group before it.
		p.at--
		n, digits := p.number(10, 3)
		if digits == 1 || int(n) <= p.groups {
			return p.backReference(string(p.src[p.at-digits:p.at]), o)
		}
		p.at -= digits
		if c >= '8' {
			return atom{}, p.errorf(`a reference \%d to a group that is not there`, n)
		}
		p.at++
	}
	p.at--
	r, err := p.escapedChar()
	return atom{char: r, isChar: true}, err
}

// class writes a set; that of an escape is written once.
func (p *parser) class(key string, o options, s set) (string, error) {
	if o.asciiWord || o.asciiDigit || o.asciiSpace || o.asciiAll {
		key += "\x00ascii"
		if o.asciiAll || o.asciiWord && o.asciiDigit && o.asciiSpace {
			key += "\x00"
		}
	}
	if key != "" {
		if text, ok := p.texts[key]; ok {
			return text, nil
		}
	}
	if p.classes++; p.classes > maxClasses {
		return "", p.errorf("more than %d character classes", maxClasses)
	}
	text := class(s)
	if p.texts == nil {
		p.texts = map[string]string{}
	}
	if key != "" {
		p.texts[key] = text
	}
	return text, nil
}

// bracket reads a character class, after its "[".
func (p *parser) bracket(o options) (atom, error) {
	s, negated, err := p.set(o, 0)
	if err != nil {
		return atom{}, err
	}
	var long []string
	if o.ignoreCase {
		f := caseFolds()
		s = f.close(s)
		for r, to := range f.long {
			if s.has(r) && !negated && p.behind == 0 {
				long = append(long, to)
			}
		}
	}
	if negated {
		s = s.not()
	}
	if p.classes++; p.classes > maxClasses {
		return atom{}, p.errorf("more than %d character classes", maxClasses)
	}
	text := class(s)
	if len(long) == 0 {
		return atom{text: text}, nil
	}
	slices.Sort(long)
	var b strings.Builder
	b.WriteString("(?:" + text)
	for _, to := range slices.Compact(long) {
		b.WriteByte('|')
		for _, r := range to {
			b.WriteString(class(caseFolds().same(r)))
		}
	}
	b.WriteByte(')')
	return atom{text: b.String()}, nil
}

// literal writes a single character that is repeated, or whose case counts.
func (p *parser) literal(r rune, o options) string {
	if o.ignoreCase {
		if s := p.fold([]rune{r}); len([]rune(s)) > 1 {
			return "(?:" + s + ")"
		}
	}
	return quote(r)
}

// fold writes characters whose case is ignored. Several may be the same as one: ss as ß.
func (p *parser) fold(run []rune) string {
	if len(run) == 0 {
		return ""
	}
	f := caseFolds()
	var b strings.Builder
	each := func(text string) {
		for _, r := range text {
			if s := f.same(r); len(s) == 1 && s[0].lo == s[0].hi {
				b.WriteString(quote(r))
			} else {
				b.WriteString(class(s))
			}
		}
	}
	for i := 0; i < len(run); {
		n, to := 1, f.long[run[i]]
		if to == "" && p.behind == 0 {
			for k := min(3, len(run)-i); k > 1; k-- {
				if text := folded(string(run[i : i+k])); f.unlong[text] != nil {
					n, to = k, text
					break
				}
			}
		}
		switch {
		case to == "" || p.behind > 0:
			each(string(run[i : i+1]))
		default:
			b.WriteString("(?:" + class(f.unlong[to]) + "|")
			each(to)
			b.WriteByte(')')
		}
		i += n
	}
	return b.String()
}

// segment writes where no boundary of extended grapheme clusters is (Unicode Standard Annex 29), and where one is.
func (p *parser) segment() (within, boundary string) {
	is := func(names ...string) string {
		var s set
		for _, name := range names {
			s = s.union(properties()[name])
		}
		return class(s)
	}
	if p.within == "" {
		picture, flag, control := is("extendedpictographic"), is("regionalindicator"), is("x=control")
		control = "(?:" + control + `|[\r\n])`
		p.within = `(?:(?<=\r)(?=\n)|(?<=[\s\S])(?<!` + control + ")(?!" + control + ")(?:(?=" + is("x=after") + ")|(?<=" + is("x=prepend") + ")(?=[\\s\\S])" +
			"|(?<=" + is("x=l") + ")(?=" + is("x=l", "x=v", "x=lv", "x=lvt") + ")" +
			"|(?<=" + is("x=lv", "x=v") + ")(?=" + is("x=v", "x=t") + ")" +
			"|(?<=" + is("x=lvt", "x=t") + ")(?=" + is("x=t") + ")" +
			"|(?<=" + picture + is("x=extend") + `*\u200D)(?=` + picture + ")" +
			"|(?<=(?<!" + flag + ")(?:" + flag + "{2})*" + flag + ")(?=" + flag + ")))"
	}
	return p.within, "(?!" + p.within + ")"
}
