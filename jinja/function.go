package jinja

import (
	"fmt"
	"math"
	"strings"
)

// globals are the functions that every template can call. They never change.
var globals = map[string]any{
	"range":           &builtin{"range", newRange},
	"dict":            &builtin{"dict", newDict},
	"namespace":       &builtin{"namespace", newNamespace},
	"cycler":          &builtin{"cycler", newCycler},
	"joiner":          &builtin{"joiner", newJoiner},
	"raise_exception": &builtin{"raise_exception", raise},
	"strftime_now":    &builtin{"strftime_now", strftimeNow},
}

func raise(c *state, a args) (any, error) {
	v, err := a.bind("raise_exception", "message")
	if err != nil {
		return nil, err
	}
	s, err := c.str(v[0])
	if err != nil {
		return nil, err
	}
	return nil, &RaisedError{Message: brief(s)}
}

func strftimeNow(c *state, a args) (any, error) {
	v, err := a.bind("strftime_now", "format")
	if err != nil {
		return nil, err
	}
	layout, err := strArg(v[0], "")
	if err != nil {
		return nil, err
	}
	// No directive gives more than 64 bytes, nor takes more than a few steps.
	err = c.allocTimes(64, len(layout))
	if err == nil {
		err = c.step(4 * len(layout))
	}
	if err != nil {
		return nil, err
	}
	return strftime(c.now(), layout), nil
}

// maxRange is the sandbox's bound on the items of a range.
const maxRange = 100000

// rangeVal is a Python range.
type rangeVal struct{ start, stop, step int64 }

func newRange(_ *state, a args) (any, error) {
	if err := a.noKeywords("range"); err != nil {
		return nil, err
	}
	v, err := a.bind("range", "start", "stop?", "step?")
	if err != nil {
		return nil, err
	}
	at := [3]int64{}
	for i := range v {
		if at[i], err = intArg(v[i], 1); err != nil {
			return nil, err
		}
		if at[i] > math.MaxInt64/4 || at[i] < math.MinInt64/4 {
			return nil, failf(kindOverflow, "range() argument out of bounds")
		}
	}
	r := &rangeVal{at[0], at[1], at[2]}
	if v[1] == missing {
		r.start, r.stop = 0, at[0]
	}
	if r.step == 0 {
		return nil, failf(kindValue, "range() arg 3 must not be zero")
	}
	if r.len() > maxRange {
		return nil, failf(kindOverflow, "Range too big. The sandbox blocks ranges larger than MAX_RANGE (%d).", maxRange)
	}
	return r, nil
}

func (r *rangeVal) len() int {
	switch {
	case r.step > 0 && r.start < r.stop:
		return int((r.stop - r.start + r.step - 1) / r.step)
	case r.step < 0 && r.start > r.stop:
		return int((r.start - r.stop - r.step - 1) / -r.step)
	}
	return 0
}

func (r *rangeVal) at(i int) any { return r.start + int64(i)*r.step }

func (r *rangeVal) contains(v int64) bool {
	if r.step > 0 {
		return v >= r.start && v < r.stop && (v-r.start)%r.step == 0
	}
	return v <= r.start && v > r.stop && (r.start-v)%-r.step == 0
}

func (r *rangeVal) equal(o *rangeVal) bool {
	n := r.len()
	return n == o.len() && (n == 0 || r.start == o.start && (n == 1 || r.step == o.step))
}

func (r *rangeVal) String() string {
	if r.step == 1 {
		return fmt.Sprintf("range(%d, %d)", r.start, r.stop)
	}
	return fmt.Sprintf("range(%d, %d, %d)", r.start, r.stop, r.step)
}

func (r *rangeVal) attr(name string) any {
	switch name {
	case "start":
		return r.start
	case "stop":
		return r.stop
	case "step":
		return r.step
	case "count", "index":
		return &builtin{name, func(_ *state, a args) (any, error) {
			v, err := a.bind(name, "value")
			if err != nil {
				return nil, err
			}
			i, ok := asInt(v[0])
			ok = ok && r.contains(i)
			switch {
			case name == "index" && ok:
				return (i - r.start) / r.step, nil
			case name == "index":
				return nil, failf(kindValue, "%s is not in range", briefRepr(v[0]))
			case ok:
				return int64(1), nil
			}
			return int64(0), nil
		}}
	}
	return missing
}

