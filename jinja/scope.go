package jinja

// Jinja decides at compile time which scope a name belongs to, and that shows: a name assigned anywhere in a scope is that
// scope's own from its beginning, starting as the outer scope's value, the template variable, or undefined. The resolver
// works that out before rendering, as jinja2.idtracking does.

// How a name of a scope gets its first value.
type loadKind uint8

const (
	loadParam     loadKind = iota // from the construct that opens the scope
	loadResolve                   // from the template's variables
	loadAlias                     // from the same name of the scope around
	loadUndefined                 // not at all
)

// symbols are the names that a scope holds. Branches of an if share the scope around them: while they are analysed they
// have symbols of their own over base.
type symbols struct {
	parent, base *symbols
	loads        map[string]loadKind
	stores       map[string]bool
}

func newSymbols(parent *symbols) *symbols {
	return &symbols{parent: parent, loads: map[string]loadKind{}, stores: map[string]bool{}}
}

// own tells whether the scope itself has the name.
func (s *symbols) own(name string) bool {
	for ; s != nil; s = s.base {
		if _, ok := s.loads[name]; ok {
			return true
		}
	}
	return false
}

// outer tells whether a scope around has the name.
func (s *symbols) outer(name string) bool {
	for p := s.parent; p != nil; p = p.parent {
		if p.own(name) {
			return true
		}
	}
	return false
}

func (s *symbols) stored(name string) bool {
	for ; s != nil; s = s.base {
		if s.stores[name] {
			return true
		}
	}
	return false
}

func (s *symbols) load(name string) {
	if !s.own(name) && !s.outer(name) {
		s.loads[name] = loadResolve
	}
}

func (s *symbols) param(name string) {
	s.stores[name] = true
	s.loads[name] = loadParam
}

func (s *symbols) store(name string) {
	s.stores[name] = true
	switch {
	case s.own(name):
	case s.outer(name):
		s.loads[name] = loadAlias
	default:
		s.loads[name] = loadUndefined
	}
}

func (s *symbols) branch() *symbols {
	b := newSymbols(s.parent)
	b.base = s
	return b
}

// merge adds what the branches of an if load and store. A name stored only in branches needs a value before them.
func (s *symbols) merge(branches ...*symbols) {
	var stored []string
	for _, b := range branches {
		for name := range b.stores {
			if !s.stored(name) {
				stored = append(stored, name)
			}
		}
	}
	for _, b := range branches {
		for name, kind := range b.loads {
			s.loads[name] = kind
		}
		for name := range b.stores {
			s.stores[name] = true
		}
	}
	for _, name := range stored {
		s.loads[name] = loadResolve
		if s.outer(name) {
			s.loads[name] = loadAlias
		}
	}
}

// resolver fills in the symbols of a template's scopes and checks the names of filters and tests. An unknown one is an
// error at once unless it stands in an if, which may be there to guard it.
type resolver struct {
	syms    *symbols
	soft    bool
	depth   int
	pending []func() error // scopes inside the present one, analysed when that is complete
}

// resolve analyses a template.
func resolve(body []stmt) (*symbols, error) {
	r := &resolver{syms: newSymbols(nil)}
	err := r.body(body)
	if err == nil {
		err = r.finish()
	}
	return r.syms, err
}

// scope plans the analysis of a scope inside this one: visit sees a resolver for it, and into gets its symbols.
func (r *resolver) scope(into **symbols, visit func(*resolver) error) {
	parent, depth := r.syms, r.depth
	for parent.base != nil {
		parent = parent.base
	}
	r.pending = append(r.pending, func() error {
		in := &resolver{syms: newSymbols(parent), depth: depth + 1}
		*into = in.syms
		if err := visit(in); err != nil {
			return err
		}
		return in.finish()
	})
}

