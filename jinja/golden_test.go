package jinja

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"jamba/internal/testutil"
)

// A golden is a line of testdata/jinja.jsonl, which testdata/make_jinja.py makes with Python's jinja2.
type golden struct {
	Name, Template, Text string
	Error, Message       string
	Line                 int
	Vars                 json.RawMessage
}

// goldenTime is the time that the goldens were made at.
var goldenTime = time.Date(2026, 2, 3, 4, 5, 6, 7008000, time.UTC)

func atGoldenTime() time.Time { return goldenTime }

func goldens(t testing.TB) (map[string]any, []golden) {
	t.Helper()
	lines := testutil.JSONLines[golden](t, "testdata/jinja.jsonl")
	v, err := DecodeJSON(lines[0].Vars)
	if err != nil {
		t.Fatal(err)
	}
	vars := map[string]any{}
	for k, v := range v.(*Dict).All() {
		vars[k] = v
	}
	return vars, lines[1:]
}

// failure takes an error of this package apart.
func failure(err error) (kind, msg string, line int) {
	var e *Error
	var r *RaisedError
	switch {
	case errors.As(err, &e):
		return e.Kind, e.Msg, e.Line
	case errors.As(err, &r):
		return "TemplateError", r.Message, r.Line
	}
	return "", "", 0
}

func TestGoldens(t *testing.T) {
	vars, lines := goldens(t)
	if len(lines) < 900 {
		t.Fatalf("%d goldens", len(lines))
	}
	for _, g := range lines {
		t.Run(g.Name, func(t *testing.T) {
			text, err := renderString(g.Template, vars)
			kind, msg, line := failure(err)
			switch {
			case g.Error == "SyntaxError": // Python's own, found when it compiles the generated code
				if kind != kindSyntax {
					t.Errorf("%q\n got %q %v\nwant %s %s", g.Template, text, err, g.Error, g.Message)
				}
				return
			case g.Error == kindType && aboutArguments(g.Message):
				msg = g.Message
			}
			if text != g.Text || kind != g.Error || msg != g.Message || line != g.Line {
				t.Errorf("%q\n got %q %s %s, line %d\nwant %q %s %s, line %d", g.Template, text, kind, msg, line, g.Text, g.Error, g.Message, g.Line)
			}
		})
	}
}

// aboutArguments tells whether a message is on the arguments of a call. Those name Python's inner functions.
func aboutArguments(msg string) bool {
	return strings.Contains(msg, "argument") && !strings.HasPrefix(msg, "macro")
}

func renderString(src string, vars map[string]any) (string, error) {
	tmpl, err := Parse("t", src)
	if err != nil {
		return "", err
	}
	return tmpl.Render(vars, Options{Now: atGoldenTime})
}
