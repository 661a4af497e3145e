package jinja

import (
	"slices"
	"strings"
)

// maxNesting bounds how deep blocks and expressions of a source may nest.
const maxNesting = 200

type parser struct {
	lex    *lexer
	cur    token
	peeked []token
	depth  int
	tags   []string   // open blocks, for messages
	ends   [][]string // the end tags each of them waits for
	loops  int        // loops around, break and continue may refer to
	fors   int        // loops around, macros included
}

// parse parses a template's source.
func parse(src string) ([]stmt, error) {
	p := &parser{lex: newLexer(src)}
	if err := p.advance(); err != nil {
		return nil, err
	}
	return p.block(nil)
}

func (p *parser) advance() error {
	if len(p.peeked) > 0 {
		p.cur = p.peeked[0]
		p.peeked = p.peeked[:0]
		return nil
	}
	t, err := p.lex.next()
	p.cur = t
	return err
}

// peek returns the token after the current one.
func (p *parser) peek() (token, error) {
	if len(p.peeked) == 0 {
		t, err := p.lex.next()
		if err != nil {
			return t, err
		}
		p.peeked = append(p.peeked, t)
	}
	return p.peeked[0], nil
}

func (p *parser) fail(line int, format string, a ...any) error {
	return place(failf(kindSyntax, format, a...), "", line)
}

func (p *parser) isOp(op string) bool     { return p.cur.kind == tokOp && p.cur.val == op }
func (p *parser) isName(name string) bool { return p.cur.kind == tokName && p.cur.val == name }

// skipOp and skipName advance over a token if it is the current one.
func (p *parser) skipOp(op string) (bool, error) {
	if !p.isOp(op) {
		return false, nil
	}
	return true, p.advance()
}

func (p *parser) skipName(name string) (bool, error) {
	if !p.isName(name) {
		return false, nil
	}
	return true, p.advance()
}

// expect advances over a token that must be of the kind, and the value unless that is "".
func (p *parser) expect(kind tokenKind, val string) (token, error) {
	t := p.cur
	if t.kind != kind || val != "" && t.val != val {
		want := val
		if want == "" {
			want = token{kind: kind, val: "name"}.describe()
		}
		if t.kind == tokEOF {
			return t, p.fail(t.line, "unexpected end of template, expected '%s'.", want)
		}
		return t, p.fail(t.line, "expected token '%s', got %s", want, quoted(t.describe()))
	}
	return t, p.advance()
}

// maxParams bounds the parameters of a macro, each of which is compared with all others.
const maxParams = 1000

func (p *parser) enter() error {
	p.depth++
	if p.depth > maxNesting {
		return p.fail(p.cur.line, "nested more than %d deep", maxNesting)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// block parses statements up to one of the end tags, whose name is then the current token, or, with no end tags, up to
// the end of the template.
func (p *parser) block(ends []string) ([]stmt, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	if ends != nil {
		p.ends = append(p.ends, ends)
		defer func() { p.ends = p.ends[:len(p.ends)-1] }()
	}
	var body []stmt
	for {
		t := p.cur
		switch t.kind {
		case tokEOF:
			if ends != nil {
				return nil, p.unknownTag("", t.line)
			}
			return body, nil
		case tokData:
			body = append(body, &textStmt{at(t.line), t.val})
			if err := p.advance(); err != nil {
				return nil, err
			}
		case tokVarBegin:
			if err := p.advance(); err != nil {
				return nil, err
			}
			line := p.cur.line
			x, err := p.tuple(true, false)
			if err != nil {
				return nil, err
			}
			if _, err := p.expect(tokVarEnd, ""); err != nil {
				return nil, err
			}
			body = append(body, &outputStmt{at(line), x})
		case tokBlockBegin:
			if err := p.advance(); err != nil {
				return nil, err
			}
			if p.cur.kind == tokName && slices.Contains(ends, p.cur.val) {
				return body, nil
			}
			s, err := p.statement()
			if err != nil {
				return nil, err
			}
			if s != nil {
				body = append(body, s...)
			}
			if _, err := p.expect(tokBlockEnd, ""); err != nil {
				return nil, err
			}
		default:
			return nil, p.fail(t.line, "unexpected %s", quoted(t.describe()))
		}
	}
}

// body parses what follows a block's opening tag, up to one of the end tags, and returns the tag that ended it.
func (p *parser) body(ends ...string) ([]stmt, string, error) {
	if _, err := p.skipOp(":"); err != nil {
		return nil, "", err
	}
	if _, err := p.expect(tokBlockEnd, ""); err != nil {
		return nil, "", err
	}
	b, err := p.block(ends)
	if err != nil {
		return nil, "", err
	}
	end := p.cur.val
	return b, end, p.advance()
}

func (p *parser) unknownTag(name string, line int) error {
	var msg []string
	if name == "" {
		msg = append(msg, "Unexpected end of template.")
	} else {
		msg = append(msg, "Encountered unknown tag "+quoted(name)+".")
	}
	if len(p.ends) > 0 {
		last := make([]string, 0, 3)
		for _, e := range p.ends[len(p.ends)-1] {
			last = append(last, quoted(e))
		}
		looking := strings.Join(last, " or ")
		if name != "" && slices.ContainsFunc(p.ends, func(e []string) bool { return slices.Contains(e, name) }) {
			msg = append(msg, "You probably made a nesting mistake. Jinja is expecting this tag, but currently looking for "+looking+".")
		} else {
			msg = append(msg, "Jinja was looking for the following tags: "+looking+".")
		}
	}
	if len(p.tags) > 0 {
		msg = append(msg, "The innermost block that needs to be closed is "+quoted(p.tags[len(p.tags)-1])+".")
	}
	return p.fail(line, "%s", strings.Join(msg, " "))
}

// statement parses a tag, its name being the current token, with its body.
func (p *parser) statement() ([]stmt, error) {
	t := p.cur
	if t.kind != tokName {
		return nil, p.fail(t.line, "tag name expected")
	}
	line := at(t.line)
	var parse func(at) (stmt, error)
	switch t.val {
	case "if":
		parse = p.ifStmt
	case "for":
		parse = p.forStmt
	case "set":
		parse = p.setStmt
	case "macro":
		parse = p.macroStmt
	case "call":
		parse = p.callStmt
	case "filter":
		parse = p.filterStmt
	case "with":
		parse = p.withStmt
	case "generation":
		parse = p.generationStmt
	case "print":
		return p.printStmt()
	case "break", "continue":
		if p.loops == 0 {
			return nil, p.fail(t.line, "'%s' outside loop", t.val)
		}
		if t.val == "break" {
			return []stmt{&breakStmt{line}}, p.advance()
		}
		return []stmt{&continueStmt{line}}, p.advance()
	case "include", "import", "from", "extends", "block", "autoescape":
		return nil, p.fail(t.line, "the tag '%s' is not supported in chat templates", t.val)
	default:
		return nil, p.unknownTag(t.val, t.line)
	}
	p.tags = append(p.tags, t.val)
	defer func() { p.tags = p.tags[:len(p.tags)-1] }()
	if err := p.advance(); err != nil {
		return nil, err
	}
	s, err := parse(line)
	return []stmt{s}, err
}