func (r *resolver) finish() error {
	for _, f := range r.pending {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

func (r *resolver) body(body []stmt) error {
	for _, s := range body {
		if err := r.stmt(s); err != nil {
			return place(err, "", s.line())
		}
	}
	return nil
}

func (r *resolver) stmt(s stmt) error {
	switch s := s.(type) {
	case *outputStmt:
		return r.expr(s.x)
	case *ifStmt:
		return r.ifStmt(s)
	case *forStmt:
		r.scope(&s.bodySyms, func(in *resolver) error {
			in.syms.param("loop")
			in.target(s.target, true)
			return in.body(s.body)
		})
		r.scope(&s.elsSyms, func(in *resolver) error { return in.body(s.els) })
		r.scope(&s.tstSym, func(in *resolver) error {
			in.target(s.target, true)
			return in.expr(s.test)
		})
		return r.expr(s.iter)
	case *setStmt:
		err := r.expr(s.val)
		r.target(s.target, false)
		return err
	case *setBlockStmt:
		r.scope(&s.syms, func(in *resolver) error {
			if err := in.body(s.body); err != nil {
				return err
			}
			return in.filter(s.filter)
		})
		r.target(s.target, false)
	case *filterStmt:
		r.scope(&s.syms, func(in *resolver) error {
			if err := in.body(s.body); err != nil {
				return err
			}
			return in.filter(s.filter)
		})
		return r.filter(s.filter)
	case *withStmt:
		r.scope(&s.syms, func(in *resolver) error {
			for _, t := range s.targets {
				in.target(t, true)
			}
			return in.body(s.body)
		})
		return r.exprs(s.vals)
	case *macroStmt:
		r.syms.store(s.name)
		r.macro(s.macroDef)
	case *callStmt:
		r.macro(s.macroDef)
		return r.expr(s.call)
	case *generationStmt:
		r.macro(s.macroDef)
	}
	return nil
}

func (r *resolver) ifStmt(s *ifStmt) error {
	soft, outer := r.soft, r.syms
	defer func() { r.soft, r.syms = soft, outer }()
	r.soft = true
	// An elif is an if inside the branch of the elifs.
	elifs, els := outer.branch(), outer.branch()
	for i, test := range s.tests {
		around := outer
		if i > 0 {
			around = elifs
		}
		r.syms = around
		if err := r.expr(test); err != nil {
			return err
		}
		r.syms = around.branch()
		if err := r.body(s.bodies[i]); err != nil {
			return err
		}
		if i > 0 {
			elifs.merge(r.syms)
			continue
		}
		defer func(first *symbols) { outer.merge(first, elifs, els) }(r.syms)
	}
	r.syms = els
	return r.body(s.els)
}

func (r *resolver) macro(m *macroDef) {
	r.scope(&m.syms, func(in *resolver) error {
		for _, p := range m.params {
			in.syms.param(p)
		}
		for special, uses := range map[string]*bool{"caller": &m.caller, "kwargs": &m.kwargs, "varargs": &m.varargs} {
			if *uses = mentions(m.body, special); *uses {
				in.syms.param(special)
			}
		}
		for i, p := range m.params {
			switch p {
			case "kwargs":
				m.kwargs = false
			case "varargs":
				m.varargs = false
			case "caller":
				if m.caller && len(m.params)-i > len(m.defaults) {
					return place(failf(kindSyntax, `When defining macros or call blocks the special "caller" argument must be omitted or be given a default.`), "", m.line())
				}
			}
		}
		if err := in.exprs(m.defaults); err != nil {
			return err
		}
		return in.body(m.body)
	})
}

func (r *resolver) target(t target, param bool) {
	switch t := t.(type) {
	case nameTarget:
		if param {
			r.syms.param(string(t))
		} else {
			r.syms.store(string(t))
		}
	case attrTarget:
		r.syms.load(t.obj)
	case tupleTarget:
		for _, t := range t {
			r.target(t, param)
		}
	}
}

func (r *resolver) exprs(xs []expr) error {
	for _, x := range xs {
		if err := r.expr(x); err != nil {
			return err
		}
	}
	return nil
}

func (r *resolver) filter(f *filterExpr) error {
	if f == nil {
		return nil
	}
	return r.expr(f)
}

func (r *resolver) expr(x expr) error {
	if x == nil {
		return nil
	}
	if r.depth++; r.depth > maxHeight {
		return place(failf(kindSyntax, "expression nested more than %d deep", maxHeight), "", x.line())
	}
	defer func() { r.depth-- }()
	switch x := x.(type) {
	case *nameExpr:
		r.syms.load(x.name)
	case *condExpr:
		soft := r.soft
		r.soft = true
		defer func() { r.soft = soft }()
	case *filterExpr:
		if _, ok := filters[x.name]; !ok && !r.soft {
			return place(failf(kindSyntax, "No filter named %s.", quoted(x.name)), "", x.line())
		}
	case *testExpr:
		if _, ok := tests[x.name]; !ok && !r.soft {
			return place(failf(kindSyntax, "No test named %s.", quoted(x.name)), "", x.line())
		}
	}
	return operands(x, r.expr)
}
