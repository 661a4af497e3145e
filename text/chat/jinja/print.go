package jinja

import (
	"math/big"
	"strconv"
	"strings"
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
	b strings.Builder
}

func (p *printer) put(s ...string) error {
	for _, s := range s {
		if err := p.c.alloc(len(s)); err != nil {
			return err
		}
		p.b.WriteString(s)
	}
	return p.c.step(1)
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
		return p.put(v.String())
	case float64:
		return p.put(formatFloat(v))
	case string:
		if err := p.c.alloc(len(v)); err != nil {
			return err
		}
		return p.put(quote(v))
	case markup:
		if err := p.c.alloc(len(v)); err != nil {
			return err
		}
		return p.put("Markup(", quote(string(v)), ")")
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
		items := make([]any, v.d.Len())
		if err := p.c.allocTimes(2*valueSize, len(items)); err != nil {
			return err
		}
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
