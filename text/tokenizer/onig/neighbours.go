package onig

import (
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// Neighbours tells of an expression what can stand side by side in its matches, and in what they look ahead at. It is made of
// the positions of the expression, the places where it reads a character, and which of them follow one another (Glushkov
// 1961). What it tells is certain; of expressions that look behind, know the ends of the text, or match nothing it tells nothing.
type Neighbours struct {
	classes []*regexp2.Regexp // what is read at a position
	follow  map[[2]int]bool
	whole   []int // positions whose character is a match, whatever stands around it
	known   bool
}

const (
	maxPositions = 300
	maxFollow    = 1 << 14
)

// NewNeighbours reads an expression as Translate writes them.
func NewNeighbours(translated string) *Neighbours {
	p := &positions{src: translated, n: &Neighbours{follow: map[[2]int]bool{}, known: true}, classes: map[string]*regexp2.Regexp{}}
	e := p.alternatives(0)
	n := p.n
	n.whole = e.whole
	if p.at < len(p.src) || e.empty {
		n.known = false
	}
	return n
}

// Apart reports that no match, and nothing that an attempt at one looks at, goes from left on to right: a text can be cut
// between them without another match.
func (n *Neighbours) Apart(left, right rune) bool {
	if !n.known {
		return false
	}
	l, r := n.reading(left), n.reading(right)
	for _, i := range l {
		for _, j := range r {
			if n.follow[[2]int{i, j}] {
				return false
			}
		}
	}
	return true
}

// Holds reports that r is part of a match wherever it stands.
func (n *Neighbours) Holds(r rune) bool {
	return n.known && slices.ContainsFunc(n.whole, func(i int) bool { return n.reads(i, r) })
}

// Touches reports that r may be part of a match.
func (n *Neighbours) Touches(r rune) bool { return !n.known || len(n.reading(r)) > 0 }

func (n *Neighbours) reads(i int, r rune) bool {
	ok, err := n.classes[i].MatchString(string(r))
	return ok || err != nil
}

func (n *Neighbours) reading(r rune) (at []int) {
	for i := range n.classes {
		if n.reads(i, r) {
			at = append(at, i)
		}
	}
	return at
}

// A part of an expression by its positions.
type part struct {
	first, last []int
	empty       bool  // it may read nothing
	free        bool  // it may read nothing, whatever stands around it
	whole       []int // positions whose character it matches on its own
}

// positions reads an expression.
type positions struct {
	src     string
	at      int
	n       *Neighbours
	classes map[string]*regexp2.Regexp
}

func (p *positions) accept(s string) bool {
	if !strings.HasPrefix(p.src[p.at:], s) {
		return false
	}
	p.at += len(s)
	return true
}

// stop ends the reading: nothing is known.
func (p *positions) stop() part {
	p.n.known = false
	p.at = len(p.src)
	return part{}
}

func (p *positions) alternatives(depth int) part {
	if depth > maxDepth*4 {
		return p.stop()
	}
	all := p.branch(depth)
	for p.accept("|") {
		b := p.branch(depth)
		all = part{
			slices.Concat(all.first, b.first), slices.Concat(all.last, b.last), all.empty || b.empty, all.free || b.free,
			slices.Concat(all.whole, b.whole),
		}
	}
	return all
}

func (p *positions) branch(depth int) part {
	all := part{empty: true, free: true}
	for p.at < len(p.src) && p.src[p.at] != '|' && p.src[p.at] != ')' {
		b := p.repeat(p.one(depth))
		p.join(all.last, b.first)
		var whole []int
		if b.free {
			whole = all.whole
		}
		if all.free {
			whole = slices.Concat(whole, b.whole)
		}
		if all.empty {
			all.first = slices.Concat(all.first, b.first)
		}
		if b.empty {
			b.last = slices.Concat(all.last, b.last)
		}
		all = part{all.first, b.last, all.empty && b.empty, all.free && b.free, whole}
	}
	return all
}

// join notes what follows what.
func (p *positions) join(left, right []int) {
	for _, i := range left {
		for _, j := range right {
			p.n.follow[[2]int{i, j}] = true
		}
	}
	if len(p.n.follow) > maxFollow {
		p.stop()
	}
}

// repeat reads quantifiers.
func (p *positions) repeat(a part) part {
	for p.at < len(p.src) {
		lo, hi := 1, 2
		switch p.src[p.at] {
		case '?':
			lo, hi = 0, 1
		case '*':
			lo = 0
		case '+':
		case '{':
			end := strings.IndexByte(p.src[p.at:], '}')
			if end < 0 {
				return p.stop()
			}
			switch from, _, _ := strings.Cut(p.src[p.at+1:p.at+end], ","); from {
			case "0":
				lo = 0
			case "1":
			default:
				lo = 2
			}
			p.at += end
		default:
			return a
		}
		p.at++
		p.accept("?") // as few as can be: the same characters side by side
		if hi > 1 {
			p.join(a.last, a.first)
		}
		switch lo {
		case 0:
			a.empty, a.free = true, true
		case 2:
			if !a.free {
				a.whole = nil
			}
		}
	}
	return a
}

// one reads a character, a class or a group.
func (p *positions) one(depth int) part {
	start := p.at
	switch c := p.src[p.at]; c {
	case '(':
		ahead := p.accept("(?=") || p.accept("(?!")
		atomic := !ahead && p.accept("(?>")
		if !ahead && !atomic && !p.accept("(?:") {
			return p.stop()
		}
		a := p.alternatives(depth + 1)
		if !p.accept(")") {
			return p.stop()
		}
		if ahead {
			return part{first: a.first, empty: true}
		}
		a.free = a.free && !atomic // which reads all that it can, also where what follows would need it
		return a
	case '[':
		for p.at++; p.at < len(p.src) && p.src[p.at] != ']'; p.at++ {
			if p.src[p.at] == '\\' {
				p.at++
			}
		}
		p.at++
	case '\\':
		p.at += 2
		if p.at > len(p.src) {
			return p.stop()
		}
		switch c := p.src[p.at-1]; {
		case c == 'u':
			p.at += 4
		case 'a' <= c && c <= 'z' && c != 'n' && c != 'r' && c != 's', 'A' <= c && c <= 'Z' && c != 'S', '0' <= c && c <= '9':
			return p.stop()
		}
	case '^', '$', '.', '*', '+', '?', '{': // are not written so
		return p.stop()
	default:
		_, n := utf8.DecodeRuneInString(p.src[p.at:])
		p.at += n
	}
	if p.at > len(p.src) || len(p.n.classes) == maxPositions {
		return p.stop()
	}
	text := p.src[start:p.at]
	re, ok := p.classes[text]
	if !ok {
		var err error
		if re, err = regexp2.Compile(`\A`+text+`\z`, regexp2.None); err != nil {
			return p.stop()
		}
		p.classes[text] = re
	}
	at := []int{len(p.n.classes)}
	p.n.classes = append(p.n.classes, re)
	return part{first: at, last: at, whole: at}
}

// Lazily returns NewNeighbours of an expression that is translated when it is first asked for.
func Lazily(expr string) func() *Neighbours {
	return sync.OnceValue(func() *Neighbours {
		translated, err := Translate(expr)
		if err != nil {
			return &Neighbours{}
		}
		return NewNeighbours(translated)
	})
}
