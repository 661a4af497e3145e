package jinja

// scope holds the variables of a scope and links to the scope around it.
type scope struct {
	vars   map[string]any
	parent *scope
	size   int  // what is paid for it
	kept   bool // by a macro, which may outlive it
}

// open makes a scope with the first values that its symbols ask for.
func (c *state) open(syms *symbols, parent *scope) (*scope, error) {
	s := &scope{parent: parent, size: 128 + entrySize*len(syms.loads)}
	err := c.hold(s.size)
	if err == nil {
		err = c.step(len(syms.loads) / 2)
	}
	if err != nil {
		return nil, err
	}
	s.vars = make(map[string]any, len(syms.loads))
	for name, kind := range syms.loads {
		v := missing
		switch kind {
		case loadResolve:
			v = c.resolve(name)
		case loadAlias:
			up := 0
			if v, up = parent.get(name); up > 0 {
				if err := c.step(up / 4); err != nil {
					return nil, err
				}
			}
		}
		s.vars[name] = v
	}
	return s, nil
}

// close gives back what a scope that ended took, as loops open one for each item.
func (c *state) close(s *scope) {
	if !s.kept {
		c.release(s.size)
	}
}

// newMacro makes a macro, which keeps the scopes around it.
func newMacro(def *macroDef, sc *scope) *macro {
	for s := sc; s != nil && !s.kept; s = s.parent {
		s.kept = true
	}
	return &macro{def, sc}
}

// get returns a variable of the innermost scope that has the name, perhaps missing, and how many scopes up that is.
func (s *scope) get(name string) (any, int) {
	for up := 0; s != nil; s = s.parent {
		if v, ok := s.vars[name]; ok {
			return v, up
		}
		up++
	}
	return missing, 0
}

// resolve returns a template variable or a global function, or missing.
func (c *state) resolve(name string) any {
	if v, ok := c.vars[name]; ok {
		return v
	}
	if v, ok := globals[name]; ok {
		return v
	}
	return missing
}

// flow is how a statement ended.
type flow uint8

const (
	flowNext flow = iota
	flowBreak
	flowContinue
)

// exec runs statements. It stops early at a break or continue of a loop around them.
func (c *state) exec(body []stmt, sc *scope, out *buffer) (flow, error) {
	for _, s := range body {
		err := c.step(1)
		if err == nil {
			err = c.enter()
		}
		if err != nil {
			return 0, place(err, c.tmpl.name, s.line())
		}
		f, err := c.stmt(s, sc, out)
		c.leave()
		if err != nil {
			return 0, place(err, c.tmpl.name, s.line())
		}
		if f != flowNext {
			return f, nil
		}
	}
	return flowNext, nil
}

func (c *state) stmt(s stmt, sc *scope, out *buffer) (flow, error) {
	switch s := s.(type) {
	case *textStmt:
		return 0, c.write(out, s.text)
	case *outputStmt:
		v, err := c.eval(s.x, sc)
		if err != nil {
			return 0, err
		}
		return 0, c.print(out, v)
	case *ifStmt:
		for i, test := range s.tests {
			v, err := c.eval(test, sc)
			if err != nil {
				return 0, err
			}
			if truth(v) {
				return c.exec(s.bodies[i], sc, out)
			}
		}
		return c.exec(s.els, sc, out)
	case *forStmt:
		return c.forStmt(s, sc, out)
	case *setStmt:
		if err := c.checkTarget(s.target, sc); err != nil {
			return 0, err
		}
		v, err := c.eval(s.val, sc)
		if err != nil {
			return 0, err
		}
		return 0, c.assign(s.target, v, sc)
	case *setBlockStmt:
		v, f, err := c.capture(s.body, s.filter, s.syms, sc)
		if err != nil || f != flowNext {
			return f, err
		}
		if err := c.checkTarget(s.target, sc); err != nil {
			return 0, err
		}
		return 0, c.assign(s.target, v, sc)
	case *filterStmt:
		v, f, err := c.capture(s.body, s.filter, s.syms, sc)
		if err != nil || f != flowNext {
			return f, err
		}
		return 0, c.print(out, v)
	case *withStmt:
		return c.with(s, sc, out)
	case *macroStmt:
		sc.vars[s.name] = newMacro(s.macroDef, sc)
		return 0, nil
	case *callStmt:
		v, err := c.call(s.call, sc, newMacro(s.macroDef, sc))
		if err != nil {
			return 0, err
		}
		return 0, c.print(out, v)
	case *generationStmt:
		v, err := c.callMacro(newMacro(s.macroDef, sc), args{})
		if err != nil {
			return 0, err
		}
		begin := out.Len()
		err = c.print(out, v)
		if out.top {
			c.generated = append(c.generated, [2]int{begin, out.Len()})
		}
		return 0, err
	case *breakStmt:
		return flowBreak, nil
	case *continueStmt:
		return flowContinue, nil
	}
	return 0, nil
}

