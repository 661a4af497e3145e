package jinja

import "strings"

// expression parses one expression; a conditional one (x if y else z) only where cond allows it.
func (p *parser) expression(cond bool) (expr, error) {
	if !cond {
		return p.or()
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	line := at(p.cur.line)
	x, err := p.or()
	if err != nil {
		return nil, err
	}
	for p.isName("if") {
		if err := p.advance(); err != nil {
			return nil, err
		}
		test, err := p.or()
		if err != nil {
			return nil, err
		}
		c := &condExpr{at: line, test: test, yes: x}
		ok, err := p.skipName("else")
		if err != nil {
			return nil, err
		}
		if ok {
			if c.no, err = p.expression(true); err != nil {
				return nil, err
			}
		}
		x = c
		line = at(p.cur.line)
	}
	return x, nil
}

// chain parses operands joined by left-associative operators.
func (p *parser) chain(kind tokenKind, ops []string, operand func() (expr, error)) (expr, error) {
	line := at(p.cur.line)
	l, err := operand()
	if err != nil {
		return nil, err
	}
	for {
		op := ""
		for _, o := range ops {
			if p.cur.kind == kind && p.cur.val == o {
				op = o
			}
		}
		if op == "" {
			return l, nil
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
		r, err := operand()
		if err != nil {
			return nil, err
		}
		l = &binaryExpr{line, op, l, r}
		line = at(p.cur.line)
	}
}

var (
	orOps   = []string{"or"}
	andOps  = []string{"and"}
	addOps  = []string{"+", "-"}
	mulOps  = []string{"*", "/", "//", "%"}
	powOps  = []string{"**"}
	compOps = map[string]bool{"==": true, "!=": true, "<": true, "<=": true, ">": true, ">=": true}
)

func (p *parser) or() (expr, error)  { return p.chain(tokName, orOps, p.and) }
func (p *parser) and() (expr, error) { return p.chain(tokName, andOps, p.not) }

func (p *parser) not() (expr, error) {
	if !p.isName("not") {
		return p.compare()
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	line := at(p.cur.line)
	if err := p.advance(); err != nil {
		return nil, err
	}
	x, err := p.not()
	return &unaryExpr{line, "not", x}, err
}

func (p *parser) compare() (expr, error) {
	line := at(p.cur.line)
	x, err := p.sum()
	if err != nil {
		return nil, err
	}
	c := &compareExpr{at: line, x: x}
	for {
		op := ""
		switch {
		case p.cur.kind == tokOp && compOps[p.cur.val], p.isName("in"):
			op = p.cur.val
		case p.isName("not"):
			next, err := p.peek()
			if err != nil {
				return nil, err
			}
			if next.kind == tokName && next.val == "in" {
				op = "not in"
				if err := p.advance(); err != nil {
					return nil, err
				}
			}
		}
		if op == "" {
			break
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
		r, err := p.sum()
		if err != nil {
			return nil, err
		}
		c.ops = append(c.ops, op)
		c.rest = append(c.rest, r)
	}
	if c.ops == nil {
		return x, nil
	}
	return c, nil
}

func (p *parser) sum() (expr, error) { return p.chain(tokOp, addOps, p.concat) }

func (p *parser) concat() (expr, error) {
	line := at(p.cur.line)
	x, err := p.product()
	if err != nil || !p.isOp("~") {
		return x, err
	}
	c := &concatExpr{line, []expr{x}}
	for p.isOp("~") {
		if err := p.advance(); err != nil {
			return nil, err
		}
		if x, err = p.product(); err != nil {
			return nil, err
		}
		c.items = append(c.items, x)
	}
	return c, nil
}

func (p *parser) product() (expr, error) { return p.chain(tokOp, mulOps, p.power) }

// power is left-associative and binds less than unary minus, unlike Python's.
func (p *parser) power() (expr, error) {
	return p.chain(tokOp, powOps, func() (expr, error) { return p.unary(true) })
}

func (p *parser) unary(withFilter bool) (expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	line := at(p.cur.line)
	var x expr
	var err error
	if p.isOp("-") || p.isOp("+") {
		op := p.cur.val
		if err := p.advance(); err != nil {
			return nil, err
		}
		if x, err = p.unary(false); err == nil {
			x = &unaryExpr{line, op, x}
		}
	} else {
		x, err = p.primary()
	}
	if err == nil {
		x, err = p.postfix(x)
	}
	if err == nil && withFilter {
		x, err = p.filterOrTest(x)
	}
	return x, err
}

func (p *parser) primary() (expr, error) {
	t := p.cur
	line := at(t.line)
	switch t.kind {
	case tokName:
		if err := p.advance(); err != nil {
			return nil, err
		}
		switch t.val {
		case "true", "True":
			return &constExpr{line, true}, nil
		case "false", "False":
			return &constExpr{line, false}, nil
		case "none", "None":
			return &constExpr{line, nil}, nil
		}
		return &nameExpr{line, t.val}, nil
	case tokString:
		var parts []string
		for p.cur.kind == tokString {
			parts = append(parts, p.cur.val)
			if err := p.advance(); err != nil {
				return nil, err
			}
		}
		return &constExpr{line, strings.Join(parts, "")}, nil
	case tokNumber, tokInteger:
		return &constExpr{line, t.num}, p.advance()
	case tokOp:
		switch t.val {
		case "(":
			if err := p.advance(); err != nil {
				return nil, err
			}
			x, err := p.tuple(true, true)
			if err == nil {
				_, err = p.expect(tokOp, ")")
			}
			return x, err
		case "[":
			items, err := p.items("]")
			return &listExpr{line, items}, err
		case "{":
			return p.dict()
		}
	}
	return nil, p.fail(t.line, "unexpected %s", quoted(t.describe()))
}

// items parses the expressions of a list literal, its opening bracket being the current token.
func (p *parser) items(closing string) ([]expr, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	var items []expr
	for !p.isOp(closing) {
		if items != nil {
			if _, err := p.expect(tokOp, ","); err != nil {
				return nil, err
			}
			if p.isOp(closing) {
				break
			}
		}
		x, err := p.expression(true)
		if err != nil {
			return nil, err
		}
		items = append(items, x)
	}
	return items, p.advance()
}

func (p *parser) dict() (expr, error) {
	d := &dictExpr{at: at(p.cur.line)}
	if err := p.advance(); err != nil {
		return nil, err
	}
	for !p.isOp("}") {
		if d.keys != nil {
			if _, err := p.expect(tokOp, ","); err != nil {
				return nil, err
			}
			if p.isOp("}") {
				break
			}
		}
		k, err := p.expression(true)
		if err != nil {
			return nil, err
		}
		if _, err := p.expect(tokOp, ":"); err != nil {
			return nil, err
		}
		v, err := p.expression(true)
		if err != nil {
			return nil, err
		}
		d.keys = append(d.keys, k)
		d.vals = append(d.vals, v)
	}
	return d, p.advance()
}

// tuple parses an expression or several with commas between, a tuple. An empty one stands only in parentheses.
func (p *parser) tuple(cond, parens bool) (expr, error) {
	return p.tupleOf(func() (expr, error) { return p.expression(cond) }, parens)
}

func (p *parser) tupleOf(item func() (expr, error), parens bool) (expr, error) {
	line := at(p.cur.line)
	var items []expr
	isTuple := false
	for {
		if items != nil {
			if _, err := p.expect(tokOp, ","); err != nil {
				return nil, err
			}
		}
		if p.cur.kind == tokVarEnd || p.cur.kind == tokBlockEnd || p.isOp(")") {
			break
		}
		x, err := item()
		if err != nil {
			return nil, err
		}
		items = append(items, x)
		if !p.isOp(",") {
			break
		}
		isTuple = true
		line = at(p.cur.line)
	}
	if !isTuple {
		if items != nil {
			return items[0], nil
		}
		if !parens {
			return nil, p.fail(p.cur.line, "Expected an expression, got %s", quoted(p.cur.describe()))
		}
	}
	return &tupleExpr{line, items}, nil
}
