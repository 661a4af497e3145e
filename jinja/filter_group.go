package jinja

import "slices"

func filterGroupBy(c *state, v any, a args) (any, error) {
	p, err := a.bind("groupby", "attribute", "default?", "case_sensitive?")
	if err != nil {
		return nil, err
	}
	get, err := c.getter(p[0], orElse(p[1], nil))
	if err != nil {
		return nil, err
	}
	key := c.folded(get, truth(orElse(p[2], false)))
	items, err := c.collect(v)
	if err == nil {
		items, err = c.sorted(items, key, false)
	}
	if err != nil {
		return nil, err
	}
	var groups []any
	var last any
	for _, x := range items {
		k, err := key(x)
		if err != nil {
			return nil, err
		}
		same := false
		if groups != nil {
			if same, err = c.equal(last, k); err != nil {
				return nil, err
			}
		}
		if !same {
			// The group goes by its first item's key as it is written there.
			name, err := get(x)
			if err != nil {
				return nil, err
			}
			if err := c.alloc(2*pairSize + 3*valueSize); err != nil {
				return nil, err
			}
			groups = append(groups, &tuple{items: []any{name, &List{}}, group: true})
		}
		last = k
		g, _ := groups[len(groups)-1].(*tuple)
		l, _ := g.items[1].(*List)
		if err := c.alloc(3 * valueSize); err != nil {
			return nil, err
		}
		l.items = append(l.items, x)
	}
	return &List{groups}, nil
}

func filterBatch(c *state, v any, a args) (any, error) {
	p, err := a.bind("batch", "linecount", "fill_with?")
	if err != nil {
		return nil, err
	}
	return lazily(func() (next, error) {
		n, err := intArg(p[0], 0)
		if err != nil {
			return nil, err
		}
		it, err := c.iterate(v)
		b := batcher{c: c, it: it, n: n, fill: orElse(p[1], nil)}
		return b.next, err
	}), nil
}

// batcher yields lists of n items each.
type batcher struct {
	c     *state
	it    next
	n     int64
	fill  any   // of the last list, unless nil
	ahead []any // the first item of the next list
}

func (b *batcher) next() (any, bool, error) {
	batch := b.ahead
	b.ahead = nil
	for {
		x, ok, err := b.it()
		if err != nil {
			return nil, false, err
		}
		if !ok {
			break
		}
		if err := b.c.alloc(3 * valueSize); err != nil {
			return nil, false, err
		}
		// As in Jinja, a count of zero gives an empty list first.
		if int64(len(batch)) == b.n {
			b.ahead = []any{x}
			return &List{batch}, true, nil
		}
		batch = append(batch, x)
	}
	if len(batch) == 0 {
		return nil, false, nil
	}
	if lack := b.n - int64(len(batch)); b.fill != nil && lack > 0 {
		if err := b.c.allocTimes(valueSize, clampInt(lack)); err != nil {
			return nil, false, err
		}
		batch = append(batch, slices.Repeat([]any{b.fill}, clampInt(lack))...)
	}
	return &List{batch}, true, nil
}

func filterSlice(c *state, v any, a args) (any, error) {
	p, err := a.bind("slice", "slices", "fill_with?")
	if err != nil {
		return nil, err
	}
	return lazily(func() (next, error) {
		items, err := c.collect(v)
		if err != nil {
			return nil, err
		}
		n, err := intArg(p[0], 0)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, failf(kindZero, "integer division or modulo by zero")
		}
		return c.slices(items, n, orElse(p[1], nil)), nil
	}), nil
}

// slices yields n lists of about equal length. Those that are one shorter end in fill, unless it is nil.
func (c *state) slices(items []any, n int64, fill any) next {
	total := int64(len(items))
	i, at := int64(0), int64(0)
	return func() (any, bool, error) {
		if i >= n {
			return nil, false, nil
		}
		size := total / n
		if i < total%n {
			size++
		}
		if err := c.allocTimes(valueSize, int(size)+4); err != nil {
			return nil, false, err
		}
		part := items[at : at+size : at+size]
		if fill != nil && i >= total%n {
			part = append(part, fill)
		}
		i++
		at += size
		return &List{part}, true, nil
	}
}
