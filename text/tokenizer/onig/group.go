package onig

import (
	"fmt"
	"strings"
)

// group reads a group, after its "(".
func (p *parser) group(o options) (atom, error) {
	if p.looking("*") {
		return atom{}, p.errorf("a callout (*…) is not supported")
	}
	if !p.accept("?") {
		head := "(?:"
		if !p.named {
			p.groups++
			head = p.capture(fmt.Sprint(p.groups))
		}
		a, err := p.enclose(head, o, false)
		a.run = nil
		return a, err
	}
	switch {
	case p.accept(":"):
		return p.enclose("(?:", o, false)
	case p.accept("="):
		return p.enclose("(?=", o, true)
	case p.accept("!"):
		return p.enclose("(?!", o, true)
	case p.accept(">"):
		if p.behind > 0 {
			return atom{}, p.errorf("an atomic group (?>…) within a look-behind is not supported")
		}
		return p.enclose("(?>", o, false)
	case p.looking("~"):
		return atom{}, p.errorf("an absent operator (?~…) is not supported")
	case p.looking("{"):
		return atom{}, p.errorf("a callout (?{…}) is not supported")
	case p.accept("<="), p.accept("<!"):
		p.behind++
		defer func() { p.behind-- }()
		return p.enclose("(?<"+string(p.src[p.at-1]), o, true)
	case p.looking("<"), p.looking("'"):
		name, err := p.name()
		if err != nil {
			return atom{}, err
		}
		p.names = append(p.names, name)
		a, err := p.enclose(p.capture(name), o, false)
		a.run = nil
		return a, err
	case p.accept("("):
		return p.conditional(o)
	}
	o2, err := p.flags(o)
	if err != nil {
		return atom{}, err
	}
	if !p.accept(":") {
		return atom{}, p.errorf("an unknown group (?…")
	}
	a, err := p.enclose("(?:", o2, false)
	a.run = nil
	return a, err
}

// capture begins a group, which captures only if something refers to it.
func (p *parser) capture(name string) string {
	if p.used[name] {
		return "(?<" + groupName(name) + ">"
	}
	return "(?:"
}

// groupName is a name that the engine takes: word characters.
func groupName(name string) string { return fmt.Sprintf("g%x", name) }

// enclose reads to the end of a group.
func (p *parser) enclose(head string, o options, anchor bool) (atom, error) {
	inner, run, err := p.alternatives(o)
	if err != nil {
		return atom{}, err
	}
	if !p.accept(")") {
		return atom{}, p.errorf(`"(" without ")"`)
	}
	if head != "(?:" {
		run = nil
	}
	return atom{text: head + inner + ")", anchor: anchor, run: run}, nil
}

// name reads <name> or 'name'.
func (p *parser) name() (string, error) {
	closing := ">"
	if p.looking("'") {
		closing = "'"
	}
	p.at++
	name, _, ok := strings.Cut(p.ahead(0), closing)
	if !ok || name == "" {
		return "", p.errorf("a group's name is missing or has no end")
	}
	p.at += len([]rune(name)) + 1
	if strings.ContainsAny(name, `()[]{}*+?|\^$.,`) {
		return "", p.errorf("a group's name %q is not supported", cut(name))
	}
	return name, nil
}

// isolated reads an option without a group of its own, (?i), which holds to the end of the group around it.
func (p *parser) isolated(o options) (options, bool, error) {
	if !p.looking("(?") || p.at+2 >= len(p.src) || !strings.ContainsRune("imxWDSPCILy-", p.src[p.at+2]) {
		return o, false, nil
	}
	start := p.at
	p.at += 2
	o, err := p.flags(o)
	if err != nil {
		return o, false, err
	}
	if p.accept(")") {
		return o, true, nil
	}
	p.at = start
	return o, false, nil
}

// flags reads the letters of options.
func (p *parser) flags(o options) (options, error) {
	on := true
	for ; !p.end(); p.at++ {
		switch c := p.src[p.at]; c {
		case ')', ':':
			return o, nil
		case '-':
			on = false
		case 'i':
			o.ignoreCase = on
		case 'm':
			o.dotAll = on
		case 'x':
			o.extended = on
		case 'W':
			o.asciiWord = on
		case 'D':
			o.asciiDigit = on
		case 'S':
			o.asciiSpace = on
		case 'P':
			o.asciiAll = on
		default:
			return o, p.errorf("the option (?%c) is not supported", c)
		}
	}
	return o, p.errorf("a group has no end")
}

// conditional reads (?(1)yes|no), after its second parenthesis.
func (p *parser) conditional(o options) (atom, error) {
	var name string
	var err error
	if p.looking("<") || p.looking("'") {
		name, err = p.name()
	} else {
		n, digits := p.number(10, 5)
		if digits == 0 {
			err = p.errorf("a condition other than whether a group has matched is not supported")
		}
		name = fmt.Sprint(n)
	}
	if err != nil {
		return atom{}, err
	}
	if !p.accept(")") {
		return atom{}, p.errorf("a condition other than whether a group has matched is not supported")
	}
	if err := p.refer(name); err != nil {
		return atom{}, err
	}
	a, err := p.enclose("(?("+groupName(name)+")", o, false)
	return a, err
}

// refer notes that a group is needed.
func (p *parser) refer(name string) error {
	if p.behind > 0 {
		return p.errorf("a reference to a group within a look-behind is not supported")
	}
	p.used[name] = true
	return nil
}

// reference reads \k<name>, after the k.
func (p *parser) reference(o options) (atom, error) {
	name, err := p.name()
	if err != nil {
		return atom{}, err
	}
	if strings.HasPrefix(name, "-") || strings.HasPrefix(name, "0") {
		return atom{}, p.errorf("a relative reference \\k<%s> is not supported", cut(name))
	}
	return p.backReference(name, o)
}

func (p *parser) backReference(name string, o options) (atom, error) {
	if o.ignoreCase {
		return atom{}, p.errorf("a reference to a group where case is ignored is not supported")
	}
	if err := p.refer(name); err != nil {
		return atom{}, err
	}
	return atom{text: `\k<` + groupName(name) + ">"}, nil
}
