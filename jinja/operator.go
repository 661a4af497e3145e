package jinja

import (
	"math"
	"math/big"
	"math/bits"
	"strings"
)

func unaryOp(op string, v any) (any, error) {
	if op == "not" {
		return !truth(v), nil
	}
	switch v := v.(type) {
	case *undefined:
		return nil, v.fail()
	case float64:
		if op == "-" {
			return -v, nil
		}
		return v, nil
	case *big.Int:
		if op == "-" {
			v = new(big.Int).Neg(v)
		}
		return normal(v), nil
	}
	i, ok := asInt(v)
	if !ok {
		return nil, failf(kindType, "bad operand type for unary %s: '%s'", op, typeName(v))
	}
	if op == "-" {
		if i == math.MinInt64 {
			return new(big.Int).Neg(big.NewInt(i)), nil
		}
		i = -i
	}
	return i, nil
}

// normal turns a big integer that fits into an int64.
func normal(b *big.Int) any {
	if b.IsInt64() {
		return b.Int64()
	}
	return b
}

// binaryOp is an arithmetic operator.
func (c *state) binaryOp(op string, l, r any) (any, error) {
	if err := c.read(l, r); err != nil {
		return nil, err
	}
	for _, v := range []any{l, r} {
		if u, ok := v.(*undefined); ok {
			// A str formats whatever stands right of %.
			if _, isStr := asStr(l); op == "%" && isStr {
				break
			}
			return nil, u.fail()
		}
	}
	li, lInt := asInt(l)
	ri, rInt := asInt(r)
	if lInt && rInt {
		return intOp(op, li, ri)
	}
	lf, lNum := asFloat(l)
	rf, rNum := asFloat(r)
	if lNum && rNum {
		_, lBig := l.(*big.Int)
		_, rBig := r.(*big.Int)
		if (lBig || rBig) && (lInt || rInt || lBig && rBig) {
			return nil, failf(kindOverflow, "arithmetic on integers of more than 64 bits is not supported")
		}
		return floatOp(op, lf, rf)
	}
	switch op {
	case "+":
		return c.add(l, r)
	case "*":
		if typeName(l) == "int" || lInt {
			l, r, ri, rInt = r, l, li, lInt
		}
		return c.repeat(l, r, ri, rInt)
	case "%":
		if s, ok := asStr(l); ok {
			_, safe := l.(markup)
			return c.percent(s, r, safe)
		}
	}
	return nil, badOperands(op, l, r)
}

func badOperands(op string, l, r any) error {
	if op == "**" {
		op = "** or pow()"
	}
	return failf(kindType, "unsupported operand type(s) for %s: '%s' and '%s'", op, typeName(l), typeName(r))
}

func intOp(op string, a, b int64) (any, error) {
	switch op {
	case "+":
		if s := a + b; (s > a) == (b > 0) {
			return s, nil
		}
	case "-":
		if s := a - b; (s < a) == (b > 0) {
			return s, nil
		}
	case "*":
		hi, lo := bits.Mul64(abs64(a), abs64(b))
		if hi == 0 && (lo <= math.MaxInt64 || lo == 1<<63 && (a < 0) != (b < 0)) {
			return a * b, nil
		}
	case "/":
		if b == 0 {
			return nil, failf(kindZero, "division by zero")
		}
		return float64(a) / float64(b), nil
	case "//", "%":
		if b == 0 && op == "//" {
			return nil, failf(kindZero, "integer division or modulo by zero")
		}
		if b == 0 {
			return nil, failf(kindZero, "integer modulo by zero")
		}
		if b == -1 { // MinInt64 / -1 does not fit
			if op == "%" {
				return int64(0), nil
			}
			return intOp("*", a, -1)
		}
		q, m := a/b, a%b
		if m != 0 && (m < 0) != (b < 0) {
			q, m = q-1, m+b
		}
		if op == "//" {
			return q, nil
		}
		return m, nil
	case "**":
		return intPow(a, b)
	}
	return nil, failf(kindOverflow, "the integer result of %s has more than 64 bits", op)
}

func abs64(a int64) uint64 {
	if a < 0 {
		return -uint64(a)
	}
	return uint64(a)
}

func intPow(a, b int64) (any, error) {
	if b < 0 {
		return floatOp("**", float64(a), float64(b))
	}
	switch a {
	case 0, 1:
		if b == 0 {
			return int64(1), nil
		}
		return a, nil
	case -1:
		return 1 - 2*(b&1), nil
	}
	r := int64(1)
	for ; b > 0; b-- { // at most 63 rounds before it overflows
		v, err := intOp("*", r, a)
		if err != nil {
			return nil, failf(kindOverflow, "the integer result of ** has more than 64 bits")
		}
		r, _ = v.(int64)
	}
	return r, nil
}

