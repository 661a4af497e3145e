package jinja

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Bounds of decoded JSON: its nesting and the number of its values. An object of a byte or two takes 400 in memory.
const (
	maxJSONDepth  = 200
	maxJSONValues = 500_000
)

// DecodeJSON decodes a JSON text into template values, keeping the order of keys and the difference between integers and
// floats. Values may nest 200 deep, and there may be 500,000 of them.
func DecodeJSON(data []byte) (any, error) {
	d := decoder{Decoder: json.NewDecoder(bytes.NewReader(data))}
	d.UseNumber()
	v, err := d.value(0)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("json: at byte %d: %w", d.InputOffset(), err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("json: at byte %d: more data after the value", d.InputOffset())
	}
	return v, nil
}

type decoder struct {
	*json.Decoder
	values int
}

func (d *decoder) value(depth int) (any, error) {
	if depth > maxJSONDepth {
		return nil, fmt.Errorf("values nested more than %d deep", maxJSONDepth)
	}
	if d.values++; d.values > maxJSONValues {
		return nil, fmt.Errorf("more than %d values", maxJSONValues)
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Number:
		return fromNumber(string(t)), nil
	case json.Delim:
		if t == '[' {
			l := &List{}
			for d.More() {
				v, err := d.value(depth + 1)
				if err != nil {
					return nil, err
				}
				l.items = append(l.items, v)
			}
			_, err := d.Token()
			return l, err
		}
		o := NewDict()
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := d.value(depth + 1)
			if err != nil {
				return nil, err
			}
			key, _ := k.(string)
			o.set(key, key, v)
		}
		_, err := d.Token()
		return o, err
	}
	return t, nil // nil, bool or string
}

// fromNumber turns a JSON number into an int or a float, as its form says.
func fromNumber(s string) any {
	if !strings.ContainsAny(s, ".eE") {
		if v := parseInt(s, 10); v != nil {
			return v
		}
	}
	f, _ := strconv.ParseFloat(s, 64)
	return f
}

// encoder writes JSON as Python's json.dumps does.
type encoder struct {
	printer
	ascii, sortKeys bool
	pretty          bool
	indent          string
	comma, colon    string
}

// filterToJSON is the reference's own tojson: json.dumps with ensure_ascii off.
func filterToJSON(c *state, v any, a args) (any, error) {
	p, err := a.bind("tojson", "ensure_ascii?", "indent?", "separators?", "sort_keys?")
	if err != nil {
		return nil, err
	}
	e := encoder{printer: printer{c: c}, comma: ", ", colon: ": "}
	e.ascii, e.sortKeys = truth(orElse(p[0], false)), truth(orElse(p[3], false))
	switch in := orElse(p[1], nil).(type) {
	case nil:
	case string, markup:
		e.indent, _ = asStr(in)
		e.pretty = true
	default:
		n, err := intArg(in, 0)
		if err != nil {
			return nil, err
		}
		if e.indent, err = c.repeatStr(" ", n); err != nil {
			return nil, err
		}
		e.pretty = true
	}
	if e.pretty {
		e.comma = ","
	}
	if sep := orElse(p[2], nil); sep != nil {
		parts, err := c.collect(sep)
		if err != nil {
			return nil, err
		}
		if err := wantValues(len(parts), 2); err != nil {
			return nil, err
		}
		if e.comma, err = strArg(parts[0], ""); err != nil {
			return nil, err
		}
		if e.colon, err = strArg(parts[1], ""); err != nil {
			return nil, err
		}
	}
	if err := e.value(v, 0); err != nil {
		return nil, err
	}
	return e.b.String(), nil
}

func (e *encoder) value(v any, depth int) error {
	if depth > maxDepth {
		return failf(kindLimit, "values nested more than %d deep", maxDepth)
	}
	switch v := v.(type) {
	case nil, bool, int64, *big.Int, float64:
		if err := e.c.step(1 + textLen(v)/4); err != nil {
			return err
		}
		return e.put(jsonScalar(v))
	case string, markup:
		s, _ := asStr(v)
		return e.text(s)
	case *List:
		return e.list(v.items, depth)
	case *tuple:
		return e.list(v.items, depth)
	case *Dict:
		return e.object(v, depth)
	}
	return failf(kindType, "Object of type %s is not JSON serializable", typeName(v))
}

