package jinja

import (
	"slices"
	"strings"
)

func filterList(c *state, v any, a args) (any, error) {
	if _, err := a.bind("list"); err != nil {
		return nil, err
	}
	items, err := c.collect(v)
	return &List{items}, err
}

func filterItems(c *state, v any, a args) (any, error) {
	if _, err := a.bind("items"); err != nil {
		return nil, err
	}
	return lazily(func() (next, error) {
		switch d := v.(type) {
		case *Dict:
			return c.iterate(&dictView{d, "dict_items"})
		case *undefined:
			return c.over(0, nil), nil
		}
		return nil, failf(kindType, "Can only get item pairs from a mapping.")
	}), nil
}

func filterFirst(c *state, v any, a args) (any, error) {
	if _, err := a.bind("first"); err != nil {
		return nil, err
	}
	it, err := c.iterate(v)
	if err != nil {
		return nil, err
	}
	x, ok, err := it()
	if err == nil && !ok {
		x = undefinedHint("No first item, sequence was empty.")
	}
	return x, err
}

func filterLast(c *state, v any, a args) (any, error) {
	if _, err := a.bind("last"); err != nil {
		return nil, err
	}
	g := c.reversed(v)
	if g == nil {
		return nil, failf(kindType, "'%s' object is not reversible", typeName(v))
	}
	x, ok, err := g.next()
	if err == nil && !ok {
		x = undefinedHint("No last item, sequence was empty.")
	}
	return x, err
}

func filterReverse(c *state, v any, a args) (any, error) {
	if _, err := a.bind("reverse"); err != nil {
		return nil, err
	}
	switch v.(type) {
	case string, markup:
		return c.slice(v, [3]any{nil, nil, int64(-1)})
	}
	if g := c.reversed(v); g != nil {
		return g, nil
	}
	items, err := c.collect(v)
	if err != nil {
		if isKind(err, kindType) {
			err = failf(kindFilter, "argument must be iterable")
		}
		return nil, err
	}
	slices.Reverse(items)
	return &List{items}, nil
}

func filterJoin(c *state, v any, a args) (any, error) {
	p, err := a.bind("join", "d?", "attribute?")
	if err != nil {
		return nil, err
	}
	sep, err := c.str(orElse(p[0], ""))
	if err != nil {
		return nil, err
	}
	get, err := c.getter(p[1], nil)
	if err != nil {
		return nil, err
	}
	var b buffer
	first := true
	err = c.each(v, func(x any) error {
		if !first {
			if err := c.write(&b, sep); err != nil {
				return err
			}
		}
		first = false
		x, err := get(x)
		if err != nil {
			return err
		}
		return c.print(&b, x)
	})
	return b.String(), err
}

func filterSort(c *state, v any, a args) (any, error) {
	p, err := a.bind("sort", "reverse?", "case_sensitive?", "attribute?")
	if err != nil {
		return nil, err
	}
	// A text names several attributes with commas between.
	paths := []any{p[2]}
	if s, ok := asStr(p[2]); ok {
		if err := c.allocTimes(2*valueSize, strings.Count(s, ",")+1); err != nil {
			return nil, err
		}
		paths = nil
		for _, path := range strings.Split(s, ",") {
			paths = append(paths, path)
		}
	}
	gets := make([]func(any) (any, error), len(paths))
	for i, path := range paths {
		get, err := c.getter(path, nil)
		if err != nil {
			return nil, err
		}
		gets[i] = c.folded(get, truth(orElse(p[1], false)))
	}
	items, err := c.collect(v)
	if err != nil {
		return nil, err
	}
	items, err = c.sorted(items, func(x any) (any, error) {
		keys := make([]any, len(gets))
		if err := c.allocTimes(valueSize, len(gets)); err != nil {
			return nil, err
		}
		for i, get := range gets {
			k, err := get(x)
			if err != nil {
				return nil, err
			}
			keys[i] = k
		}
		return &List{keys}, nil
	}, truth(orElse(p[0], false)))
	return &List{items}, err
}

func filterDictSort(c *state, v any, a args) (any, error) {
	p, err := a.bind("dictsort", "case_sensitive?", "by?", "reverse?")
	if err != nil {
		return nil, err
	}
	pos := int64(0)
	switch by, _ := asStr(orElse(p[1], "key")); by {
	case "key":
	case "value":
		pos = 1
	default:
		return nil, failf(kindFilter, `You can only sort by either "key" or "value"`)
	}
	if u, ok := v.(*undefined); ok {
		return nil, u.fail()
	}
	d, ok := v.(*Dict)
	if !ok {
		return nil, failf("AttributeError", "'%s' object has no attribute 'items'", typeName(v))
	}
	items, err := c.collect(&dictView{d, "dict_items"})
	if err != nil {
		return nil, err
	}
	get, err := c.getter(pos, nil)
	if err != nil {
		return nil, err
	}
	items, err = c.sorted(items, c.folded(get, truth(orElse(p[0], false))), truth(orElse(p[2], false)))
	return &List{items}, err
}

func filterUnique(c *state, v any, a args) (any, error) {
	p, err := a.bind("unique", "case_sensitive?", "attribute?")
	if err != nil {
		return nil, err
	}
	return lazily(func() (next, error) {
		get, err := c.getter(p[1], nil)
		if err != nil {
			return nil, err
		}
		get = c.folded(get, truth(orElse(p[0], false)))
		it, err := c.iterate(v)
		seen := map[any]bool{}
		return func() (any, bool, error) {
			for {
				x, ok, err := it()
				if err != nil || !ok {
					return nil, false, err
				}
				k, err := get(x)
				if err != nil {
					return nil, false, err
				}
				h, err := c.hashKey(k)
				if err != nil {
					return nil, false, err
				}
				if !seen[h] {
					seen[h] = true
					return x, true, c.alloc(entrySize)
				}
			}
		}, err
	}), nil
}

func extremeFilter(name, op string) filterFunc {
	return func(c *state, v any, a args) (any, error) {
		p, err := a.bind(name, "case_sensitive?", "attribute?")
		if err != nil {
			return nil, err
		}
		get, err := c.getter(p[1], nil)
		if err != nil {
			return nil, err
		}
		get = c.folded(get, truth(orElse(p[0], false)))
		best, bestKey := missing, missing
		err = c.each(v, func(x any) error {
			k, err := get(x)
			if err != nil {
				return err
			}
			if best != missing {
				if better, err := c.order(op, k, bestKey, 0); !better || err != nil {
					return err
				}
			}
			best, bestKey = x, k
			return nil
		})
		if err == nil && best == missing {
			best = undefinedHint("No aggregated item, sequence was empty.")
		}
		return best, err
	}
}

func filterSum(c *state, v any, a args) (any, error) {
	p, err := a.bind("sum", "attribute?", "start?")
	if err != nil {
		return nil, err
	}
	get, err := c.getter(p[0], nil)
	if err != nil {
		return nil, err
	}
	total := orElse(p[1], int64(0))
	if _, ok := asStr(total); ok {
		return nil, failf(kindType, "sum() can't sum strings [use ''.join(seq) instead]")
	}
	err = c.each(v, func(x any) error {
		x, err := get(x)
		if err != nil {
			return err
		}
		total, err = c.binaryOp("+", total, x)
		return err
	})
	return total, err
}
