package jinja

import (
	"cmp"
	"math"
	"math/big"
	"strings"
)

// compare is a comparison operator, in and not in included.
func (c *state) compare(op string, l, r any) (bool, error) {
	switch op {
	case "==":
		return c.equal(l, r)
	case "!=":
		ok, err := c.equal(l, r)
		return !ok, err
	case "in":
		return c.contains(r, l)
	case "not in":
		ok, err := c.contains(r, l)
		return !ok, err
	}
	return c.order(op, l, r, 0)
}

// equal is Python's l == r.
func (c *state) equal(l, r any) (bool, error) { return c.equalAt(l, r, 0) }

func (c *state) equalAt(l, r any, depth int) (bool, error) {
	if depth > maxDepth {
		return false, failf(kindLimit, "values nested more than %d deep", maxDepth)
	}
	if err := c.step(1); err != nil {
		return false, err
	}
	if ls, ok := asStr(l); ok {
		rs, ok := asStr(r)
		if !ok || len(ls) != len(rs) {
			return false, nil
		}
		if err := c.work(len(ls) / 4); err != nil { // comparing is fast
			return false, err
		}
		return ls == rs, nil
	}
	if isNumber(l) {
		return isNumber(r) && cmpNumbers(l, r) == 0, c.read(l, r)
	}
	switch l := l.(type) {
	case *List:
		if r, ok := r.(*List); ok {
			return c.equalItems(l.items, r.items, depth)
		}
		return false, nil
	case *tuple:
		if r, ok := r.(*tuple); ok {
			return c.equalItems(l.items, r.items, depth)
		}
		return false, nil
	case *Dict:
		if r, ok := r.(*Dict); ok {
			return c.equalDicts(l, r, depth)
		}
		return false, nil
	case *rangeVal:
		r, ok := r.(*rangeVal)
		return ok && l.equal(r), nil
	case *undefined:
		_, ok := r.(*undefined)
		return ok, nil
	}
	return l == r, nil
}

func (c *state) equalItems(l, r []any, depth int) (bool, error) {
	if len(l) != len(r) {
		return false, nil
	}
	for i := range l {
		if ok, err := c.equalAt(l[i], r[i], depth+1); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (c *state) equalDicts(l, r *Dict, depth int) (bool, error) {
	if l.Len() != r.Len() {
		return false, nil
	}
	for i, k := range l.keys {
		h, err := c.hashKey(k)
		if err != nil {
			return false, err
		}
		v, ok := r.get(h)
		if !ok {
			return false, nil
		}
		if ok, err := c.equalAt(l.vals[i], v, depth+1); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func isNumber(v any) bool {
	switch v.(type) {
	case bool, int64, float64, *big.Int:
		return true
	}
	return false
}

// cmpNumbers compares numbers exactly: -1, 0 or 1, and 2 when one is NaN.
func cmpNumbers(l, r any) int {
	li, lok := asInt(l)
	ri, rok := asInt(r)
	if lok && rok {
		return cmp.Compare(li, ri)
	}
	lf, lIsF := l.(float64)
	rf, rIsF := r.(float64)
	switch {
	case lIsF && math.IsNaN(lf) || rIsF && math.IsNaN(rf):
		return 2
	case lIsF && rIsF:
		return cmp.Compare(lf, rf)
	case lIsF && math.IsInf(lf, 0):
		return int(math.Copysign(1, lf))
	case rIsF && math.IsInf(rf, 0):
		return int(math.Copysign(1, -rf))
	}
	return exact(l).Cmp(exact(r))
}

// exact returns a finite number without loss.
func exact(v any) *big.Float {
	switch v := v.(type) {
	case float64:
		return big.NewFloat(v)
	case *big.Int:
		return new(big.Float).SetInt(v)
	}
	i, _ := asInt(v)
	return new(big.Float).SetInt64(i)
}

// order is one of < <= > >=.
func (c *state) order(op string, l, r any, depth int) (bool, error) {
	if depth > maxDepth {
		return false, failf(kindLimit, "values nested more than %d deep", maxDepth)
	}
	if err := c.step(1); err != nil {
		return false, err
	}
	if u, ok := l.(*undefined); ok {
		return false, u.fail()
	}
	if u, ok := r.(*undefined); ok {
		return false, u.fail()
	}
	if isNumber(l) && isNumber(r) {
		return ordered(op, cmpNumbers(l, r)), c.read(l, r)
	}
	ls, lok := asStr(l)
	rs, rok := asStr(r)
	if lok && rok {
		// The order of UTF-8 is that of code points.
		if err := c.work(min(len(ls), len(rs)) / 4); err != nil {
			return false, err
		}
		return ordered(op, strings.Compare(ls, rs)), nil
	}
	switch l := l.(type) {
	case *List:
		if r, ok := r.(*List); ok {
			return c.orderItems(op, l.items, r.items, depth)
		}
	case *tuple:
		if r, ok := r.(*tuple); ok {
			return c.orderItems(op, l.items, r.items, depth)
		}
	}
	return false, failf(kindType, "'%s' not supported between instances of '%s' and '%s'", op, typeName(l), typeName(r))
}

func ordered(op string, sign int) bool {
	switch {
	case sign == 2:
		return false
	case op == "<":
		return sign < 0
	case op == "<=":
		return sign <= 0
	case op == ">":
		return sign > 0
	}
	return sign >= 0
}

// orderItems orders two sequences by their first difference, then by length.
func (c *state) orderItems(op string, l, r []any, depth int) (bool, error) {
	for i := range min(len(l), len(r)) {
		same, err := c.equalAt(l[i], r[i], depth+1)
		if err != nil {
			return false, err
		}
		if !same {
			return c.order(op, l[i], r[i], depth+1)
		}
	}
	return ordered(op, cmp.Compare(len(l), len(r))), nil
}

// contains is Python's v in box.
func (c *state) contains(box, v any) (bool, error) {
	switch b := box.(type) {
	case string, markup:
		s, _ := asStr(b)
		sub, ok := asStr(v)
		if !ok {
			return false, failf(kindType, "'in <string>' requires string as left operand, not %s", typeName(v))
		}
		if err := c.work(len(s) + len(sub)); err != nil {
			return false, err
		}
		return strings.Contains(s, sub), nil
	case *Dict:
		return c.hasKey(b, v)
	case *dictView:
		if b.kind == "dict_keys" {
			return c.hasKey(b.d, v)
		}
	case *rangeVal:
		if i, ok := asInt(v); ok {
			return b.contains(i), nil
		}
	case *List, *tuple, *undefined, *generator:
	default:
		return false, failf(kindType, "argument of type '%s' is not iterable", typeName(box))
	}
	it, err := c.iterate(box)
	if err != nil {
		return false, err
	}
	for {
		x, ok, err := it()
		if err != nil || !ok {
			return false, err
		}
		if same, err := c.equal(x, v); same || err != nil {
			return same, err
		}
	}
}

func (c *state) hasKey(d *Dict, v any) (bool, error) {
	h, err := c.hashKey(v)
	if err != nil {
		return false, err
	}
	_, ok := d.get(h)
	return ok, nil
}
