package jinja

// A testFunc computes "v is name(args)". It is called by run.
type testFunc = filterFunc

var tests map[string]testFunc

func init() { // the test test leads back to the table
	ask := func(name string, f func(v any) bool) testFunc {
		return func(_ *state, v any, a args) (any, error) {
			_, err := a.bind(name)
			return f(v), err
		}
	}
	comparison := func(op string) testFunc {
		return func(c *state, v any, a args) (any, error) {
			p, err := a.bind(op, "other")
			if err != nil {
				return nil, err
			}
			return c.compare(op, v, p[0])
		}
	}
	remainder := func(name string, want int64) testFunc {
		return func(c *state, v any, a args) (any, error) {
			if _, err := a.bind(name); err != nil {
				return nil, err
			}
			m, err := c.binaryOp("%", v, int64(2))
			if err != nil {
				return nil, err
			}
			return c.equal(m, want)
		}
	}
	tests = map[string]testFunc{
		"boolean":   ask("boolean", func(v any) bool { _, ok := v.(bool); return ok }),
		"callable":  ask("callable", isCallable),
		"defined":   ask("defined", func(v any) bool { return !isUndefined(v) }),
		"undefined": ask("undefined", isUndefined),
		"escaped":   ask("escaped", func(v any) bool { _, ok := v.(markup); return ok }),
		"false":     ask("false", func(v any) bool { return v == false }),
		"true":      ask("true", func(v any) bool { return v == true }),
		"none":      ask("none", func(v any) bool { return v == nil }),
		"float":     ask("float", func(v any) bool { _, ok := v.(float64); return ok }),
		"integer":   ask("integer", func(v any) bool { return typeName(v) == "int" }),
		"number":    ask("number", isNumber),
		"string":    ask("string", func(v any) bool { _, ok := asStr(v); return ok }),
		"mapping":   ask("mapping", func(v any) bool { _, ok := v.(*Dict); return ok }),
		"sequence":  ask("sequence", isSequence),
		"iterable":  ask("iterable", isIterable),
		"odd":       remainder("odd", 1),
		"even":      remainder("even", 0),
		"divisibleby": func(c *state, v any, a args) (any, error) {
			p, err := a.bind("divisibleby", "num")
			if err != nil {
				return nil, err
			}
			m, err := c.binaryOp("%", v, p[0])
			if err != nil {
				return nil, err
			}
			return c.equal(m, int64(0))
		},
		"lower":  caseTest("lower", func(s string) bool { return cased(s, isUpper) }),
		"upper":  caseTest("upper", func(s string) bool { return cased(s, isLower) }),
		"filter": nameTest("filter", func(name string) bool { return filters[name] != nil }),
		"test":   nameTest("test", func(name string) bool { return tests[name] != nil }),
		"sameas": func(_ *state, v any, a args) (any, error) {
			p, err := a.bind("sameas", "other")
			if err != nil {
				return nil, err
			}
			return typeName(v) == typeName(p[0]) && v == p[0], nil
		},
		"in": func(c *state, v any, a args) (any, error) {
			p, err := a.bind("in", "seq")
			if err != nil {
				return nil, err
			}
			return c.contains(p[0], v)
		},
	}
	for op, names := range map[string][]string{
		"==": {"==", "eq", "equalto"},
		"!=": {"!=", "ne"},
		">":  {">", "gt", "greaterthan"},
		">=": {">=", "ge"},
		"<":  {"<", "lt", "lessthan"},
		"<=": {"<=", "le"},
	} {
		for _, name := range names {
			tests[name] = comparison(op)
		}
	}
}

func caseTest(name string, f func(string) bool) testFunc {
	return func(c *state, v any, a args) (any, error) {
		if _, err := a.bind(name); err != nil {
			return nil, err
		}
		s, _, err := c.softStr(v)
		return f(s), err
	}
}

func nameTest(name string, known func(string) bool) testFunc {
	return func(_ *state, v any, a args) (any, error) {
		_, err := a.bind(name)
		s, ok := asStr(v)
		return ok && known(s), err
	}
}

func isUndefined(v any) bool {
	_, ok := v.(*undefined)
	return ok
}

func isCallable(v any) bool {
	switch v.(type) {
	case *macro, *builtin, *loopVal, *joiner, *undefined:
		return true
	}
	return false
}

func isSequence(v any) bool {
	switch v.(type) {
	case string, markup, *List, *tuple, *Dict, *rangeVal, *undefined:
		return true
	}
	return false
}

func isIterable(v any) bool {
	switch v.(type) {
	case *dictView, *generator, *loopVal:
		return true
	}
	return isSequence(v)
}