// newDict is dict(mapping or pairs, **items).
func newDict(c *state, a args) (any, error) {
	d, err := c.newDict()
	if err != nil {
		return nil, err
	}
	n := 0
	if len(a.pos) > 1 {
		return nil, failf(kindType, "dict expected at most 1 argument, got %d", len(a.pos))
	}
	put := func(k, v any) error {
		h, err := c.hashKey(k)
		if err != nil {
			return err
		}
		return c.put(d, h, k, v)
	}
	if len(a.pos) == 1 {
		if src, ok := a.pos[0].(*Dict); ok {
			for i, k := range src.keys {
				if err := put(k, src.vals[i]); err != nil {
					return nil, err
				}
			}
		} else if err := c.each(a.pos[0], func(x any) error {
			n++
			pair, err := c.collect(x)
			switch {
			case isKind(err, kindType):
				return failf(kindType, "cannot convert dictionary update sequence element #%d to a sequence", n-1)
			case err != nil:
				return err
			case len(pair) != 2:
				return failf(kindValue, "dictionary update sequence element #%d has length %d; 2 is required", n-1, len(pair))
			}
			return put(pair[0], pair[1])
		}); err != nil {
			return nil, err
		}
	}
	for _, k := range a.kw {
		if err := put(k.name, k.val); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func newNamespace(c *state, a args) (any, error) {
	v, err := newDict(c, a)
	if err != nil {
		return nil, err
	}
	d, _ := v.(*Dict)
	if err := c.step(d.Len()); err != nil {
		return nil, err
	}
	for k := range d.All() {
		if err := checkNamespaceKey(k); err != nil {
			return nil, err
		}
	}
	return &namespace{d}, nil
}

// checkNamespaceKey turns down the names that the reference's namespaces do.
func checkNamespaceKey(name string) error {
	if strings.HasPrefix(name, "_") {
		return failf(kindSecurity, "Chat templates cannot store underscore-prefixed attributes on a namespace, but got %s. "+
			"Please rename the attribute.", quoted(name))
	}
	return nil
}

func (n *namespace) set(c *state, name string, v any) error {
	if err := checkNamespaceKey(name); err != nil {
		return err
	}
	return c.put(n.attrs, name, name, v)
}

// cycler goes round its items.
type cycler struct {
	items []any
	pos   int
}

func newCycler(_ *state, a args) (any, error) {
	if err := a.noKeywords("cycler"); err != nil {
		return nil, err
	}
	if len(a.pos) == 0 {
		return nil, failf("RuntimeError", "at least one item has to be provided")
	}
	return &cycler{items: a.pos}, nil
}

func (cy *cycler) attr(name string) any {
	switch name {
	case "items":
		return &tuple{items: cy.items}
	case "pos":
		return int64(cy.pos)
	case "current":
		return cy.items[cy.pos]
	case "next":
		return &builtin{name, func(_ *state, a args) (any, error) {
			v := cy.items[cy.pos]
			cy.pos = (cy.pos + 1) % len(cy.items)
			_, err := a.bind(name)
			return v, err
		}}
	case "reset":
		return &builtin{name, func(_ *state, a args) (any, error) {
			cy.pos = 0
			_, err := a.bind(name)
			return nil, err
		}}
	}
	return missing
}

// joiner returns nothing at its first call and the separator from then on.
type joiner struct {
	sep  any
	used bool
}

func newJoiner(_ *state, a args) (any, error) {
	v, err := a.bind("joiner", "sep?")
	if err != nil {
		return nil, err
	}
	return &joiner{sep: orElse(v[0], ", ")}, nil
}

func (j *joiner) call(a args) (any, error) {
	if _, err := a.bind("joiner"); err != nil {
		return nil, err
	}
	if !j.used {
		j.used = true
		return "", nil
	}
	return j.sep, nil
}
