package jinja

import (
	"iter"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Dict is a Python dict: it keeps the order in which its keys came. Templates cannot change it.
type Dict struct {
	keys, vals []any
	index      map[any]int // by hash key
}

// NewDict makes an empty dict.
func NewDict() *Dict { return &Dict{index: map[any]int{}} }

// Len returns the number of keys.
func (d *Dict) Len() int { return len(d.keys) }

// Get returns the value of a string key.
func (d *Dict) Get(key string) (any, bool) { return d.get(key) }

// Set sets the value of a string key, in its place if it is there, else at the end. The value may be what [Options]
// allows as a template variable. A Dict must not be changed while a template renders it.
func (d *Dict) Set(key string, v any) { d.set(key, key, fromGo(v, 0)) }

// All yields the string keys and their values in order.
func (d *Dict) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for i, k := range d.keys {
			if s, ok := k.(string); ok && !yield(s, d.vals[i]) {
				return
			}
		}
	}
}

func (d *Dict) get(hash any) (any, bool) {
	i, ok := d.index[hash]
	if !ok {
		return nil, false
	}
	return d.vals[i], true
}

func (d *Dict) set(hash, key, v any) {
	if i, ok := d.index[hash]; ok {
		d.vals[i] = v
		return
	}
	d.index[hash] = len(d.keys)
	d.keys = append(d.keys, key)
	d.vals = append(d.vals, v)
}

// newDict is NewDict, paid for.
func (b *budget) newDict() (*Dict, error) {
	if err := b.alloc(dictSize); err != nil {
		return nil, err
	}
	return NewDict(), nil
}

// put is set with the entry paid for. A text's hash key takes its length to look up; see hashKey.
func (b *budget) put(d *Dict, hash, key, v any) error {
	if err := b.read(hash); err != nil {
		return err
	}
	if _, ok := d.index[hash]; !ok {
		if err := b.alloc(entrySize); err != nil {
			return err
		}
	}
	d.set(hash, key, v)
	return nil
}

// A hash key stands for all values that are equal as dict keys: 1, 1.0 and True are one key.
type (
	hashNone struct{}
	hashText string // of tuples and large integers
)

// hashKey returns the hash key of v, or a TypeError for what Python cannot hash. It pays for looking the key up.
func (c *state) hashKey(v any) (any, error) {
	if err := c.read(v); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case nil:
		return hashNone{}, nil
	case string:
		return v, nil
	case markup:
		return string(v), nil
	case bool:
		i, _ := asInt(v)
		return i, nil
	case float64:
		if i := int64(v); float64(i) == v && math.Abs(v) < 1<<62 {
			return i, nil
		}
		return v, nil
	case *big.Int:
		return hashText(v.String()), nil
	case *undefined:
		return (*undefined)(nil), nil
	case *tuple:
		var b strings.Builder
		if err := c.hashTuple(&b, v, 0); err != nil {
			return nil, err
		}
		return hashText(b.String()), nil
	case *List, *Dict, *dictView:
		return nil, failf(kindType, "unhashable type: '%s'", typeName(v))
	}
	return v, nil
}

// hashTuple writes an injective text of a tuple's items.
func (c *state) hashTuple(b *strings.Builder, t *tuple, depth int) error {
	if depth > maxDepth {
		return failf(kindLimit, "tuples nested more than %d deep", maxDepth)
	}
	b.WriteByte('(')
	for _, v := range t.items {
		// Texts are written as they are, and the buffer grows by doubling.
		if err := c.alloc(3 * (valueSize + textLen(v))); err != nil {
			return err
		}
		if in, ok := v.(*tuple); ok {
			if err := c.hashTuple(b, in, depth+1); err != nil {
				return err
			}
			continue
		}
		h, err := c.hashKey(v)
		if err != nil {
			return err
		}
		switch h := h.(type) {
		case hashNone:
			b.WriteByte('n')
		case string:
			b.WriteByte('s')
			b.WriteString(strconv.Itoa(len(h)))
			b.WriteByte(':')
			b.WriteString(h)
		case int64:
			b.WriteByte('i')
			b.WriteString(strconv.FormatInt(h, 10))
		case float64:
			b.WriteByte('f')
			b.WriteString(formatFloat(h))
		case hashText:
			b.WriteByte('b')
			b.WriteString(string(h))
		default:
			return failf(kindType, "unhashable type in a tuple: '%s'", typeName(v))
		}
		b.WriteByte(',')
	}
	b.WriteByte(')')
	return nil
}

// dictView is what a dict's keys, values and items return.
type dictView struct {
	d    *Dict
	kind string // dict_keys, dict_values or dict_items
}

func (v *dictView) at(i int) any {
	switch v.kind {
	case "dict_keys":
		return v.d.keys[i]
	case "dict_values":
		return v.d.vals[i]
	}
	return &tuple{items: []any{v.d.keys[i], v.d.vals[i]}}
}