func jsonScalar(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case *big.Int:
		return v.String()
	case float64:
		switch {
		case math.IsNaN(v):
			return "NaN"
		case math.IsInf(v, 1):
			return "Infinity"
		case math.IsInf(v, -1):
			return "-Infinity"
		}
		return formatFloat(v)
	}
	return ""
}

func (e *encoder) newline(depth int) error {
	if !e.pretty {
		return nil
	}
	if err := e.put("\n"); err != nil {
		return err
	}
	for range depth {
		if err := e.put(e.indent); err != nil {
			return err
		}
	}
	return nil
}

func (e *encoder) list(items []any, depth int) error {
	if len(items) == 0 {
		return e.put("[]")
	}
	if err := e.put("["); err != nil {
		return err
	}
	for i, v := range items {
		if i > 0 {
			if err := e.put(e.comma); err != nil {
				return err
			}
		}
		if err := e.newline(depth + 1); err != nil {
			return err
		}
		if err := e.value(v, depth+1); err != nil {
			return err
		}
	}
	if err := e.newline(depth); err != nil {
		return err
	}
	return e.put("]")
}

func (e *encoder) object(d *Dict, depth int) error {
	if d.Len() == 0 {
		return e.put("{}")
	}
	if err := e.c.allocTimes(2*valueSize, d.Len()); err != nil {
		return err
	}
	order := make([]any, d.Len())
	for i := range order {
		order[i] = i
	}
	if e.sortKeys {
		var err error
		if order, err = e.c.sorted(order, func(i any) (any, error) { return d.keys[i.(int)], nil }, false); err != nil {
			return err
		}
	}
	if err := e.put("{"); err != nil {
		return err
	}
	for n, o := range order {
		if n > 0 {
			if err := e.put(e.comma); err != nil {
				return err
			}
		}
		if err := e.newline(depth + 1); err != nil {
			return err
		}
		i, _ := o.(int)
		if err := e.key(d.keys[i]); err != nil {
			return err
		}
		if err := e.put(e.colon); err != nil {
			return err
		}
		if err := e.value(d.vals[i], depth+1); err != nil {
			return err
		}
	}
	if err := e.newline(depth); err != nil {
		return err
	}
	return e.put("}")
}

func (e *encoder) key(k any) error {
	switch k := k.(type) {
	case string, markup:
		s, _ := asStr(k)
		return e.text(s)
	case nil, bool, int64, *big.Int, float64:
		return e.put(`"`, jsonScalar(k), `"`)
	}
	return failf(kindType, "keys must be str, int, float, bool or None, not %s", typeName(k))
}

func (e *encoder) text(s string) error {
	if err := e.put(`"`); err != nil {
		return err
	}
	plain := func(r rune) bool { return jsonPlain(r, e.ascii) }
	if err := e.escaped(s, plain, func(s string) string { return jsonEscape(s, plain) }); err != nil {
		return err
	}
	return e.put(`"`)
}

// jsonPlain tells whether a character stands for itself in a JSON string.
func jsonPlain(r rune, ascii bool) bool {
	return r >= ' ' && r != '"' && r != '\\' && (!ascii || r < 0x7f)
}

// jsonEscape escapes the inside of a JSON string.
func jsonEscape(s string, plain func(rune) bool) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	b := make([]byte, 0, len(s)+16)
	for _, r := range s {
		if plain(r) {
			b = append(b, string(r)...)
			continue
		}
		if i := strings.IndexRune("\"\\\n\r\t\f\b", r); i >= 0 {
			b = append(b, '\\', `"\nrtfb`[i])
			continue
		}
		if r > 0xffff {
			r -= 0x10000
			b = appendHex(append(b, `\u`...), 0xd800+r>>10, 4)
			r = 0xdc00 + r&0x3ff
		}
		b = appendHex(append(b, `\u`...), r, 4)
	}
	return string(b)
}
