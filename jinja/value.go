package jinja

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
)

// Template values are nil (None), bool, int64, *big.Int, float64, string, *List, *Dict, and the types below and in
// function.go, loop.go and macro.go, which only templates make.

// List is a Python list of template values. Templates cannot change it.
type List struct{ items []any }

// NewList makes a list. Items may be what [Options] allows as a template variable.
func NewList(items ...any) *List {
	l := &List{make([]any, len(items))}
	for i, v := range items {
		l.items[i] = fromGo(v, 0)
	}
	return l
}

// Len returns the number of items.
func (l *List) Len() int { return len(l.items) }

// Slice returns the list of the items [lo, hi).
func (l *List) Slice(lo, hi int) *List { return &List{l.items[lo:hi:hi]} }

// At returns item i, which must lie in [0, Len).
func (l *List) At(i int) any { return l.items[i] }

// markup is a string that escaping leaves alone, made by the filters escape and safe.
type markup string

// tuple is a Python tuple. Those of groupby also have the attributes grouper and list.
type tuple struct {
	items []any
	group bool
}

// missing marks an argument or a variable that has no value.
type missingType struct{}

var missing any = missingType{}

// undefined is the value of what is not there. It prints as nothing, is false and empty, and fails in most operations.
type undefined struct {
	hint string // the whole message, or "" to make one of the rest
	obj  any    // missing for variables
	name any
	kind string
}

func undefinedName(name string) *undefined { return &undefined{obj: missing, name: name} }
func undefinedHint(hint string) *undefined { return &undefined{obj: missing, hint: hint} }

// fail is the error of using u.
func (u *undefined) fail() error {
	kind := u.kind
	if kind == "" {
		kind = kindUndefined
	}
	if u.hint != "" {
		return failf(kind, "%s", u.hint)
	}
	name := ""
	switch n := u.name.(type) {
	case string:
		name = quoted(n)
	case markup:
		name = quoted(string(n))
	}
	switch {
	case u.obj == missing:
		return failf(kind, "%s is undefined", name)
	case name == "":
		return failf(kind, "%s has no element %s", objectType(u.obj), briefRepr(u.name))
	}
	return failf(kind, "'%s' has no attribute %s", objectType(u.obj), name)
}

// namespace is the mutable object that templates carry values out of loops with.
type namespace struct{ attrs *Dict }

// builtin is a function or a bound method.
type builtin struct {
	name string
	call func(c *state, a args) (any, error)
}

// typeName is what Python calls a value's type.
func typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64, *big.Int:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case markup:
		return "Markup"
	case *List:
		return "list"
	case *tuple:
		return "tuple"
	case *Dict:
		return "dict"
	case *dictView:
		return v.kind
	case *rangeVal:
		return "range"
	case *generator:
		return v.kind
	case *undefined:
		return "Undefined"
	case *namespace:
		return "Namespace"
	case *macro:
		return "Macro"
	case *loopVal:
		return "LoopContext"
	case *cycler:
		return "Cycler"
	case *joiner:
		return "Joiner"
	case *builtin:
		return "builtin_function_or_method"
	}
	return "object"
}

// objectType is how messages about missing attributes name an object.
func objectType(v any) string {
	switch v.(type) {
	case nil:
		return "None"
	case *undefined, *macro, *loopVal:
		return "jinja2.runtime." + typeName(v) + " object"
	case *namespace, *cycler, *joiner:
		return "jinja2.utils." + typeName(v) + " object"
	case markup:
		return "markupsafe.Markup object"
	}
	return typeName(v) + " object"
}

// briefRepr prints scalars for messages, other values by their type alone.
func briefRepr(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return boolName(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return formatFloat(v)
	case string:
		return quoted(v)
	case *undefined:
		return "Undefined"
	}
	return "<" + typeName(v) + ">"
}

func boolName(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// truth is Python's bool(v).
func truth(v any) bool {
	switch v := v.(type) {
	case nil, *undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case markup:
		return v != ""
	case *List:
		return len(v.items) > 0
	case *tuple:
		return len(v.items) > 0
	case *Dict:
		return v.Len() > 0
	case *dictView:
		return v.d.Len() > 0
	case *rangeVal:
		return v.len() > 0
	}
	return true
}

// asStr returns the text of a str, safe or not.
func asStr(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case markup:
		return string(v), true
	}
	return "", false
}

// textLen is about how many bytes it takes to go through v, 0 unless it is a text or a long number.
func textLen(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case markup:
		return len(v)
	case hashText:
		return len(v)
	case *big.Int:
		return v.BitLen()
	}
	return 0
}

// asInt returns a bool or int that fits 64 bits.
func asInt(v any) (int64, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int64:
		return v, true
	}
	return 0, false
}

// asFloat returns any number as a float.
func asFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f, true
	}
	i, ok := asInt(v)
	return float64(i), ok
}

// maxDepth bounds the nesting of values that are printed, compared or converted.
const maxDepth = 500

// fromGo turns a Go value into a template value. What is no plain data becomes a placeholder that names its type.
func fromGo(v any, depth int) any {
	if depth > maxDepth {
		return "<too deep>"
	}
	switch v := v.(type) {
	case nil, bool, int64, float64, string, *List, *Dict, *undefined, *tuple, *big.Int:
		return v
	case int:
		return int64(v)
	case int8:
		return int64(v)
	case int16:
		return int64(v)
	case int32:
		return int64(v)
	case uint8:
		return int64(v)
	case uint16:
		return int64(v)
	case uint32:
		return int64(v)
	case uint:
		return fromUint(uint64(v))
	case uint64:
		return fromUint(v)
	case float32:
		return float64(v)
	case json.Number:
		return fromNumber(string(v))
	case []any:
		return sliceOf(v, depth)
	case []string:
		return sliceOf(v, depth)
	case []map[string]any:
		return sliceOf(v, depth)
	case map[string]any:
		return dictOf(v, depth)
	case map[string]string:
		return dictOf(v, depth)
	}
	return fmt.Sprintf("<%T>", v)
}

func fromUint(u uint64) any {
	if u <= math.MaxInt64 {
		return int64(u)
	}
	return new(big.Int).SetUint64(u)
}

func sliceOf[T any](s []T, depth int) *List {
	l := &List{make([]any, len(s))}
	for i, v := range s {
		l.items[i] = fromGo(v, depth+1)
	}
	return l
}

func dictOf[T any](m map[string]T, depth int) *Dict {
	d := NewDict()
	for _, k := range slices.Sorted(maps.Keys(m)) {
		d.set(k, k, fromGo(m[k], depth+1))
	}
	return d
}
