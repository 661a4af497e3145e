package jinja

import (
	"slices"
	"strings"
)

// args are the evaluated arguments of a call.
type args struct {
	pos []any
	kw  []kwarg
}

type kwarg struct {
	name string
	val  any
}

func (a args) noKeywords(fn string) error {
	if len(a.kw) > 0 {
		return failf(kindType, "%s() takes no keyword arguments", fn)
	}
	return nil
}

// bind matches the arguments with a function's parameters, as Python does. Names of optional parameters end in "?"; they
// are missing in the result when no argument names them.
func (a args) bind(fn string, params ...string) ([]any, error) {
	if len(a.pos) > len(params) {
		return nil, failf(kindType, "%s() takes at most %d arguments (%d given)", fn, len(params), len(a.pos))
	}
	out := make([]any, len(params))
	for i := range out {
		out[i] = missing
	}
	copy(out, a.pos)
	for _, k := range a.kw {
		i := slices.IndexFunc(params, func(p string) bool { return strings.TrimSuffix(p, "?") == k.name })
		switch {
		case i < 0:
			return nil, failf(kindType, "%s() got an unexpected keyword argument %s", fn, quoted(k.name))
		case out[i] != missing:
			return nil, failf(kindType, "%s() got multiple values for argument %s", fn, quoted(k.name))
		}
		out[i] = k.val
	}
	for i, p := range params {
		if out[i] == missing && !strings.HasSuffix(p, "?") {
			return nil, failf(kindType, "%s() missing 1 required positional argument: '%s'", fn, p)
		}
	}
	return out, nil
}

// orElse returns v, or a default when v is missing.
func orElse(v, otherwise any) any {
	if v == missing {
		return otherwise
	}
	return v
}

// intArg returns an integer argument, or the default when it is missing.
func intArg(v any, otherwise int64) (int64, error) {
	if v == missing {
		return otherwise, nil
	}
	i, ok := asInt(v)
	if !ok {
		return 0, failf(kindType, "'%s' object cannot be interpreted as an integer", typeName(v))
	}
	return i, nil
}

// strArg returns a string argument, or the default when it is missing.
func strArg(v any, otherwise string) (string, error) {
	if v == missing {
		return otherwise, nil
	}
	s, ok := asStr(v)
	if !ok {
		return "", failf(kindType, "expected str, got %s", typeName(v))
	}
	return s, nil
}

// evalArgs evaluates the arguments of a call.
func (c *state) evalArgs(ca *callArgs, sc *scope) (args, error) {
	var a args
	// A step has paid for a few; their number is in the template's hands, and so is how many calls are under way.
	if n := len(ca.pos) + 2*len(ca.kwVals); n > 16 {
		if err := c.allocTimes(3*valueSize, n); err != nil {
			return a, err
		}
	}
	for _, x := range ca.pos {
		v, err := c.eval(x, sc)
		if err != nil {
			return a, err
		}
		a.pos = append(a.pos, v)
	}
	if ca.star != nil {
		v, err := c.eval(ca.star, sc)
		if err != nil {
			return a, err
		}
		items, err := c.collect(v)
		if err != nil {
			if isKind(err, kindType) {
				err = failf(kindType, "Value after * must be an iterable, not %s", typeName(v))
			}
			return a, err
		}
		if err := c.allocTimes(valueSize, len(a.pos)+len(items)); err != nil {
			return a, err
		}
		a.pos = append(a.pos, items...)
	}
	for i, x := range ca.kwVals {
		v, err := c.eval(x, sc)
		if err != nil {
			return a, err
		}
		a.kw = append(a.kw, kwarg{ca.kwNames[i], v})
	}
	if ca.star2 == nil {
		return a, nil
	}
	v, err := c.eval(ca.star2, sc)
	if err != nil {
		return a, err
	}
	d, ok := v.(*Dict)
	if !ok {
		return a, failf(kindType, "argument after ** must be a mapping, not %s", typeName(v))
	}
	for i, k := range d.keys {
		if err := c.step(1 + len(ca.kwNames)/8); err != nil {
			return a, err
		}
		name, ok := asStr(k)
		if !ok {
			return a, failf(kindType, "keywords must be strings")
		}
		if slices.Contains(ca.kwNames, name) {
			return a, failf(kindType, "got multiple values for keyword argument %s", quoted(name))
		}
		if err := c.allocTimes(3*valueSize, 2); err != nil {
			return a, err
		}
		a.kw = append(a.kw, kwarg{name, d.vals[i]})
	}
	return a, nil
}
