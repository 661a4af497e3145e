package jinja

import "slices"

func (p *parser) printStmt() ([]stmt, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	var out []stmt
	for p.cur.kind != tokBlockEnd {
		if out != nil {
			if _, err := p.expect(tokOp, ","); err != nil {
				return nil, err
			}
		}
		line := at(p.cur.line)
		x, err := p.expression(true)
		if err != nil {
			return nil, err
		}
		out = append(out, &outputStmt{line, x})
	}
	return out, nil
}

func (p *parser) ifStmt(line at) (stmt, error) {
	s := &ifStmt{at: line}
	for {
		test, err := p.tuple(false, false)
		if err != nil {
			return nil, err
		}
		body, end, err := p.body("elif", "else", "endif")
		if err != nil {
			return nil, err
		}
		s.tests = append(s.tests, test)
		s.bodies = append(s.bodies, body)
		switch end {
		case "else":
			s.els, _, err = p.body("endif")
			return s, err
		case "endif":
			return s, nil
		}
	}
}

func (p *parser) forStmt(line at) (stmt, error) {
	p.loops++
	p.fors++
	defer func() { p.loops--; p.fors-- }()
	s := &forStmt{at: line}
	var err error
	if s.target, err = p.target(false); err != nil {
		return nil, err
	}
	if _, err = p.expect(tokName, "in"); err != nil {
		return nil, err
	}
	if s.iter, err = p.tuple(false, false); err != nil {
		return nil, err
	}
	ok, err := p.skipName("if")
	if err != nil {
		return nil, err
	}
	if ok {
		if s.test, err = p.expression(true); err != nil {
			return nil, err
		}
	}
	if s.recursive, err = p.skipName("recursive"); err != nil {
		return nil, err
	}
	var end string
	if s.body, end, err = p.body("endfor", "else"); err == nil && end == "else" {
		p.loops--
		s.els, _, err = p.body("endfor")
		p.loops++
	}
	return s, err
}

func (p *parser) setStmt(line at) (stmt, error) {
	t, err := p.target(true)
	if err != nil {
		return nil, err
	}
	if ok, err := p.skipOp("="); ok || err != nil {
		if err != nil {
			return nil, err
		}
		x, err := p.tuple(true, false)
		return &setStmt{line, t, x}, err
	}
	s := &setBlockStmt{at: line, target: t}
	f, err := p.filters(nil)
	if err != nil {
		return nil, err
	}
	s.filter, _ = f.(*filterExpr)
	s.body, _, err = p.body("endset")
	return s, err
}

func (p *parser) filterStmt(line at) (stmt, error) {
	s := &filterStmt{at: line}
	f, err := p.filter(nil)
	if err == nil {
		f, err = p.filters(f)
	}
	if err != nil {
		return nil, err
	}
	s.filter, _ = f.(*filterExpr)
	s.body, _, err = p.body("endfilter")
	return s, err
}

func (p *parser) withStmt(line at) (stmt, error) {
	s := &withStmt{at: line}
	for p.cur.kind != tokBlockEnd && !p.isOp(":") {
		if s.targets != nil {
			if _, err := p.expect(tokOp, ","); err != nil {
				return nil, err
			}
		}
		fors := p.fors
		p.fors = 0 // with may rebind loop
		t, err := p.target(false)
		p.fors = fors
		if err != nil {
			return nil, err
		}
		if _, err := p.expect(tokOp, "="); err != nil {
			return nil, err
		}
		x, err := p.expression(true)
		if err != nil {
			return nil, err
		}
		s.targets = append(s.targets, t)
		s.vals = append(s.vals, x)
	}
	var err error
	s.body, _, err = p.body("endwith")
	return s, err
}

// define parses the body of a macro or of a block that becomes one.
func (p *parser) define(m *macroDef, end string) error {
	loops := p.loops
	p.loops = 0
	defer func() { p.loops = loops }()
	var err error
	m.body, _, err = p.body(end)
	return err
}

func (p *parser) macroStmt(line at) (stmt, error) {
	m := &macroDef{at: line}
	name, err := p.targetName()
	if err != nil {
		return nil, err
	}
	m.name = name
	if err := p.signature(m); err != nil {
		return nil, err
	}
	return &macroStmt{m}, p.define(m, "endmacro")
}

func (p *parser) callStmt(line at) (stmt, error) {
	m := &macroDef{at: line}
	if p.isOp("(") {
		if err := p.signature(m); err != nil {
			return nil, err
		}
	}
	x, err := p.expression(true)
	if err != nil {
		return nil, err
	}
	call, ok := x.(*callExpr)
	if !ok {
		return nil, p.fail(int(line), "expected call")
	}
	if slices.Contains(call.args.kwNames, "caller") {
		return nil, p.fail(int(line), "keyword argument repeated: caller")
	}
	return &callStmt{m, call}, p.define(m, "endcall")
}

func (p *parser) generationStmt(line at) (stmt, error) {
	m := &macroDef{at: line}
	return &generationStmt{m}, p.define(m, "endgeneration")
}

func (p *parser) signature(m *macroDef) error {
	if _, err := p.expect(tokOp, "("); err != nil {
		return err
	}
	for !p.isOp(")") {
		if m.params != nil {
			if _, err := p.expect(tokOp, ","); err != nil {
				return err
			}
		}
		line := p.cur.line
		name, err := p.targetName()
		if err != nil {
			return err
		}
		if len(m.params) == maxParams {
			return p.fail(p.cur.line, "more than %d parameters", maxParams)
		}
		if slices.Contains(m.params, name) {
			return p.fail(line, "duplicate argument '%s' in function definition", name)
		}
		ok, err := p.skipOp("=")
		if err != nil {
			return err
		}
		if ok {
			x, err := p.expression(true)
			if err != nil {
				return err
			}
			m.defaults = append(m.defaults, x)
		} else if m.defaults != nil {
			return p.fail(line, "non-default argument follows default argument")
		}
		m.params = append(m.params, name)
	}
	_, err := p.expect(tokOp, ")")
	return err
}
