package jinja

import "unicode/utf8"

// bounds resolves the start, stop and step of a Python slice, nil where left out, for a sequence of n items. Going down,
// stop may be -1.
func bounds(parts [3]any, n int) (start, stop, step int, err error) {
	var at [3]int64
	var given [3]bool
	for i, p := range parts {
		if p == nil {
			continue
		}
		v, ok := asInt(p)
		if !ok {
			return 0, 0, 0, failf(kindType, "slice indices must be integers or None or have an __index__ method")
		}
		at[i], given[i] = v, true
	}
	if !given[2] {
		at[2] = 1
	}
	if at[2] == 0 {
		return 0, 0, 0, failf(kindValue, "slice step cannot be zero")
	}
	// Steps beyond the length all mean one item.
	step = int(max(min(at[2], int64(n)+1), -int64(n)-1))
	low, high := int64(0), int64(n)
	if step < 0 {
		low, high = -1, int64(n)-1
	}
	clip := func(i int, otherwise int64) int {
		if !given[i] {
			return int(otherwise)
		}
		v := at[i]
		if v < 0 {
			v += int64(n)
		}
		return int(max(low, min(v, high)))
	}
	if step > 0 {
		return clip(0, 0), clip(1, int64(n)), step, nil
	}
	return clip(0, int64(n)-1), clip(1, -1), step, nil
}

// slice is v[start:stop:step].
func (c *state) slice(v any, parts [3]any) (any, error) {
	switch v := v.(type) {
	case *undefined:
		return nil, v.fail()
	case string, markup:
		s, _ := asStr(v)
		s, err := c.sliceStr(s, parts)
		return likeStr(v, s), err
	case *List:
		items, err := c.sliceItems(v.items, parts)
		return &List{items}, err
	case *tuple:
		items, err := c.sliceItems(v.items, parts)
		return &tuple{items: items}, err
	case *rangeVal:
		start, stop, step, err := bounds(parts, v.len())
		return &rangeVal{v.start + int64(start)*v.step, v.start + int64(stop)*v.step, v.step * int64(step)}, err
	case *Dict:
		return nil, failf(kindType, "unhashable type: 'slice'")
	}
	return nil, failf(kindType, "'%s' object is not subscriptable", typeName(v))
}

func (c *state) sliceItems(items []any, parts [3]any) ([]any, error) {
	start, stop, step, err := bounds(parts, len(items))
	if err != nil {
		return nil, err
	}
	if step == 1 {
		// Lists never change, so a slice may share its items.
		return items[start:max(start, stop):max(start, stop)], nil
	}
	g := gatherer{b: &c.budget}
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		if err := g.add(items[i]); err != nil {
			return nil, err
		}
	}
	return g.items, nil
}

func (c *state) sliceStr(s string, parts [3]any) (string, error) {
	if err := c.work(len(s)); err != nil {
		return "", err
	}
	if isASCII(s) {
		start, stop, step, err := bounds(parts, len(s))
		if err != nil {
			return "", err
		}
		if step == 1 {
			return s[start:max(start, stop)], nil
		}
	}
	if err := c.alloc(5 * len(s)); err != nil {
		return "", err
	}
	runes := []rune(s)
	start, stop, step, err := bounds(parts, len(runes))
	if err != nil {
		return "", err
	}
	b := make([]byte, 0, len(s))
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		b = utf8.AppendRune(b, runes[i])
	}
	return string(b), nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
