package jinja

import "fmt"

// eval evaluates an expression. Every node counts as a step.
func (c *state) eval(x expr, sc *scope) (any, error) {
	if err := c.step(1); err != nil {
		return nil, place(err, c.tmpl.name, x.line())
	}
	if err := c.enter(); err != nil {
		return nil, place(err, c.tmpl.name, x.line())
	}
	v, err := c.evalNode(x, sc)
	c.leave()
	if err != nil {
		return nil, place(err, c.tmpl.name, x.line())
	}
	return v, nil
}

func (c *state) evalNode(x expr, sc *scope) (any, error) {
	switch x := x.(type) {
	case *constExpr:
		return x.val, nil
	case *nameExpr:
		v, up := sc.get(x.name)
		if v == missing {
			v = undefinedName(x.name)
		}
		return v, c.step(up / 4)
	case *tupleExpr:
		items, err := c.evalAll(x.items, sc)
		return &tuple{items: items}, err
	case *listExpr:
		items, err := c.evalAll(x.items, sc)
		return &List{items}, err
	case *dictExpr:
		return c.evalDict(x, sc)
	case *attrExpr:
		obj, err := c.eval(x.obj, sc)
		if err != nil {
			return nil, err
		}
		return c.getAttr(obj, x.name)
	case *itemExpr:
		obj, err := c.eval(x.obj, sc)
		if err != nil {
			return nil, err
		}
		i, err := c.eval(x.index, sc)
		if err != nil {
			return nil, err
		}
		return c.getItem(obj, i)
	case *sliceExpr:
		return c.evalSlice(x, sc)
	case *callExpr:
		return c.call(x, sc, nil)
	case *filterExpr:
		obj, err := c.eval(x.obj, sc)
		if err != nil {
			return nil, err
		}
		return c.applyFilter(x, obj, sc)
	case *testExpr:
		obj, err := c.eval(x.obj, sc)
		if err != nil {
			return nil, err
		}
		a, err := c.evalArgs(&x.args, sc)
		if err != nil {
			return nil, err
		}
		t, ok := tests[x.name]
		if !ok {
			return nil, failf(kindRuntime, "No test named %s found.", quoted(x.name))
		}
		return c.run(t, obj, a)
	case *unaryExpr:
		v, err := c.eval(x.x, sc)
		if err != nil {
			return nil, err
		}
		return unaryOp(x.op, v)
	case *binaryExpr:
		return c.evalBinary(x, sc)
	case *compareExpr:
		return c.evalCompare(x, sc)
	case *concatExpr:
		return c.evalConcat(x, sc)
	case *condExpr:
		return c.evalCond(x, sc)
	}
	return nil, failf(kindRuntime, "unknown expression %T", x)
}

func (c *state) evalAll(xs []expr, sc *scope) ([]any, error) {
	if err := c.allocTimes(valueSize, len(xs)); err != nil {
		return nil, err
	}
	items := make([]any, 0, len(xs))
	for _, x := range xs {
		v, err := c.eval(x, sc)
		if err != nil {
			return nil, err
		}
		items = append(items, v)
	}
	return items, nil
}

