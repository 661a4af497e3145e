package jinja

import (
	"strings"
	"testing"
	"time"
)

// fuzzOptions are small enough for a run to take well under a second.
var fuzzOptions = Options{Now: atGoldenTime, Steps: 20000, Memory: 1 << 20, Output: 1 << 16}

// FuzzRender renders arbitrary templates: whatever they are, it returns soon, and never panics.
func FuzzRender(f *testing.F) {
	vars, lines := goldens(f)
	for _, g := range lines {
		f.Add(g.Template)
	}
	for _, h := range hostile {
		if len(h) < 1000 {
			f.Add(h)
		}
	}
	f.Fuzz(func(t *testing.T, src string) {
		start := time.Now()
		tmpl, err := Parse("fuzz", src)
		if err == nil {
			_, err = tmpl.Render(vars, fuzzOptions)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("took %v", d)
		}
		if err == nil {
			return
		}
		kind, _, line := failure(err)
		if kind == "" || line < 1 || line > strings.Count(src, "\n")+strings.Count(src, "\r")+1 {
			t.Errorf("error %T %v at line %d", err, err, line)
		}
	})
}

// FuzzDecodeJSON decodes arbitrary bytes.
func FuzzDecodeJSON(f *testing.F) {
	for _, s := range []string{`{"a": [1, 2.5, null, true, "x\u00e9"]}`, `[`, `1e999`, `123456789012345678901234567890`, `{"a": 1, "a": 2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := DecodeJSON(data)
		if err != nil {
			return
		}
		tmpl, err := Parse("t", "{{ v | tojson }}")
		if err != nil {
			t.Fatal(err)
		}
		text, err := tmpl.Render(map[string]any{"v": v}, Options{})
		if err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		if strings.Contains(text, "Infinity") {
			return
		}
		again, err := DecodeJSON([]byte(text))
		if err != nil {
			t.Fatalf("%q became %q: %v", data, text, err)
		}
		second, err := tmpl.Render(map[string]any{"v": again}, Options{})
		if err != nil || second != text {
			t.Errorf("%q became %q, then %q %v", data, text, second, err)
		}
	})
}
