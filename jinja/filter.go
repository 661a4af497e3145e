package jinja

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// A filterFunc computes v|name(args). It is called by run, which has paid for the texts among its operands.
type filterFunc func(c *state, v any, a args) (any, error)

var filters map[string]filterFunc

func init() { // filters such as map lead back to the table
	filters = map[string]filterFunc{
		"abs":            filterAbs,
		"attr":           filterAttr,
		"batch":          filterBatch,
		"capitalize":     textFilter("capitalize", capitalize),
		"center":         filterCenter,
		"count":          filterLength,
		"d":              filterDefault,
		"default":        filterDefault,
		"dictsort":       filterDictSort,
		"e":              filterEscape,
		"escape":         filterEscape,
		"filesizeformat": filterFileSize,
		"first":          filterFirst,
		"float":          filterFloat,
		"forceescape":    filterForceEscape,
		"format":         filterFormat,
		"groupby":        filterGroupBy,
		"indent":         filterIndent,
		"int":            filterInt,
		"items":          filterItems,
		"join":           filterJoin,
		"last":           filterLast,
		"length":         filterLength,
		"list":           filterList,
		"lower":          textFilter("lower", lowerCase),
		"map":            filterMap,
		"max":            extremeFilter("max", ">"),
		"min":            extremeFilter("min", "<"),
		"reject":         selectFilter(false, false),
		"rejectattr":     selectFilter(true, false),
		"replace":        filterReplace,
		"reverse":        filterReverse,
		"round":          filterRound,
		"safe":           filterSafe,
		"select":         selectFilter(false, true),
		"selectattr":     selectFilter(true, true),
		"slice":          filterSlice,
		"sort":           filterSort,
		"string":         filterString,
		"striptags":      filterStripTags,
		"sum":            filterSum,
		"title":          filterTitle,
		"tojson":         filterToJSON,
		"trim":           filterTrim,
		"truncate":       filterTruncate,
		"unique":         filterUnique,
		"upper":          textFilter("upper", upperCase),
		"urlencode":      filterURLEncode,
		"wordcount":      filterWordCount,
		"wordwrap":       filterWordWrap,
	}
}

// callNamed applies the filter that map was given by name.
func (c *state) callNamed(name, v any, a args) (any, error) {
	s, ok := asStr(name)
	f := filters[s]
	if !ok || f == nil {
		return nil, noSuch("filter", name)
	}
	if err := c.enter(); err != nil {
		return nil, err
	}
	defer c.leave()
	return c.run(f, v, a)
}

// noSuch is the error of a filter or test named at run time.
func noSuch(what string, name any) error {
	if u, ok := name.(*undefined); ok {
		return failf(kindRuntime, "No %s named Undefined. (%s; did you forget to quote the callable name?)", what, errMsg(u.fail()))
	}
	return failf(kindRuntime, "No %s named %s.", what, briefRepr(name))
}

func errMsg(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Msg
	}
	return err.Error()
}

// softStr is the text of a value, and whether it was a safe string.
func (c *state) softStr(v any) (string, bool, error) {
	s, err := c.str(v)
	_, safe := v.(markup)
	if err == nil {
		err = c.work(len(s))
	}
	return s, safe, err
}

// mapText pays for a mapping of a text, letter by letter, and does it. A letter may become three, and outside of ASCII
// each takes a table.
func (c *state) mapText(s string, f func(string) string) (string, error) {
	n := len(s)
	if !isASCII(s) {
		n *= bytesPerStep
	}
	err := c.work(n)
	if err == nil {
		err = c.alloc(6 * len(s)) // and what it is gathered in
	}
	if err != nil {
		return "", err
	}
	return f(s), nil
}

// textFilter maps the text of any value.
func textFilter(name string, f func(string) string) filterFunc {
	return func(c *state, v any, a args) (any, error) {
		if _, err := a.bind(name); err != nil {
			return nil, err
		}
		s, _, err := c.softStr(v)
		if err == nil {
			s, err = c.mapText(s, f)
		}
		return likeStr(v, s), err
	}
}

// getter returns what a filter's argument attribute looks up: a path of names and indices with dots between. Where
// otherwise is not nil it stands for parts that are not there.
func (c *state) getter(attribute, otherwise any) (func(any) (any, error), error) {
	var parts []any
	switch at := orElse(attribute, nil).(type) {
	case nil:
	case string, markup:
		s, _ := asStr(at)
		if err := c.allocTimes(2*valueSize, strings.Count(s, ".")+1); err != nil {
			return nil, err
		}
		parts = make([]any, 0, strings.Count(s, ".")+1)
		for p := range strings.SplitSeq(s, ".") {
			parts = append(parts, pathPart(p))
		}
	default:
		parts = []any{at}
	}
	return func(v any) (any, error) {
		for _, p := range parts {
			if err := c.step(1); err != nil {
				return nil, err
			}
			var err error
			if v, err = c.getItem(v, p); err != nil {
				return nil, err
			}
			if _, ok := v.(*undefined); ok && otherwise != nil {
				v = otherwise
			}
		}
		return v, nil
	}, nil
}

