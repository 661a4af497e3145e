package jinja

import (
	"errors"
	"strings"
	"time"
)

// MaxSource is the largest template source that [Parse] takes, in bytes.
const MaxSource = 1 << 20

// Template is a parsed template. Any number of goroutines may render it at once.
type Template struct {
	name string
	body []stmt
	syms *symbols
}

// Parse parses a template; name stands in its error messages. An error is a [*Error].
func Parse(name, src string) (*Template, error) {
	if len(src) > MaxSource {
		return nil, &Error{Name: name, Line: 1, Kind: kindLimit, Msg: "the source is larger than 1 MiB"}
	}
	body, err := parse(strings.ToValidUTF8(src, "\uFFFD"))
	var syms *symbols
	if err == nil {
		syms, err = resolve(body)
	}
	if err != nil {
		err = place(err, name, 1)
		var e *Error
		if errors.As(err, &e) {
			e.Name = name
		}
		return nil, err
	}
	return &Template{name, body, syms}, nil
}

// Options bound a rendering and give it a clock. Zero fields mean the default, which grows with the variables: a rendering
// ends within a second or two at its limits, and takes no more memory than a small multiple of what it was given.
//
// Variables may be nil, bool, integers, floats, strings, json.Number, [*List], [*Dict], []any, []string,
// []map[string]any, map[string]any and map[string]string (whose keys come sorted); values of other types become a string
// that names the type.
type Options struct {
	Now    func() time.Time // for strftime_now; time.Now
	Steps  int              // expressions, statements and items gone through, and pieces of text; 5 million and 8 a byte of the variables
	Memory int              // bytes of all values and texts made, whether still in use or not; 64 MiB and 64 a byte
	Output int              // bytes of the result; 16 MiB and 8 a byte
	Strict bool             // it is an error to write what is undefined, or to filter it with any but default
}

// Render renders the template with the variables. An error is an [*Error] or a [*RaisedError].
func (t *Template) Render(vars map[string]any, o Options) (string, error) {
	text, _, err := t.RenderGenerated(vars, o)
	return text, err
}

// RenderGenerated is Render that also returns where in the text the {% generation %} blocks stand, from and to in bytes.
// Those within macros and other blocks whose text is used as a value are left out.
func (t *Template) RenderGenerated(vars map[string]any, o Options) (string, [][2]int, error) {
	c := &state{tmpl: t, vars: make(map[string]any, len(vars)), now: o.Now, strict: o.Strict}
	size := 0
	for name, v := range vars {
		v = fromGo(v, 0)
		size = min(size+sizeOf(v), maxSize)
		c.vars[name] = v
	}
	c.budget = newBudget(o, size)
	if c.now == nil {
		c.now = time.Now
	}
	out := &buffer{top: true}
	sc, err := c.open(t.syms, nil)
	if err == nil {
		_, err = c.exec(t.body, sc, out)
	}
	if err != nil {
		return "", nil, place(err, t.name, 1)
	}
	return out.String(), c.generated, nil
}

// state is one rendering.
type state struct {
	tmpl *Template
	vars map[string]any
	now  func() time.Time
	budget
	strict bool
	depth  int // of evaluation
	calls  int // of macros

	generated [][2]int // {% generation %} blocks in the output
}

// maxEval bounds the depth of evaluation, maxCalls that of macro calls and recursive loops.
const (
	maxEval  = 4000
	maxCalls = 200
)

func (c *state) enter() error {
	if c.depth++; c.depth > maxEval {
		c.depth--
		return failf(kindLimit, "evaluation nested more than %d deep", maxEval)
	}
	return nil
}

func (c *state) leave() { c.depth-- }