func (c *state) evalDict(x *dictExpr, sc *scope) (any, error) {
	d, err := c.newDict()
	if err != nil {
		return nil, err
	}
	for i := range x.keys {
		k, err := c.eval(x.keys[i], sc)
		if err != nil {
			return nil, err
		}
		v, err := c.eval(x.vals[i], sc)
		if err != nil {
			return nil, err
		}
		h, err := c.hashKey(k)
		if err != nil {
			return nil, err
		}
		if err := c.put(d, h, k, v); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (c *state) evalSlice(x *sliceExpr, sc *scope) (any, error) {
	obj, err := c.eval(x.obj, sc)
	if err != nil {
		return nil, err
	}
	var parts [3]any
	for i, p := range []expr{x.start, x.stop, x.step} {
		if p == nil {
			continue
		}
		if parts[i], err = c.eval(p, sc); err != nil {
			return nil, err
		}
	}
	return c.slice(obj, parts)
}

// call evaluates a call; caller, if not nil, is passed as the keyword argument of that name.
func (c *state) call(x *callExpr, sc *scope, caller *macro) (any, error) {
	fn, err := c.eval(x.fn, sc)
	if err != nil {
		return nil, err
	}
	a, err := c.evalArgs(&x.args, sc)
	if err != nil {
		return nil, err
	}
	if caller != nil {
		if err := c.step(len(a.kw)); err != nil {
			return nil, err
		}
		for _, k := range a.kw {
			if k.name == "caller" {
				return nil, failf(kindType, "got multiple values for keyword argument 'caller'")
			}
		}
		a.kw = append(a.kw, kwarg{"caller", caller})
	}
	return c.callValue(fn, a)
}

// callValue calls what a template may call.
func (c *state) callValue(fn any, a args) (any, error) {
	switch fn := fn.(type) {
	case *macro:
		return c.callMacro(fn, a)
	case *builtin:
		if err := c.readArgs(nil, a); err != nil {
			return nil, err
		}
		return fn.call(c, a)
	case *loopVal:
		return fn.call(a)
	case *joiner:
		return fn.call(a)
	case *undefined:
		return nil, fn.fail()
	}
	return nil, failf(kindType, "'%s' object is not callable", typeName(fn))
}

func (c *state) applyFilter(x *filterExpr, v any, sc *scope) (any, error) {
	if u, ok := v.(*undefined); ok && c.strict && x.name != "default" && x.name != "d" {
		return nil, u.fail()
	}
	a, err := c.evalArgs(&x.args, sc)
	if err != nil {
		return nil, err
	}
	f, ok := filters[x.name]
	if !ok {
		return nil, failf(kindRuntime, "No filter named %s found.", quoted(x.name))
	}
	return c.run(f, v, a)
}

// filterChain applies the filters of a filter or set block to its output, which stands where the innermost has no operand.
func (c *state) filterChain(x *filterExpr, text string, sc *scope) (any, error) {
	if err := c.enter(); err != nil {
		return nil, err
	}
	defer c.leave()
	var v any = text
	if in, ok := x.obj.(*filterExpr); ok {
		var err error
		if v, err = c.filterChain(in, text, sc); err != nil {
			return nil, err
		}
	}
	v, err := c.applyFilter(x, v, sc)
	if err != nil {
		return nil, place(err, c.tmpl.name, x.line())
	}
	return v, nil
}

func (c *state) evalBinary(x *binaryExpr, sc *scope) (any, error) {
	l, err := c.eval(x.l, sc)
	if err != nil {
		return nil, err
	}
	switch {
	case x.op == "and" && !truth(l), x.op == "or" && truth(l):
		return l, nil
	}
	r, err := c.eval(x.r, sc)
	if err != nil || x.op == "and" || x.op == "or" {
		return r, err
	}
	return c.binaryOp(x.op, l, r)
}

func (c *state) evalCompare(x *compareExpr, sc *scope) (any, error) {
	l, err := c.eval(x.x, sc)
	if err != nil {
		return nil, err
	}
	for i, op := range x.ops {
		r, err := c.eval(x.rest[i], sc)
		if err != nil {
			return nil, err
		}
		ok, err := c.compare(op, l, r)
		if err != nil || !ok {
			return false, err
		}
		l = r
	}
	return true, nil
}

func (c *state) evalConcat(x *concatExpr, sc *scope) (any, error) {
	var b buffer
	for _, i := range x.items {
		v, err := c.eval(i, sc)
		if err != nil {
			return nil, err
		}
		if err := c.print(&b, v); err != nil {
			return nil, err
		}
	}
	return b.String(), nil
}

func (c *state) evalCond(x *condExpr, sc *scope) (any, error) {
	test, err := c.eval(x.test, sc)
	if err != nil {
		return nil, err
	}
	switch {
	case truth(test):
		return c.eval(x.yes, sc)
	case x.no != nil:
		return c.eval(x.no, sc)
	}
	return undefinedHint(fmt.Sprintf("the inline if-expression on line %d evaluated to false and no else section was defined.",
		x.line())), nil
}
