package jinja

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

func filterAbs(_ *state, v any, a args) (any, error) {
	if _, err := a.bind("abs"); err != nil {
		return nil, err
	}
	if !isNumber(v) {
		return nil, failf(kindType, "bad operand type for abs(): '%s'", typeName(v))
	}
	if f, ok := v.(float64); ok {
		return math.Abs(f), nil
	}
	if cmpNumbers(v, int64(0)) < 0 {
		return unaryOp("-", v)
	}
	return unaryOp("+", v)
}

// truncate turns a float into an int.
func truncate(f float64) (any, error) {
	switch {
	case math.IsNaN(f):
		return nil, failf(kindValue, "cannot convert float NaN to integer")
	case math.IsInf(f, 0):
		return nil, failf(kindOverflow, "cannot convert float infinity to integer")
	}
	b, _ := big.NewFloat(f).Int(nil)
	return normal(b), nil
}

// toInt is Python's int(v), or int(v, base) for strings.
func (c *state) toInt(v any, base int64) (any, error) {
	switch v := v.(type) {
	case *undefined:
		return nil, v.fail()
	case float64:
		return truncate(v)
	case *big.Int:
		return v, nil
	case string, markup:
		s, _ := asStr(v)
		if i := parsePyInt(strings.TrimFunc(s, isSpace), base); i != nil {
			return i, c.step(textLen(i) / bytesPerStep)
		}
		return nil, failf(kindValue, "invalid literal for int() with base %d", base)
	}
	if i, ok := asInt(v); ok {
		return i, nil
	}
	return nil, failf(kindType, "int() argument must be a string, a bytes-like object or a real number, not '%s'", typeName(v))
}

// parsePyInt reads an integer as int(s, base) does; nil when it is none.
func parsePyInt(s string, base int64) any {
	if base != 0 && (base < 2 || base > 36) {
		return nil
	}
	sign := ""
	if s != "" && (s[0] == '-' || s[0] == '+') {
		sign, s = strings.TrimPrefix(s[:1], "+"), s[1:]
	}
	if len(s) > 2 && s[0] == '0' {
		prefix := map[byte]int64{'x': 16, 'X': 16, 'o': 8, 'O': 8, 'b': 2, 'B': 2}[s[1]]
		if prefix != 0 && (base == 0 || base == prefix) {
			base, s = prefix, strings.TrimPrefix(s[2:], "_")
		}
	}
	if base == 0 {
		base = 10
		if len(s) > 1 && s[0] == '0' && strings.Trim(s, "0_") != "" {
			return nil
		}
	}
	if s == "" || s[0] == '_' || s[len(s)-1] == '_' || s[0] == '-' || s[0] == '+' || strings.Contains(s, "__") {
		return nil
	}
	return parseInt(sign+s, int(base))
}

// toFloat is Python's float(v).
func toFloat(v any) (float64, error) {
	switch v := v.(type) {
	case *undefined:
		return 0, v.fail()
	case string, markup:
		s, _ := asStr(v)
		if f, ok := parseFloat(strings.TrimFunc(s, isSpace)); ok {
			return f, nil
		}
		return 0, failf(kindValue, "could not convert string to float: %.100s", quoted(s))
	}
	if f, ok := asFloat(v); ok {
		return f, nil
	}
	return 0, failf(kindType, "float() argument must be a string or a real number, not '%s'", typeName(v))
}

