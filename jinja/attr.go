package jinja

import "unicode/utf8"

// getAttr is obj.name: the attribute, else the item, else undefined. So d.items is the method even if d has such a key.
func (c *state) getAttr(obj any, name string) (any, error) {
	if u, ok := obj.(*undefined); ok && !privateAttrs[name] {
		return nil, u.fail()
	}
	v, err := c.attribute(obj, name)
	if err != nil || v != missing {
		return v, err
	}
	if d, ok := obj.(*Dict); ok {
		if v, ok := d.get(name); ok {
			return v, nil
		}
	}
	return &undefined{obj: obj, name: name}, nil
}

// getItem is obj[i]: the item, else, for a string, the attribute, else undefined.
func (c *state) getItem(obj, i any) (any, error) {
	if err := c.read(obj, i); err != nil {
		return nil, err
	}
	v, err := c.item(obj, i)
	if err != nil || v != missing {
		return v, err
	}
	if name, ok := asStr(i); ok {
		v, err := c.attribute(obj, name)
		if err != nil || v != missing {
			return v, err
		}
	}
	return &undefined{obj: obj, name: i}, nil
}

// item is the bare subscript, missing where Python raises TypeError or LookupError.
func (c *state) item(obj, i any) (any, error) {
	switch o := obj.(type) {
	case *undefined:
		return nil, o.fail()
	case *Dict:
		h, err := c.hashKey(i)
		if err != nil {
			if isKind(err, kindType) {
				return missing, nil
			}
			return nil, err
		}
		if v, ok := o.get(h); ok {
			return v, nil
		}
		return missing, nil
	}
	n, ok := asInt(i)
	if !ok {
		return missing, nil
	}
	switch o := obj.(type) {
	case *List:
		return nth(o.items, n), nil
	case *tuple:
		return nth(o.items, n), nil
	case *rangeVal:
		if k, ok := index(n, o.len()); ok {
			return o.at(k), nil
		}
	case string, markup:
		s, _ := asStr(o)
		if r, ok := runeAt(s, n); ok {
			return likeStr(o, r), nil
		}
	}
	return missing, nil
}

func nth(items []any, i int64) any {
	if k, ok := index(i, len(items)); ok {
		return items[k]
	}
	return missing
}

// index turns a Python index, counted from the end when negative, into one within n.
func index(i int64, n int) (int, bool) {
	if i < 0 {
		i += int64(n)
	}
	if i < 0 || i >= int64(n) {
		return 0, false
	}
	return int(i), true
}

func runeAt(s string, i int64) (string, bool) {
	n := len(s)
	if !isASCII(s) {
		n = utf8.RuneCountInString(s)
	}
	k, ok := index(i, n)
	if !ok {
		return "", false
	}
	if n == len(s) {
		return s[k : k+1], true
	}
	for ; k > 0; k-- {
		_, size := utf8.DecodeRuneInString(s)
		s = s[size:]
	}
	_, size := utf8.DecodeRuneInString(s)
	return s[:size], true
}

// privateAttrs are attributes that every Python object has and that the sandbox hides.
var privateAttrs = map[string]bool{
	"__class__": true, "__delattr__": true, "__dir__": true, "__doc__": true, "__eq__": true, "__format__": true,
	"__ge__": true, "__getattribute__": true, "__gt__": true, "__hash__": true, "__init__": true,
	"__init_subclass__": true, "__le__": true, "__lt__": true, "__ne__": true, "__new__": true, "__reduce__": true,
	"__reduce_ex__": true, "__repr__": true, "__setattr__": true, "__sizeof__": true, "__str__": true,
	"__subclasshook__": true,
}

