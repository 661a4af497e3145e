package jinja

import (
	"math/big"
	"strconv"
)

// str is Python's str(v).
func (c *state) str(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case markup:
		return string(v), nil
	case *undefined:
		return "", nil
	}
	return c.repr(v)
}

// repr is Python's repr(v).
func (c *state) repr(v any) (string, error) {
	p := printer{c: c}
	if err := p.repr(v, 0); err != nil {
		return "", err
	}
	return p.b.String(), nil
}

type printer struct {
	c *state
	b buffer
}

func (p *printer) put(s ...string) error {
	for _, s := range s {
		if err := p.c.write(&p.b, s); err != nil {
			return err
		}
	}
	return nil
}

// escaped puts a text with some of its characters escaped, each as at most 12 bytes.
func (p *printer) escaped(s string, plain func(rune) bool, escape func(string) string) error {
	n := 0
	for _, r := range s {
		if !plain(r) {
			n++
		}
	}
	// It is built by appending, then put.
	err := p.c.alloc(2*len(s) + 24*n)
	if err == nil {
		err = p.c.step(len(s)/4 + n)
	}
	if err != nil {
		return err
	}
	return p.put(escape(s))
}

func (p *printer) repr(v any, depth int) error {
	if depth > maxDepth {
		return failf(kindLimit, "values nested more than %d deep", maxDepth)
	}
	switch v := v.(type) {
	case nil:
		return p.put("None")
	case bool:
		return p.put(boolName(v))
	case int64:
		return p.put(strconv.FormatInt(v, 10))
	case *big.Int:
		if err := p.c.step(v.BitLen() / 4); err != nil {
			return err
		}
		return p.put(v.String())
	case float64:
		return p.put(formatFloat(v))
	case string:
		return p.escaped(v, isPrintable, quote)
	case markup:
		if err := p.put("Markup("); err != nil {
			return err
		}
		if err := p.repr(string(v), depth); err != nil {
			return err
		}
		return p.put(")")
	case *List:
		return p.items("[", v.items, "]", depth)
	case *tuple:
		if len(v.items) == 1 {
			return p.items("(", v.items, ",)", depth)
		}
		return p.items("(", v.items, ")", depth)
	case *Dict:
		return p.dict(v, depth)
	case *dictView:
		if err := p.c.allocTimes(valueSize+pairSize, v.d.Len()); err != nil {
			return err
		}
		items := make([]any, v.d.Len())
		for i := range items {
			items[i] = v.at(i)
		}
		return p.items(v.kind+"([", items, "])", depth)
	case *undefined:
		return p.put("Undefined")
	case *namespace:
		if err := p.put("<Namespace "); err != nil {
			return err
		}
		if err := p.dict(v.attrs, depth+1); err != nil {
			return err
		}
		return p.put(">")
	case *rangeVal:
		return p.put(v.String())
	case *macro:
		if v.name == "" {
			return p.put("<Macro anonymous>")
		}
		return p.put("<Macro ", quote(v.name), ">")
	case *loopVal:
		n, err := v.length()
		if err != nil {
			return err
		}
		return p.put("<LoopContext ", strconv.Itoa(v.index0+1), "/", strconv.Itoa(n), ">")
	case *builtin:
		return p.put("<function ", v.name, ">")
	}
	return p.put("<", typeName(v), " object>")
}

func (p *printer) items(open string, items []any, end string, depth int) error {
	if err := p.put(open); err != nil {
		return err
	}
	for i, v := range items {
		if i > 0 {
			if err := p.put(", "); err != nil {
				return err
			}
		}
		if err := p.repr(v, depth+1); err != nil {
			return err
		}
	}
	return p.put(end)
}

func (p *printer) dict(d *Dict, depth int) error {
	if err := p.put("{"); err != nil {
		return err
	}
	for i, k := range d.keys {
		if i > 0 {
			if err := p.put(", "); err != nil {
				return err
			}
		}
		if err := p.repr(k, depth+1); err != nil {
			return err
		}
		if err := p.put(": "); err != nil {
			return err
		}
		if err := p.repr(d.vals[i], depth+1); err != nil {
			return err
		}
	}
	return p.put("}")
}
