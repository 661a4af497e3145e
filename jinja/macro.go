package jinja

import "slices"

// macro is a macro, or the block of a call, with the scope it was defined in.
type macro struct {
	*macroDef
	scope *scope
}

// callMacro runs a macro and returns its output.
func (c *state) callMacro(m *macro, a args) (any, error) {
	if c.calls++; c.calls > maxCalls {
		c.calls--
		return nil, failf(kindLimit, "calls nested more than %d deep", maxCalls)
	}
	defer func() { c.calls-- }()
	in, err := c.open(m.syms, m.scope)
	if err != nil {
		return nil, err
	}
	defer c.close(in)
	if err := c.bindMacro(m, a, in); err != nil {
		return nil, err
	}
	var b buffer
	_, err = c.exec(m.body, in, &b)
	return b.String(), err
}

// bindMacro sets the macro's parameters and special variables.
func (c *state) bindMacro(m *macro, a args, in *scope) error {
	// Each parameter looks through the keywords.
	if err := c.step(len(m.params) * (1 + len(a.kw)) / 8); err != nil {
		return err
	}
	kw := slices.Clone(a.kw)
	take := func(name string) any {
		for i, k := range kw {
			if k.name == name {
				kw = slices.Delete(kw, i, i+1)
				return k.val
			}
		}
		return missing
	}
	explicit := slices.Contains(m.params, "caller")
	foundCaller := explicit && len(a.pos) >= len(m.params)
	for i, name := range m.params {
		var v any
		if i < len(a.pos) {
			v = a.pos[i]
		} else {
			v = take(name)
			foundCaller = foundCaller || name == "caller"
		}
		in.vars[name] = v
	}
	if m.caller && !foundCaller && !explicit {
		v := take("caller")
		if v == missing || v == nil {
			v = &undefined{hint: "No caller defined", obj: missing, name: "caller"}
		}
		in.vars["caller"] = v
	}
	switch {
	case m.kwargs:
		d, err := c.newDict()
		if err != nil {
			return err
		}
		for _, k := range kw {
			if err := c.put(d, k.name, k.name, k.val); err != nil {
				return err
			}
		}
		in.vars["kwargs"] = d
	case len(kw) > 0 && slices.ContainsFunc(kw, func(k kwarg) bool { return k.name == "caller" }):
		return failf(kindType, "macro %s was invoked with two values for the special caller argument. This is most likely a bug.", m.repr())
	case len(kw) > 0:
		return failf(kindType, "macro %s takes no keyword argument %s", m.repr(), quoted(kw[0].name))
	}
	extra := a.pos[min(len(a.pos), len(m.params)):]
	if m.varargs {
		in.vars["varargs"] = &tuple{items: extra}
	} else if len(extra) > 0 {
		return failf(kindType, "macro %s takes not more than %d argument(s)", m.repr(), len(m.params))
	}
	return c.macroDefaults(m, in)
}

// macroDefaults gives the parameters that got no argument their default, evaluated inside the macro.
func (c *state) macroDefaults(m *macro, in *scope) error {
	first := len(m.params) - len(m.defaults)
	for i, name := range m.params {
		if in.vars[name] != missing {
			continue
		}
		if i < first {
			in.vars[name] = &undefined{hint: "parameter " + quoted(name) + " was not provided", obj: missing, name: name}
			continue
		}
		v, err := c.eval(m.defaults[i-first], in)
		if err != nil {
			return err
		}
		in.vars[name] = v
	}
	return nil
}

// repr is the macro's name as messages print it.
func (m *macro) repr() string {
	if m.name == "" {
		return "None"
	}
	return quoted(m.name)
}

func (m *macro) attr(name string) any {
	switch name {
	case "name":
		if m.name == "" {
			return nil
		}
		return m.name
	case "arguments":
		t := &tuple{}
		for _, p := range m.params {
			t.items = append(t.items, p)
		}
		return t
	case "catch_kwargs":
		return m.kwargs
	case "catch_varargs":
		return m.varargs
	case "caller":
		return m.caller
	}
	return missing
}