func (c *state) print(out *buffer, v any) error {
	if u, ok := v.(*undefined); ok && c.strict {
		return u.fail()
	}
	s, err := c.str(v)
	if err != nil {
		return err
	}
	return c.write(out, s)
}

// capture runs a block in a scope of its own and returns its output, filtered unless filter is nil.
func (c *state) capture(body []stmt, filter *filterExpr, syms *symbols, sc *scope) (any, flow, error) {
	in, err := c.open(syms, sc)
	if err != nil {
		return nil, 0, err
	}
	defer c.close(in)
	var b buffer
	f, err := c.exec(body, in, &b)
	if err != nil || f != flowNext || filter == nil {
		return b.String(), f, err
	}
	v, err := c.filterChain(filter, b.String(), in)
	return v, f, err
}

func (c *state) with(s *withStmt, sc *scope, out *buffer) (flow, error) {
	in, err := c.open(s.syms, sc)
	if err != nil {
		return 0, err
	}
	defer c.close(in)
	for i, x := range s.vals {
		v, err := c.eval(x, sc)
		if err != nil {
			return 0, err
		}
		if err := c.assign(s.targets[i], v, in); err != nil {
			return 0, err
		}
	}
	return c.exec(s.body, in, out)
}

// checkTarget fails for an attribute of anything but a namespace, which is found before the value is evaluated.
func (c *state) checkTarget(t target, sc *scope) error {
	switch t := t.(type) {
	case attrTarget:
		v, _ := sc.get(t.obj)
		if _, ok := v.(*namespace); !ok {
			return failf(kindRuntime, "cannot assign attribute on non-namespace object")
		}
	case tupleTarget:
		for _, t := range t {
			if err := c.checkTarget(t, sc); err != nil {
				return err
			}
		}
	}
	return nil
}

// assign gives v to a target whose names belong to sc.
func (c *state) assign(t target, v any, sc *scope) error {
	switch t := t.(type) {
	case nameTarget:
		sc.vars[string(t)] = v
	case attrTarget:
		obj, up := sc.get(t.obj)
		if err := c.step(up / 4); err != nil {
			return err
		}
		ns, ok := obj.(*namespace)
		if !ok {
			return failf(kindRuntime, "cannot assign attribute on non-namespace object")
		}
		return ns.set(c, t.attr, v)
	case tupleTarget:
		return c.unpack(t, v, sc)
	}
	return nil
}

// wantValues checks the number of values that are unpacked.
func wantValues(n, want int) error {
	switch {
	case n < want:
		return failf(kindValue, "not enough values to unpack (expected %d, got %d)", want, n)
	case n > want:
		return failf(kindValue, "too many values to unpack (expected %d)", want)
	}
	return nil
}

func (c *state) unpack(t tupleTarget, v any, sc *scope) error {
	it, err := c.iterate(v)
	if err != nil {
		return failf(kindType, "cannot unpack non-iterable %s object", typeName(v))
	}
	items := make([]any, 0, len(t))
	for {
		x, ok, err := it()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if items = append(items, x); len(items) > len(t) {
			break
		}
	}
	if err := wantValues(len(items), len(t)); err != nil {
		return err
	}
	for i, t := range t {
		if err := c.assign(t, items[i], sc); err != nil {
			return err
		}
	}
	return nil
}