func parseFloat(s string) (float64, bool) {
	low := strings.ToLower(strings.TrimLeft(s, "+-"))
	if low == "" || strings.ContainsAny(low, "xp") {
		return 0, false // no hexadecimal
	}
	for i := range len(s) {
		if s[i] == '_' && (i == 0 || i == len(s)-1 || s[i-1] < '0' || s[i-1] > '9' || s[i+1] < '0' || s[i+1] > '9') {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	return f, err == nil || math.IsInf(f, 0)
}

func filterInt(c *state, v any, a args) (any, error) {
	p, err := a.bind("int", "default?", "base?")
	if err != nil {
		return nil, err
	}
	base, err := intArg(p[1], 10)
	if err != nil {
		return nil, err
	}
	i, err := c.toInt(v, base)
	if err == nil || !isKind(err, kindType, kindValue) {
		return i, err
	}
	// So that "42.23" gives 42.
	f, err := toFloat(v)
	if err == nil {
		i, err = truncate(f)
	}
	if isKind(err, kindType, kindValue, kindOverflow) {
		return orElse(p[0], int64(0)), nil
	}
	return i, err
}

func filterFloat(_ *state, v any, a args) (any, error) {
	p, err := a.bind("float", "default?")
	if err != nil {
		return nil, err
	}
	f, err := toFloat(v)
	if isKind(err, kindType, kindValue) {
		return orElse(p[0], 0.0), nil
	}
	return f, err
}

func filterRound(c *state, v any, a args) (any, error) {
	p, err := a.bind("round", "precision?", "method?")
	if err != nil {
		return nil, err
	}
	prec, err := intArg(p[0], 0)
	if err != nil {
		return nil, err
	}
	method, _ := asStr(orElse(p[1], "common"))
	if method != "common" && method != "ceil" && method != "floor" {
		return nil, failf(kindFilter, "method must be common, ceil or floor")
	}
	if u, ok := v.(*undefined); ok && method != "common" {
		return nil, u.fail()
	}
	f, ok := asFloat(v)
	if !ok {
		return nil, failf(kindType, "type %s doesn't define __round__ method", typeName(v))
	}
	prec = max(-400, min(prec, 400))
	if err := c.step(digitSteps); err != nil {
		return nil, err
	}
	if method == "common" {
		if i, ok := asInt(v); ok {
			return roundInt(i, prec), nil
		}
		if _, ok := v.(*big.Int); ok {
			return v, nil
		}
		return roundFloat(f, int(prec)), nil
	}
	scale := math.Pow(10, float64(prec))
	r := f * scale
	if math.IsInf(r, 0) || math.IsNaN(r) {
		return nil, failf(kindOverflow, "cannot convert float infinity to integer")
	}
	if method == "ceil" {
		r = math.Ceil(r)
	} else {
		r = math.Floor(r)
	}
	if scale == 0 {
		return nil, failf(kindZero, "float division by zero")
	}
	return r/scale + 0, nil
}

// roundInt rounds to a power of ten, half to even; only negative precisions change an int.
func roundInt(i, prec int64) any {
	if prec >= 0 {
		return i
	}
	if prec < -18 {
		return int64(0)
	}
	unit := int64(1)
	for ; prec < 0; prec++ {
		unit *= 10
	}
	m := ((i % unit) + unit) % unit
	low := i - m
	if m > unit/2 || m == unit/2 && (low/unit)%2 != 0 {
		return low + unit
	}
	return low
}

// roundFloat rounds the exact value of f to a number of decimals, half to even, as Python does.
func roundFloat(f float64, prec int) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return f
	}
	if prec >= 0 {
		r, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'f', prec, 64), 64)
		return r
	}
	if prec < -308 {
		return math.Copysign(0, f)
	}
	if math.Abs(f) < math.Pow(10, float64(-prec))/4 {
		return math.Copysign(0, f)
	}
	// Half to even on the integer f/10^-prec, exactly.
	unit := new(big.Float).SetPrec(2000).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-prec)), nil))
	q := new(big.Float).SetPrec(2000).Quo(new(big.Float).SetPrec(2000).SetFloat64(f), unit)
	text := q.Text('f', 0)
	r, _ := strconv.ParseFloat(text+"e"+strconv.Itoa(-prec), 64)
	return r
}

func filterFormat(c *state, v any, a args) (any, error) {
	if len(a.pos) > 0 && len(a.kw) > 0 {
		return nil, failf(kindFilter, "can't handle positional and keyword arguments at the same time")
	}
	s, safe, err := c.softStr(v)
	if err != nil {
		return nil, err
	}
	if len(a.kw) == 0 {
		return c.percent(s, &tuple{items: a.pos}, safe)
	}
	d, err := c.newDict()
	if err != nil {
		return nil, err
	}
	for _, k := range a.kw {
		if err := c.put(d, k.name, k.name, k.val); err != nil {
			return nil, err
		}
	}
	return c.percent(s, d, safe)
}
