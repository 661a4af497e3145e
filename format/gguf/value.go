package gguf

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
)

// valueType is the type of a metadata value by its number in the file, an index of goTypes.
type valueType uint32

const (
	typeBool   valueType = 7
	typeString valueType = 8
	typeArray  valueType = 9
)

// goTypes gives the Go type for each valueType, as a value and as an element of an array.
// An array is an element, in an []any, of arrays of arrays only.
var goTypes = []reflect.Type{
	reflect.TypeFor[uint8](),
	reflect.TypeFor[int8](),
	reflect.TypeFor[uint16](),
	reflect.TypeFor[int16](),
	reflect.TypeFor[uint32](),
	reflect.TypeFor[int32](),
	reflect.TypeFor[float32](),
	typeBool:   reflect.TypeFor[bool](),
	typeString: reflect.TypeFor[string](),
	typeArray:  reflect.TypeFor[any](),
	reflect.TypeFor[uint64](),
	reflect.TypeFor[int64](),
	reflect.TypeFor[float64](),
}

// maxDepth bounds arrays of arrays, which are read by recursion. No known key nests at all.
const maxDepth = 4

// value reads a value of type t.
func (c *cursor) value(t valueType) any {
	switch {
	case c.err != nil:
		return nil
	case int(t) >= len(goTypes):
		c.failf("unknown value type %d", t)
		return nil
	case t == typeString:
		return c.text()
	case t == typeArray:
		return c.array(1)
	}
	// One number is an array of one.
	if v := c.numbers(t, 1); v.IsValid() {
		return v.Index(0).Interface()
	}
	return nil
}

// array reads an array, the depth-th around its elements.
func (c *cursor) array(depth int) any {
	if depth > maxDepth {
		c.failf("arrays nested more than %d deep", maxDepth)
	}
	t := valueType(c.u32())
	switch {
	case c.err != nil:
		return nil
	case int(t) >= len(goTypes):
		c.failf("unknown type %d of array elements", t)
		return nil
	case t == typeString:
		return c.strings(c.bounded("strings", 8, &c.texts, maxTexts))
	case t == typeArray:
		all := make([]any, c.bounded("arrays", 12, &c.arrays, maxArrays))
		for i := range all {
			all[i] = c.array(depth + 1)
			if c.err != nil {
				return nil
			}
		}
		return all
	}
	if v := c.numbers(t, c.u64()); v.IsValid() {
		return v.Interface()
	}
	return nil
}

// numbers reads n numbers or bools as a slice. The result is invalid after a failure.
func (c *cursor) numbers(t valueType, n uint64) reflect.Value {
	raw := c.take(n, int(goTypes[t].Size()))
	if c.err != nil {
		return reflect.Value{}
	}
	if t == typeBool {
		if i := slices.IndexFunc(raw, func(b byte) bool { return b > 1 }); i >= 0 {
			c.failf("bool at offset %d is %d, want 0 or 1", c.pos-len(raw)+i, raw[i])
			return reflect.Value{}
		}
	}
	v := reflect.MakeSlice(reflect.SliceOf(goTypes[t]), int(n), int(n))
	if _, err := binary.Decode(raw, binary.LittleEndian, v.Interface()); err != nil {
		c.failf("%w", err)
	}
	return v
}

// strings reads n strings. They share one piece of memory: a vocabulary is hundreds of thousands of short strings.
func (c *cursor) strings(n int) []string {
	start := c.pos
	for range n {
		c.take(c.u64(), 1)
	}
	if c.err != nil {
		return nil
	}
	shared := string(c.data[start:c.pos])
	all := make([]string, n)
	pos := 0
	for i := range all {
		size := int(binary.LittleEndian.Uint64(c.data[start+pos:]))
		pos += 8
		all[i] = shared[pos : pos+size]
		pos += size
	}
	return all
}

// appendValue appends v's type and v itself as they stand in a file.
func appendValue(b []byte, v any) ([]byte, error) {
	rt := reflect.TypeOf(v)
	if rt != nil && rt.Kind() == reflect.Slice {
		return appendArray(binary.LittleEndian.AppendUint32(b, uint32(typeArray)), v, 1)
	}
	t := slices.Index(goTypes, rt)
	if t < 0 {
		return nil, fmt.Errorf("the Go type %T has no GGUF type", v)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(t))
	if s, ok := v.(string); ok {
		return appendText(b, s), nil
	}
	return binary.Append(b, binary.LittleEndian, v)
}

func appendArray(b []byte, v any, depth int) ([]byte, error) {
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Slice {
		return nil, fmt.Errorf("%T in an array of arrays, want a slice", v)
	}
	t := slices.Index(goTypes, rv.Type().Elem())
	if t < 0 {
		return nil, fmt.Errorf("the Go type %T has no GGUF type", v)
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("arrays nested more than %d deep", maxDepth)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(t))
	b = binary.LittleEndian.AppendUint64(b, uint64(rv.Len()))
	switch v := v.(type) {
	case []string:
		for _, s := range v {
			b = appendText(b, s)
		}
		return b, nil
	case []any:
		for _, e := range v {
			var err error
			if b, err = appendArray(b, e, depth+1); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
	return binary.Append(b, binary.LittleEndian, v)
}

func appendText(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}
