package jinja

// postfix parses attribute access, subscripts and calls after x.
func (p *parser) postfix(x expr) (expr, error) {
	for {
		var err error
		switch {
		case p.isOp("."):
			x, err = p.attribute(x)
		case p.isOp("["):
			x, err = p.subscript(x)
		case p.isOp("("):
			x, err = p.call(x)
		default:
			return x, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// filterOrTest parses filters, tests and calls of their results after x.
func (p *parser) filterOrTest(x expr) (expr, error) {
	for {
		var err error
		switch {
		case p.isOp("|"):
			x, err = p.filters(x)
		case p.isName("is"):
			x, err = p.test(x)
		case p.isOp("("):
			x, err = p.call(x)
		default:
			return x, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (p *parser) attribute(x expr) (expr, error) {
	line := at(p.cur.line)
	if err := p.advance(); err != nil {
		return nil, err
	}
	t := p.cur
	if t.kind == tokName {
		return &attrExpr{line, x, t.val}, p.advance()
	}
	if t.kind != tokInteger {
		return nil, p.fail(t.line, "expected name or number")
	}
	return &itemExpr{line, x, &constExpr{at(t.line), t.num}}, p.advance()
}

func (p *parser) subscript(x expr) (expr, error) {
	line := at(p.cur.line)
	if err := p.advance(); err != nil {
		return nil, err
	}
	var items []expr
	var sl *sliceExpr
	for !p.isOp("]") {
		if items != nil || sl != nil {
			if _, err := p.expect(tokOp, ","); err != nil {
				return nil, err
			}
		}
		if sl != nil {
			return nil, p.fail(p.cur.line, "slices in tuples are not supported")
		}
		var i expr
		var err error
		if !p.isOp(":") {
			if i, err = p.expression(true); err != nil {
				return nil, err
			}
		}
		if !p.isOp(":") {
			items = append(items, i)
			continue
		}
		if items != nil {
			return nil, p.fail(p.cur.line, "slices in tuples are not supported")
		}
		sl = &sliceExpr{at: line, obj: x, start: i}
		if err := p.sliceRest(sl); err != nil {
			return nil, err
		}
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	switch {
	case sl != nil:
		return sl, nil
	case len(items) == 1:
		return &itemExpr{line, x, items[0]}, nil
	}
	return &itemExpr{line, x, &tupleExpr{line, items}}, nil
}

// sliceRest parses a slice from its first colon on.
func (p *parser) sliceRest(sl *sliceExpr) error {
	for _, part := range []*expr{&sl.stop, &sl.step} {
		if ok, err := p.skipOp(":"); !ok || err != nil {
			return err
		}
		if !p.isOp(":") && !p.isOp("]") && !p.isOp(",") {
			x, err := p.expression(true)
			if err != nil {
				return err
			}
			*part = x
		}
	}
	return nil
}

func (p *parser) call(fn expr) (expr, error) {
	line := at(p.cur.line)
	args, err := p.callArgs()
	return &callExpr{line, fn, args}, err
}

// callArgs parses the parenthesised arguments of a call.
func (p *parser) callArgs() (callArgs, error) {
	var a callArgs
	t, err := p.expect(tokOp, "(")
	if err != nil {
		return a, err
	}
	for first := true; !p.isOp(")"); first = false {
		if !first {
			if _, err := p.expect(tokOp, ","); err != nil {
				return a, err
			}
			if p.isOp(")") {
				break
			}
		}
		ok, err := p.arg(&a)
		if err != nil {
			return a, err
		}
		if !ok {
			return a, p.fail(t.line, "invalid syntax for function call expression")
		}
	}
	return a, p.advance()
}

// arg parses one argument; false when it stands after one it must not follow.
func (p *parser) arg(a *callArgs) (bool, error) {
	var err error
	switch {
	case p.isOp("*"):
		if a.star != nil || a.star2 != nil {
			return false, nil
		}
		if err = p.advance(); err == nil {
			a.star, err = p.expression(true)
		}
		return true, err
	case p.isOp("**"):
		if a.star2 != nil {
			return false, nil
		}
		if err = p.advance(); err == nil {
			a.star2, err = p.expression(true)
		}
		return true, err
	}
	if p.cur.kind == tokName {
		next, err := p.peek()
		if err != nil {
			return false, err
		}
		if next.kind == tokOp && next.val == "=" {
			if a.star2 != nil {
				return false, nil
			}
			name, line := p.cur.val, p.cur.line
			for _, n := range a.kwNames {
				if n == name {
					return false, p.fail(line, "keyword argument repeated: %s", name)
				}
			}
			if err := p.advance(); err != nil {
				return false, err
			}
			if err := p.advance(); err != nil {
				return false, err
			}
			x, err := p.expression(true)
			a.kwNames = append(a.kwNames, name)
			a.kwVals = append(a.kwVals, x)
			return true, err
		}
	}
	if a.star != nil || a.star2 != nil || a.kwNames != nil {
		return false, nil
	}
	x, err := p.expression(true)
	a.pos = append(a.pos, x)
	return true, err
}

// filters parses any number of "| filter" after x.
func (p *parser) filters(x expr) (expr, error) {
	for p.isOp("|") {
		if err := p.advance(); err != nil {
			return nil, err
		}
		f, err := p.filter(x)
		if err != nil {
			return nil, err
		}
		x = f
	}
	return x, nil
}

// filter parses a filter's name and arguments.
func (p *parser) filter(x expr) (expr, error) {
	line := at(p.cur.line)
	name, err := p.dottedName()
	if err != nil {
		return nil, err
	}
	f := &filterExpr{at: line, obj: x, name: name}
	if p.isOp("(") {
		f.args, err = p.callArgs()
	}
	return f, err
}

func (p *parser) dottedName() (string, error) {
	t, err := p.expect(tokName, "")
	if err != nil {
		return "", err
	}
	name := t.val
	for p.isOp(".") {
		if err := p.advance(); err != nil {
			return "", err
		}
		if t, err = p.expect(tokName, ""); err != nil {
			return "", err
		}
		name += "." + t.val
	}
	return name, nil
}

// test parses "is [not] name [argument]" after x.
func (p *parser) test(x expr) (expr, error) {
	line := at(p.cur.line)
	if err := p.advance(); err != nil {
		return nil, err
	}
	negated, err := p.skipName("not")
	if err != nil {
		return nil, err
	}
	t := &testExpr{at: line, obj: x}
	if t.name, err = p.dottedName(); err != nil {
		return nil, err
	}
	switch {
	case p.isOp("("):
		t.args, err = p.callArgs()
	case p.cur.kind == tokName && (p.cur.val == "else" || p.cur.val == "or" || p.cur.val == "and"):
	case p.isName("is"):
		return nil, p.fail(p.cur.line, "You cannot chain multiple tests with is")
	case p.cur.kind == tokName, p.cur.kind == tokString, p.cur.kind == tokInteger, p.cur.kind == tokNumber,
		p.isOp("["), p.isOp("{"):
		var arg expr
		if arg, err = p.primary(); err == nil {
			arg, err = p.postfix(arg)
		}
		t.args.pos = []expr{arg}
	}
	if err != nil {
		return nil, err
	}
	if negated {
		return &unaryExpr{line, "not", t}, nil
	}
	return t, nil
}

// target parses what is assigned to: a name, with ns also namespace.attribute, or a tuple of such.
func (p *parser) target(ns bool) (target, error) {
	line := p.cur.line
	x, err := p.tupleOf(func() (expr, error) { return p.targetPrimary(ns) }, false)
	if err != nil {
		return nil, err
	}
	return p.toTarget(x, ns, line)
}

// targetPrimary parses a name, a namespace's attribute, or anything that toTarget turns down.
func (p *parser) targetPrimary(ns bool) (expr, error) {
	x, err := p.primary()
	name, ok := x.(*nameExpr)
	if err != nil || !ns || !ok || !p.isOp(".") {
		return x, err
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	t, err := p.expect(tokName, "")
	return &attrExpr{name.at, name, t.val}, err
}

func (p *parser) toTarget(x expr, ns bool, line int) (target, error) {
	switch x := x.(type) {
	case *nameExpr:
		if x.name == "loop" && p.fors > 0 {
			return nil, p.fail(line, "Can't assign to special loop variable in for-loop target")
		}
		return nameTarget(x.name), nil
	case *attrExpr:
		if name, ok := x.obj.(*nameExpr); ok && ns {
			return attrTarget{name.name, x.name}, nil
		}
	case *tupleExpr:
		var ts tupleTarget
		for _, i := range x.items {
			t, err := p.toTarget(i, ns, line)
			if err != nil {
				return nil, err
			}
			ts = append(ts, t)
		}
		return ts, nil
	}
	return nil, p.fail(line, "can't assign to '%s'", exprName(x))
}

func exprName(x expr) string {
	switch x.(type) {
	case *constExpr:
		return "const"
	case *listExpr:
		return "list"
	case *dictExpr:
		return "dict"
	}
	return "expression"
}

func (p *parser) targetName() (string, error) {
	t, err := p.expect(tokName, "")
	if err != nil {
		return "", err
	}
	switch t.val {
	case "true", "false", "none", "True", "False", "None":
		return "", p.fail(t.line, "can't assign to 'name'")
	}
	return t.val, nil
}
