package jinja

import "slices"

// sorted sorts items by a key as Python does: stable, with < alone, and with reverse still stable. Items are sorted in
// place.
func (c *state) sorted(items []any, key func(any) (any, error), reverse bool) ([]any, error) {
	if err := c.allocTimes(4*valueSize, len(items)); err != nil {
		return nil, err
	}
	m := merger{c: c, a: make([]keyed, len(items)), b: make([]keyed, len(items))}
	for i, v := range items {
		k, err := key(v)
		if err != nil {
			return nil, err
		}
		m.a[i] = keyed{k, v}
	}
	if reverse {
		slices.Reverse(m.a)
	}
	if err := m.sort(0, len(items)); err != nil {
		return nil, err
	}
	if reverse {
		slices.Reverse(m.a)
	}
	for i, p := range m.a {
		items[i] = p.item
	}
	return items, nil
}

type keyed struct{ key, item any }

// merger sorts a by merging its halves. Unlike the library's, it ends at the first comparison that fails.
type merger struct {
	c    *state
	a, b []keyed
}

func (m *merger) sort(lo, hi int) error {
	if hi-lo < 2 {
		return nil
	}
	mid := lo + (hi-lo)/2
	if err := m.sort(lo, mid); err != nil {
		return err
	}
	if err := m.sort(mid, hi); err != nil {
		return err
	}
	copy(m.b[lo:hi], m.a[lo:hi])
	l, r := m.b[lo:mid], m.b[mid:hi]
	for i := lo; len(l) > 0 && len(r) > 0; i++ {
		right, err := m.c.order("<", r[0].key, l[0].key, 0)
		if err != nil {
			return err
		}
		if right {
			m.a[i], r = r[0], r[1:]
		} else {
			m.a[i], l = l[0], l[1:]
		}
		if len(r) == 0 {
			copy(m.a[hi-len(l):hi], l)
		}
	}
	// What is left of the right half is in its place already.
	return nil
}