// attribute returns an attribute or method, missing when the type has none of the name. Methods that change their object
// give an undefined value that fails when it is called.
func (c *state) attribute(obj any, name string) (any, error) {
	if ns, ok := obj.(*namespace); ok {
		if v, ok := ns.attrs.get(name); ok {
			return v, nil
		}
		return missing, nil
	}
	if privateAttrs[name] || changes(obj, name) {
		hint := "access to attribute " + quote(name) + " of '" + typeName(obj) + "' object is unsafe."
		return &undefined{hint: hint, obj: obj, name: name, kind: kindSecurity}, nil
	}
	switch o := obj.(type) {
	case string, markup:
		if m, ok := strMethods[name]; ok {
			return strMethod(o, name, m), nil
		}
	case *Dict:
		if m, ok := dictMethods[name]; ok {
			return &builtin{name, func(c *state, a args) (any, error) { return m(c, o, a) }}, nil
		}
	case *List:
		if name == "copy" {
			return &builtin{name, func(_ *state, a args) (any, error) {
				_, err := a.bind(name)
				return &List{o.items}, err
			}}, nil
		}
		return seqMethod(o.items, "list", name), nil
	case *tuple:
		if o.group && name == "grouper" {
			return o.items[0], nil
		}
		if o.group && name == "list" {
			return o.items[1], nil
		}
		return seqMethod(o.items, "tuple", name), nil
	case *rangeVal:
		return o.attr(name), nil
	case *loopVal:
		return o.attr(name)
	case *macro:
		return o.attr(name), nil
	case *cycler:
		return o.attr(name), nil
	case bool, int64, float64:
		return numberAttr(o, name), nil
	}
	return missing, nil
}

// changes tells whether the immutable sandbox bars the method because it would change a list or dict.
func changes(obj any, name string) bool {
	switch obj.(type) {
	case *List:
		switch name {
		case "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove":
			return true
		}
	case *Dict:
		switch name {
		case "clear", "pop", "popitem", "setdefault", "update":
			return true
		}
	}
	return false
}

func numberAttr(v any, name string) any {
	i, isInt := asInt(v)
	f, _ := v.(float64)
	switch {
	case name == "real" && isInt, name == "numerator" && isInt:
		return i
	case name == "real":
		return f
	case name == "imag" && isInt:
		return int64(0)
	case name == "imag":
		return 0.0
	case name == "denominator" && isInt:
		return int64(1)
	case name == "is_integer" && !isInt:
		return &builtin{name, func(_ *state, a args) (any, error) {
			_, err := a.bind(name)
			return f == float64(int64(f)), err
		}}
	}
	return missing
}

// seqMethod returns the methods count and index of a list or tuple.
func seqMethod(items []any, typ, method string) any {
	switch method {
	case "count":
		return &builtin{method, func(c *state, a args) (any, error) {
			v, err := a.bind(method, "value")
			if err != nil {
				return nil, err
			}
			n := int64(0)
			for _, x := range items {
				same, err := c.equal(x, v[0])
				if err != nil {
					return nil, err
				}
				if same {
					n++
				}
			}
			return n, nil
		}}
	case "index":
		return &builtin{method, func(c *state, a args) (any, error) {
			v, err := a.bind(method, "value", "start?", "stop?")
			if err != nil {
				return nil, err
			}
			start, stop, _, err := bounds([3]any{orElse(v[1], nil), orElse(v[2], nil)}, len(items))
			if err != nil {
				return nil, err
			}
			for i := start; i < stop; i++ {
				if same, err := c.equal(items[i], v[0]); same || err != nil {
					return int64(i), err
				}
			}
			if typ == "tuple" {
				return nil, failf(kindValue, "tuple.index(x): x not in tuple")
			}
			s, err := c.repr(v[0])
			if err != nil {
				return nil, err
			}
			return nil, failf(kindValue, "%.200s is not in list", brief(s))
		}}
	}
	return missing
}

// dictMethods are the methods of dict that change nothing.
var dictMethods = map[string]func(c *state, d *Dict, a args) (any, error){
	"items":  viewMethod("items"),
	"keys":   viewMethod("keys"),
	"values": viewMethod("values"),
	"get": func(c *state, d *Dict, a args) (any, error) {
		if err := a.noKeywords("get"); err != nil {
			return nil, err
		}
		v, err := a.bind("get", "key", "default?")
		if err != nil {
			return nil, err
		}
		h, err := c.hashKey(v[0])
		if err != nil {
			return nil, err
		}
		if x, ok := d.get(h); ok {
			return x, nil
		}
		return orElse(v[1], nil), nil
	},
	"copy": func(_ *state, d *Dict, a args) (any, error) {
		_, err := a.bind("copy")
		return &Dict{d.keys, d.vals, d.index}, err
	},
}

func viewMethod(name string) func(*state, *Dict, args) (any, error) {
	return func(_ *state, d *Dict, a args) (any, error) {
		_, err := a.bind(name)
		return &dictView{d, "dict_" + name}, err
	}
}
