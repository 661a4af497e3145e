package jinja

// maxHeight bounds the height of an expression's tree: a chain of operators is as high as it is long.
const maxHeight = 1000

// operands calls f for each expression that x is made of, skipping absent ones.
func operands(x expr, f func(expr) error) error {
	var err error
	do := func(xs ...expr) {
		for _, x := range xs {
			if x != nil && err == nil {
				err = f(x)
			}
		}
	}
	args := func(a *callArgs) {
		do(a.pos...)
		do(a.kwVals...)
		do(a.star, a.star2)
	}
	switch x := x.(type) {
	case *tupleExpr:
		do(x.items...)
	case *listExpr:
		do(x.items...)
	case *dictExpr:
		for i := range x.keys {
			do(x.keys[i], x.vals[i])
		}
	case *attrExpr:
		do(x.obj)
	case *itemExpr:
		do(x.obj, x.index)
	case *sliceExpr:
		do(x.obj, x.start, x.stop, x.step)
	case *callExpr:
		do(x.fn)
		args(&x.args)
	case *filterExpr:
		do(x.obj)
		args(&x.args)
	case *testExpr:
		do(x.obj)
		args(&x.args)
	case *unaryExpr:
		do(x.x)
	case *binaryExpr:
		do(x.l, x.r)
	case *compareExpr:
		do(x.x)
		do(x.rest...)
	case *concatExpr:
		do(x.items...)
	case *condExpr:
		do(x.test, x.yes, x.no)
	}
	return err
}

// mentions tells whether name is read somewhere in body before it is assigned, macros inside included.
func mentions(body []stmt, name string) bool {
	m := mention{name: name}
	m.body(body)
	return m.read
}

type mention struct {
	name       string
	read, done bool
	depth      int
}

func (m *mention) body(body []stmt) {
	for _, s := range body {
		if m.done {
			return
		}
		m.stmt(s)
	}
}

func (m *mention) target(t target) {
	switch t := t.(type) {
	case nameTarget:
		m.done = m.done || string(t) == m.name
	case tupleTarget:
		for _, t := range t {
			m.target(t)
		}
	}
}

func (m *mention) exprs(xs ...expr) {
	for _, x := range xs {
		if x != nil {
			_ = m.expr(x)
		}
	}
}

func (m *mention) expr(x expr) error {
	// Deeper trees are turned down by the resolver.
	if m.depth++; m.done || m.depth > maxHeight {
		m.depth--
		return nil
	}
	defer func() { m.depth-- }()
	if n, ok := x.(*nameExpr); ok && n.name == m.name {
		m.read, m.done = true, true
		return nil
	}
	return operands(x, m.expr)
}

func (m *mention) filter(f *filterExpr) {
	if f != nil {
		m.exprs(f)
	}
}

func (m *mention) macro(d *macroDef) {
	for _, p := range d.params {
		m.done = m.done || p == m.name
	}
	m.exprs(d.defaults...)
	m.body(d.body)
}

func (m *mention) stmt(s stmt) {
	switch s := s.(type) {
	case *outputStmt:
		m.exprs(s.x)
	case *ifStmt:
		for i := range s.tests {
			m.exprs(s.tests[i])
			m.body(s.bodies[i])
		}
		m.body(s.els)
	case *forStmt:
		m.target(s.target)
		m.exprs(s.iter)
		m.body(s.body)
		m.body(s.els)
		m.exprs(s.test)
	case *setStmt:
		m.target(s.target)
		m.exprs(s.val)
	case *setBlockStmt:
		m.target(s.target)
		m.filter(s.filter)
		m.body(s.body)
	case *filterStmt:
		m.body(s.body)
		m.filter(s.filter)
	case *withStmt:
		for _, t := range s.targets {
			m.target(t)
		}
		m.exprs(s.vals...)
		m.body(s.body)
	case *macroStmt:
		m.macro(s.macroDef)
	case *callStmt:
		m.exprs(s.call)
		m.macro(s.macroDef)
	case *generationStmt:
		m.macro(s.macroDef)
	}
}