func pathPart(p string) any {
	if every(p, unicode.IsDigit) {
		if i, err := strconv.ParseInt(p, 10, 64); err == nil {
			return i
		}
	}
	return p
}

// folded wraps a getter so that strings compare without regard to case, unless sensitive.
func (c *state) folded(get func(any) (any, error), sensitive bool) func(any) (any, error) {
	if sensitive {
		return get
	}
	return func(v any) (any, error) {
		v, err := get(v)
		if s, ok := asStr(v); ok && err == nil {
			return c.mapText(s, lowerCase)
		}
		return v, err
	}
}

func filterDefault(_ *state, v any, a args) (any, error) {
	p, err := a.bind("default", "default_value?", "boolean?")
	if err != nil {
		return nil, err
	}
	_, undef := v.(*undefined)
	if undef || truth(orElse(p[1], false)) && !truth(v) {
		return orElse(p[0], ""), nil
	}
	return v, nil
}

func filterLength(_ *state, v any, a args) (any, error) {
	if _, err := a.bind("length"); err != nil {
		return nil, err
	}
	return length(v)
}

func filterAttr(c *state, v any, a args) (any, error) {
	p, err := a.bind("attr", "name")
	if err != nil {
		return nil, err
	}
	name, err := strArg(p[0], "")
	if err != nil {
		return nil, err
	}
	if u, ok := v.(*undefined); ok {
		return nil, u.fail()
	}
	x, err := c.attribute(v, name)
	if err == nil && x == missing {
		x = &undefined{obj: v, name: name}
	}
	return x, err
}

func filterMap(c *state, v any, a args) (any, error) {
	return lazily(func() (next, error) {
		if !truth(v) {
			return c.over(0, nil), nil
		}
		f, err := c.mapper(a)
		if err != nil {
			return nil, err
		}
		it, err := c.iterate(v)
		return func() (any, bool, error) {
			x, ok, err := it()
			if err != nil || !ok {
				return nil, false, err
			}
			x, err = f(x)
			return x, err == nil, err
		}, err
	}), nil
}

// mapper is what map does to each item: look up attribute, or apply the filter named by the first argument.
func (c *state) mapper(a args) (func(any) (any, error), error) {
	if len(a.pos) == 0 && len(a.kw) > 0 && slices.ContainsFunc(a.kw, func(k kwarg) bool { return k.name == "attribute" }) {
		for _, k := range a.kw {
			if k.name != "attribute" && k.name != "default" {
				return nil, failf(kindFilter, "Unexpected keyword argument %s", quoted(k.name))
			}
		}
		p, err := a.bind("map", "attribute", "default?")
		if err != nil {
			return nil, err
		}
		return c.getter(p[0], orElse(p[1], nil))
	}
	if len(a.pos) == 0 {
		return nil, failf(kindFilter, "map requires a filter argument")
	}
	rest := args{a.pos[1:], a.kw}
	return func(x any) (any, error) { return c.callNamed(a.pos[0], x, rest) }, nil
}

// selectFilter is one of select, reject, selectattr and rejectattr.
func selectFilter(byAttr, keep bool) filterFunc {
	return func(c *state, v any, a args) (any, error) {
		return lazily(func() (next, error) {
			if !truth(v) {
				return c.over(0, nil), nil
			}
			return c.selected(v, a, byAttr, keep)
		}), nil
	}
}

// selected yields the items of v that pass, or that fail, the test of the arguments. With byAttr the first argument names
// the attribute that is tested.
func (c *state) selected(v any, a args, byAttr, keep bool) (next, error) {
	get := func(x any) (any, error) { return x, nil }
	if byAttr {
		if len(a.pos) == 0 {
			return nil, failf(kindFilter, "Missing parameter for attribute name")
		}
		var err error
		if get, err = c.getter(a.pos[0], nil); err != nil {
			return nil, err
		}
		a.pos = a.pos[1:]
	}
	it, err := c.iterate(v)
	return func() (any, bool, error) {
		for {
			item, ok, err := it()
			if err != nil || !ok {
				return nil, false, err
			}
			x, err := get(item)
			if err != nil {
				return nil, false, err
			}
			pass, err := c.passes(x, a)
			if err != nil {
				return nil, false, err
			}
			if pass == keep {
				return item, true, nil
			}
		}
	}, err
}

// passes applies the test named by the first argument, or asks for truth when there is none.
func (c *state) passes(v any, a args) (bool, error) {
	if len(a.pos) == 0 {
		return truth(v), nil
	}
	name, ok := asStr(a.pos[0])
	t := tests[name]
	if !ok || t == nil {
		return false, noSuch("test", a.pos[0])
	}
	r, err := c.run(t, v, args{a.pos[1:], a.kw})
	return truth(r), err
}
