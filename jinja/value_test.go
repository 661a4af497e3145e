package jinja

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
)

func TestGoValues(t *testing.T) {
	type opaque struct{}
	d := NewDict()
	d.Set("z", 1)
	d.Set("a", []string{"x"})
	d.Set("z", 2.5)
	vars := map[string]any{"v": []any{
		nil, true, 1, int8(-2), uint16(3), uint64(math.MaxUint64), float32(0.5), "s", json.Number("7"), json.Number("7.0"),
		[]any{1, []string{"a"}},
		map[string]any{"b": 1, "a": nil},
		map[string]string{"k": "v"},
		[]map[string]any{{"q": 1}},
		d,
		NewList(1, "x"),
		opaque{},
		make(chan int),
	}}
	const want = `[null, true, 1, -2, 3, 18446744073709551615, 0.5, "s", 7, 7.0, [1, ["a"]], {"a": null, "b": 1}, {"k": "v"}, [{"q": 1}], ` +
		`{"z": 2.5, "a": ["x"]}, [1, "x"], "<jinja.opaque>", "<chan int>"]`
	text, err := renderString("{{ v | tojson }}", vars)
	if err != nil || text != want {
		t.Errorf("got %s %v\nwant %s", text, err, want)
	}
	if v, ok := d.Get("z"); !ok || v != 2.5 || d.Len() != 2 {
		t.Errorf("Get: %v %v", v, ok)
	}
	if _, ok := d.Get("q"); ok {
		t.Error("Get found what is not there")
	}
	var deep any
	for range 2000 {
		deep = []any{deep}
	}
	if _, err := renderString("{{ v | tojson }}", map[string]any{"v": deep}); err == nil {
		t.Error("no error from a value nested 2000 deep")
	}
}

func TestDecodeJSON(t *testing.T) {
	for _, c := range []struct{ in, out string }{
		{`{"b": 1, "a": 1.0, "b": 2}`, `{"b": 2, "a": 1.0}`},
		{`[1e2, -0, -0.0, 1E400, 9223372036854775807, 9223372036854775808]`, `[100.0, 0, -0.0, Infinity, 9223372036854775807, 9223372036854775808]`},
		{` "\u00e9\ud83d\ude00\/" `, `"é😀/"`},
		{strings.Repeat("[", 200) + strings.Repeat("]", 200), strings.Repeat("[", 200) + strings.Repeat("]", 200)},
	} {
		v, err := DecodeJSON([]byte(c.in))
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if text, err := renderString("{{ v | tojson }}", map[string]any{"v": v}); text != c.out {
			t.Errorf("%s: got %s %v, want %s", c.in, text, err, c.out)
		}
	}
	for _, in := range []string{``, `{`, `[1,]`, `{"a" 1}`, `1 2`, `nul`, `{"a": }`, `[1}`, strings.Repeat("[", 300) + strings.Repeat("]", 300), `'a'`} {
		if v, err := DecodeJSON([]byte(in)); err == nil {
			t.Errorf("%.20s: got %v, want an error", in, v)
		}
	}
}

func TestErrors(t *testing.T) {
	tmpl, err := Parse("my template", "a\n{{ raise_exception('no ' ~ x) }}")
	if err != nil {
		t.Fatal(err)
	}
	_, err = tmpl.Render(map[string]any{"x": 5}, Options{})
	var raised *RaisedError
	if !errors.As(err, &raised) || raised.Message != "no 5" || err.Error() != "my template:2: no 5" {
		t.Errorf("%v", err)
	}
	tmpl, err = Parse("my template", "{% macro f(x) %}\n{{ x.y.z }}{% endmacro %}\n\n{{ f({}) }}")
	if err != nil {
		t.Fatal(err)
	}
	_, err = tmpl.Render(nil, Options{})
	if err == nil || err.Error() != "my template:2: UndefinedError: 'dict object' has no attribute 'y'" {
		t.Errorf("%v", err)
	}
	_, err = Parse("my template", "\n\n{% include 'x' %}")
	if err == nil || err.Error() != "my template:3: TemplateSyntaxError: the tag 'include' is not supported in chat templates" {
		t.Errorf("%v", err)
	}
	for _, tag := range []string{"include 'x'", "import 'x' as y", "from 'x' import y", "extends 'x'", "block x", "autoescape true"} {
		if _, err := Parse("t", "{% "+tag+" %}"); err == nil || !strings.Contains(err.Error(), "not supported") {
			t.Errorf("%s: %v", tag, err)
		}
	}
	for _, src := range []string{"{{ 9223372036854775807 + 1 }}", "{{ -9223372036854775807 - 2 }}", "{{ 4611686018427387904 * 2 }}", "{{ 2 ** 63 }}", "{{ 9223372036854775808 + 1 }}"} {
		_, err := renderString(src, nil)
		if kind, _, _ := failure(err); kind != kindOverflow {
			t.Errorf("%s: got %v, want an OverflowError", src, err)
		}
	}
}

// TestInvalidUTF8 checks that a source of any bytes gives valid text.
func TestInvalidUTF8(t *testing.T) {
	text, err := renderString("a\xff{{ '\xfe' ~ '\\ud800' }}\xc3", nil)
	if err != nil || text != "a\uFFFD\uFFFD\uFFFD\uFFFD" {
		t.Errorf("got %q %v", text, err)
	}
}

// TestStrict asserts that undefined values are errors where they are written or filtered, and nowhere else.
func TestStrict(t *testing.T) {
	for source, want := range map[string]string{
		"{{ x }}": "", "{{ d.y }}": "", "{{ x | trim }}": "", "{{ x.strip() }}": "", "{{ 'a' ~ d.x }}": "a1",
		"{{ 1 if x is defined else 2 }}": "2", "{{ x | default(3) }}": "3", "{{ d.x }}": "1",
	} {
		tmpl, err := Parse("t", source)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tmpl.Render(map[string]any{"d": map[string]any{"x": 1}}, Options{Strict: true})
		if (err != nil) != (want == "") || got != want {
			t.Errorf("%s: %q, error %v, want %q", source, got, err, want)
		}
	}
}
