package jinja

import "unicode/utf8"

// next yields the items of an iterable; false at the end.
type next func() (any, bool, error)

// generator is an iterator that can be gone through once, as many filters return. It is always true and has no length.
type generator struct {
	next next
	kind string // its type's name
}

func newGenerator(f next) *generator { return &generator{f, "generator"} }

// lazily is a generator that starts, and may fail, when it is asked for its first item.
func lazily(start func() (next, error)) *generator {
	var it next
	return newGenerator(func() (any, bool, error) {
		if it == nil {
			f, err := start()
			if err != nil {
				return nil, false, err
			}
			it = f
		}
		return it()
	})
}

// iterate returns an iterator over v, or a TypeError when v has no items. Each item is a step.
func (c *state) iterate(v any) (next, error) {
	switch v := v.(type) {
	case *List:
		return c.over(len(v.items), func(i int) any { return v.items[i] }), nil
	case *tuple:
		return c.over(len(v.items), func(i int) any { return v.items[i] }), nil
	case *Dict:
		return c.over(len(v.keys), func(i int) any { return v.keys[i] }), nil
	case *dictView:
		it := c.over(v.d.Len(), v.at)
		if v.kind != "dict_items" {
			return it, nil
		}
		return func() (any, bool, error) {
			if err := c.alloc(pairSize); err != nil {
				return nil, false, err
			}
			return it()
		}, nil
	case *rangeVal:
		return c.over(v.len(), v.at), nil
	case *undefined:
		return c.over(0, nil), nil
	case string, markup:
		s, _ := asStr(v)
		return func() (any, bool, error) {
			if s == "" {
				return nil, false, nil
			}
			_, n := utf8.DecodeRuneInString(s)
			r := s[:n]
			s = s[n:]
			return r, true, c.step(1)
		}, nil
	case *generator:
		return func() (any, bool, error) {
			// Generators over generators recurse.
			if err := c.enter(); err != nil {
				return nil, false, err
			}
			defer c.leave()
			if err := c.step(1); err != nil {
				return nil, false, err
			}
			return v.next()
		}, nil
	}
	return nil, failf(kindType, "'%s' object is not iterable", typeName(v))
}

func (c *state) over(n int, at func(int) any) next {
	i := -1
	return func() (any, bool, error) {
		if i++; i >= n {
			return nil, false, nil
		}
		return at(i), true, c.step(1)
	}
}

// each calls f for the items of v.
func (c *state) each(v any, f func(any) error) error {
	it, err := c.iterate(v)
	if err != nil {
		return err
	}
	for {
		x, ok, err := it()
		if err != nil || !ok {
			return err
		}
		if err := f(x); err != nil {
			return err
		}
	}
}

// collect returns the items of v in a new slice.
func (c *state) collect(v any) ([]any, error) {
	g := gatherer{b: &c.budget}
	err := c.each(v, g.add)
	return g.items, err
}

// length is Python's len(v).
func length(v any) (int64, error) {
	switch v := v.(type) {
	case string:
		return int64(utf8.RuneCountInString(v)), nil
	case markup:
		return int64(utf8.RuneCountInString(string(v))), nil
	case *List:
		return int64(len(v.items)), nil
	case *tuple:
		return int64(len(v.items)), nil
	case *Dict:
		return int64(v.Len()), nil
	case *dictView:
		return int64(v.d.Len()), nil
	case *rangeVal:
		return int64(v.len()), nil
	case *undefined:
		return 0, nil
	case *loopVal:
		n, err := v.length()
		return int64(n), err
	}
	return 0, failf(kindType, "object of type '%s' has no len()", typeName(v))
}

// reversed returns an iterator from the last item of v to the first, or nil when v's type knows no such order.
func (c *state) reversed(v any) *generator {
	back := func(n int, at func(int) any) next {
		return c.over(n, func(i int) any { return at(n - 1 - i) })
	}
	switch v := v.(type) {
	case *List:
		return &generator{back(len(v.items), func(i int) any { return v.items[i] }), "list_reverseiterator"}
	case *tuple:
		return &generator{back(len(v.items), func(i int) any { return v.items[i] }), "reversed"}
	case *Dict:
		return &generator{back(len(v.keys), func(i int) any { return v.keys[i] }), "dict_reversekeyiterator"}
	case *dictView:
		return &generator{back(v.d.Len(), v.at), "dict_reverseiterator"}
	case *rangeVal:
		return &generator{back(v.len(), v.at), "range_iterator"}
	case *undefined:
		return &generator{back(0, nil), "reversed"}
	case string, markup:
		s, _ := asStr(v)
		return &generator{func() (any, bool, error) {
			if s == "" {
				return nil, false, nil
			}
			_, n := utf8.DecodeLastRuneInString(s)
			r := s[len(s)-n:]
			s = s[:len(s)-n]
			return r, true, c.step(1)
		}, "reversed"}
	}
	return nil
}