func floatOp(op string, a, b float64) (any, error) {
	switch op {
	case "+":
		return a + b, nil
	case "-":
		return a - b, nil
	case "*":
		return a * b, nil
	case "/":
		if b == 0 {
			return nil, failf(kindZero, "float division by zero")
		}
		return a / b, nil
	case "//", "%":
		if b == 0 && op == "//" {
			return nil, failf(kindZero, "float floor division by zero")
		}
		if b == 0 {
			return nil, failf(kindZero, "float modulo")
		}
		m := math.Mod(a, b)
		q := (a - m) / b
		if m != 0 && (m < 0) != (b < 0) {
			m += b
			q--
		}
		if op == "%" {
			if m == 0 {
				m = math.Copysign(0, b)
			}
			return m, nil
		}
		if q == 0 {
			return math.Copysign(0, a/b), nil
		}
		f := math.Floor(q)
		if q-f > 0.5 {
			f++
		}
		return f, nil
	}
	if a == 0 && b < 0 {
		return nil, failf(kindZero, "0.0 cannot be raised to a negative power")
	}
	if a < 0 && b != math.Trunc(b) && !math.IsInf(a, 0) {
		return nil, failf(kindValue, "complex numbers are not supported")
	}
	p := math.Pow(a, b)
	if math.IsInf(p, 0) && !math.IsInf(a, 0) && !math.IsInf(b, 0) {
		return nil, failf(kindOverflow, "(34, 'Numerical result out of range')")
	}
	return p, nil
}

// add concatenates strings, lists or tuples.
func (c *state) add(l, r any) (any, error) {
	switch l := l.(type) {
	case string, markup:
		return c.addStr(l, r)
	case *List:
		r, ok := r.(*List)
		if !ok {
			break
		}
		items, err := c.joinItems(l.items, r.items)
		return &List{items}, err
	case *tuple:
		r, ok := r.(*tuple)
		if !ok {
			break
		}
		items, err := c.joinItems(l.items, r.items)
		return &tuple{items: items}, err
	default:
		return nil, badOperands("+", l, r)
	}
	return nil, failf(kindType, `can only concatenate %s (not "%s") to %s`, typeName(l), typeName(r), typeName(l))
}

// addStr concatenates strings. A safe one escapes what it is joined with.
func (c *state) addStr(l, r any) (any, error) {
	ls, _ := asStr(l)
	rs, ok := asStr(r)
	_, lSafe := l.(markup)
	_, rSafe := r.(markup)
	switch {
	case !ok && lSafe:
		return nil, badOperands("+", l, r)
	case !ok:
		return nil, failf(kindType, `can only concatenate str (not "%s") to str`, typeName(r))
	}
	var err error
	switch {
	case lSafe && !rSafe:
		rs, err = c.escape(rs)
	case rSafe && !lSafe:
		ls, err = c.escape(ls)
	}
	if err == nil {
		err = c.alloc(len(ls) + len(rs))
	}
	if err != nil {
		return nil, err
	}
	if lSafe || rSafe {
		return markup(ls + rs), nil
	}
	return ls + rs, nil
}

func (c *state) joinItems(a, b []any) ([]any, error) {
	if err := c.allocTimes(valueSize, len(a)+len(b)); err != nil {
		return nil, err
	}
	return append(append(make([]any, 0, len(a)+len(b)), a...), b...), nil
}

// repeat is l * n for a sequence l.
func (c *state) repeat(l, r any, n int64, ok bool) (any, error) {
	var items []any
	switch l := l.(type) {
	case string, markup:
		s, _ := asStr(l)
		if !ok {
			return nil, badFactor(r)
		}
		s, err := c.repeatStr(s, n)
		return likeStr(l, s), err
	case *List:
		items = l.items
	case *tuple:
		items = l.items
	default:
		switch r.(type) {
		case string, markup, *List, *tuple:
			return nil, failf(kindType, "can't multiply sequence by non-int of type '%s'", typeName(l))
		}
		return nil, badOperands("*", l, r)
	}
	if !ok {
		return nil, badFactor(r)
	}
	n = max(n, 0)
	if len(items) == 0 {
		n = 0
	}
	if err := c.allocTimes(valueSize*max(len(items), 1), clampInt(n)); err != nil {
		return nil, err
	}
	out := make([]any, 0, len(items)*int(n))
	for range n {
		out = append(out, items...)
	}
	if _, ok := l.(*tuple); ok {
		return &tuple{items: out}, nil
	}
	return &List{out}, nil
}

func badFactor(r any) error {
	if typeName(r) == "int" {
		return failf(kindOverflow, "cannot fit 'int' into an index-sized integer")
	}
	return failf(kindType, "can't multiply sequence by non-int of type '%s'", typeName(r))
}

// clampInt bounds a count that is about to be checked against the memory limit.
func clampInt(n int64) int { return int(min(n, math.MaxInt32)) }

// repeatStr is s * n.
func (c *state) repeatStr(s string, n int64) (string, error) {
	if s == "" || n <= 0 {
		return "", nil
	}
	if err := c.allocTimes(len(s), clampInt(n)); err != nil {
		return "", err
	}
	if n > math.MaxInt32 {
		return "", failf(kindOverflow, "cannot fit the repeated string in memory")
	}
	return strings.Repeat(s, int(n)), nil
}

// likeStr gives a text the type of the string it came from.
func likeStr(v any, s string) any {
	if _, ok := v.(markup); ok {
		return markup(s)
	}
	return s
}
