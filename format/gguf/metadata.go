package gguf

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
)

// KV is one metadata pair.
//
// The value is of the Go type that corresponds to the file's: string, bool, uint8 … uint64, int8 … int64, float32,
// float64, a slice of one of these for an array, or []any, with slices as elements, for an array of arrays.
type KV struct {
	Key   string
	Value any
}

// Metadata is a file's pairs in file order. Values do not refer to the file: they stay valid after it is closed.
type Metadata []KV

// Lookup returns the value of key as the file has it. It looks through the pairs one by one: there are few, and each is
// asked for once.
func (m Metadata) Lookup(key string) (value any, ok bool) {
	for _, kv := range m {
		if kv.Key == key {
			return kv.Value, true
		}
	}
	return nil, false
}

// Value is what Get can return.
type Value interface {
	string | bool | int | uint64 | float32 | float64 | []string | []bool | []int | []float32
}

// Get returns the value of key as a T.
//
// Integers of every width convert to int and uint64 if they fit, also in arrays, and floats convert to either width.
// Integers do not convert to floats, nor scalars to arrays. A slice may share m's memory: treat it as read-only.
//
// If the key is absent, the error wraps ErrNotFound. Any other error says that the value is of another type, or an
// integer that does not fit, and names the key, the type found and the type wanted.
func Get[T Value](m Metadata, key string) (T, error) {
	v, err := get[T](m, key)
	if err != nil {
		return v, fmt.Errorf("gguf: %w", err)
	}
	return v, nil
}

// GetOr is Get for keys that may be absent: it returns def then, and an error only for a value of the wrong type.
func GetOr[T Value](m Metadata, key string, def T) (T, error) {
	v, err := getOr(m, key, def)
	if err != nil {
		return v, fmt.Errorf("gguf: %w", err)
	}
	return v, nil
}

func get[T Value](m Metadata, key string) (T, error) {
	var out, zero T
	v, ok := m.Lookup(key)
	if !ok {
		return zero, fmt.Errorf("key %s: %w", key, ErrNotFound)
	}
	if err := convert(&out, v); err != nil {
		return zero, fmt.Errorf("key %s: %w", key, err)
	}
	return out, nil
}

func getOr[T Value](m Metadata, key string, def T) (T, error) {
	v, err := get[T](m, key)
	if errors.Is(err, ErrNotFound) {
		return def, nil
	}
	return v, err
}

// convert stores v in the variable that out points to, whose type is one of Value's.
func convert(out, v any) error {
	var ok bool
	switch p := out.(type) {
	case *string:
		*p, ok = v.(string)
	case *bool:
		*p, ok = v.(bool)
	case *[]string:
		*p, ok = v.([]string)
	case *[]bool:
		*p, ok = v.([]bool)
	case *int:
		return toInt(p, reflect.ValueOf(v))
	case *uint64:
		return toUint64(p, reflect.ValueOf(v))
	case *[]int:
		return toInts(p, reflect.ValueOf(v))
	case *float32:
		switch v := v.(type) {
		case float32:
			*p, ok = v, true
		case float64:
			*p, ok = float32(v), true
		}
	case *float64:
		switch v := v.(type) {
		case float32:
			*p, ok = float64(v), true
		case float64:
			*p, ok = v, true
		}
	case *[]float32:
		switch v := v.(type) {
		case []float32:
			*p, ok = v, true
		case []float64:
			*p, ok = make([]float32, len(v)), true
			for i, x := range v {
				(*p)[i] = float32(x)
			}
		}
	}
	if !ok {
		return wrongType(v, typeName(reflect.TypeOf(out).Elem()))
	}
	return nil
}

func toInt(p *int, v reflect.Value) error {
	switch {
	case v.CanInt() && v.Int() >= math.MinInt && v.Int() <= math.MaxInt:
		*p = int(v.Int())
	case v.CanUint() && v.Uint() <= math.MaxInt:
		*p = int(v.Uint())
	case v.CanInt() || v.CanUint():
		return fmt.Errorf("%v is %v, which overflows int", v.Type(), v)
	default:
		return wrongType(v.Interface(), "integer")
	}
	return nil
}

func toUint64(p *uint64, v reflect.Value) error {
	switch {
	case v.CanInt() && v.Int() >= 0:
		*p = uint64(v.Int())
	case v.CanUint():
		*p = v.Uint()
	case v.CanInt():
		return fmt.Errorf("%v is %v, want no negative number", v.Type(), v)
	default:
		return wrongType(v.Interface(), "integer")
	}
	return nil
}

func toInts(p *[]int, v reflect.Value) error {
	if v.Kind() != reflect.Slice {
		return wrongType(v.Interface(), "array of integers")
	}
	// A zero of the element type stands in for the elements: there may be none.
	if e := reflect.Zero(v.Type().Elem()); !e.CanInt() && !e.CanUint() {
		return wrongType(v.Interface(), "array of integers")
	}
	ints := make([]int, v.Len())
	for i := range ints {
		if err := toInt(&ints[i], v.Index(i)); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	*p = ints
	return nil
}

func wrongType(v any, want string) error {
	return fmt.Errorf("is %s, want %s", typeName(reflect.TypeOf(v)), want)
}

// typeName spells a Go type the way GGUF speaks of it.
func typeName(t reflect.Type) string {
	return strings.ReplaceAll(strings.ReplaceAll(t.String(), "[]", "array of "), "interface {}", "arrays")
}
