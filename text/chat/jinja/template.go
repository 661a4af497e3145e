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

// Options bound a rendering and give it a clock. Zero fields mean the default.
//
// Variables may be nil, bool, integers, floats, strings, json.Number, [*List], [*Dict], []any, []string,
// []map[string]any, map[string]any and map[string]string (whose keys come sorted); values of other types become a string
// that names the type.
type Options struct {
	Now    func() time.Time // for strftime_now; time.Now
	Steps  int              // expressions, statements and items gone through, and 64 byte pieces of text; 10 million
	Memory int              // bytes of all values and texts made, whether still in use or not; 512 MiB
	Output int              // bytes of the result; 64 MiB
}

const (
	defaultSteps  = 10_000_000
	defaultMemory = 512 << 20
	defaultOutput = 64 << 20
)

// Render renders the template with the variables. An error is an [*Error] or a [*RaisedError].
func (t *Template) Render(vars map[string]any, o Options) (string, error) {
	text, _, err := t.RenderGenerated(vars, o)
	return text, err
}

// RenderGenerated is Render that also returns where in the text the {% generation %} blocks stand, from and to in bytes.
// Those within macros and other blocks whose text is used as a value are left out.
func (t *Template) RenderGenerated(vars map[string]any, o Options) (string, [][2]int, error) {
	c := &state{tmpl: t, vars: make(map[string]any, len(vars)), now: o.Now}
	c.limits.steps = positive(o.Steps, defaultSteps)
	c.limits.memory = positive(o.Memory, defaultMemory)
	c.limits.output = positive(o.Output, defaultOutput)
	if c.now == nil {
		c.now = time.Now
	}
	for name, v := range vars {
		c.vars[name] = fromGo(v, 0)
	}
	out := &buffer{top: true}
	if _, err := c.exec(t.body, c.open(t.syms, nil), out); err != nil {
		return "", nil, place(err, t.name, 1)
	}
	return out.String(), c.generated, nil
}

func positive(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

// state is one rendering.
type state struct {
	tmpl   *Template
	vars   map[string]any
	now    func() time.Time
	limits struct{ steps, memory, output int }
	steps  int
	memory int
	depth  int // of evaluation
	calls  int // of macros

	generated [][2]int // {% generation %} blocks in the output
}

// maxEval bounds the depth of evaluation, maxCalls that of macro calls and recursive loops.
const (
	maxEval  = 4000
	maxCalls = 200
)

func (c *state) step(n int) error {
	if c.steps += n; c.steps > c.limits.steps {
		return failf(kindLimit, "rendering takes more than %d steps", c.limits.steps)
	}
	return nil
}

// work counts the steps of going through n bytes.
func (c *state) work(n int) error { return c.step(n/64 + 1) }

// alloc counts n bytes about to be made. It comes before making them.
func (c *state) alloc(n int) error {
	if n > c.limits.memory-c.memory {
		return failf(kindLimit, "rendering takes more than %d bytes of memory", c.limits.memory)
	}
	c.memory += n
	return c.step(n / 64)
}

// allocTimes counts count pieces of size bytes each.
func (c *state) allocTimes(size, count int) error {
	if size > 0 && count > c.limits.memory/size {
		return failf(kindLimit, "rendering takes more than %d bytes of memory", c.limits.memory)
	}
	return c.alloc(size * max(count, 0))
}

func (c *state) enter() error {
	if c.depth++; c.depth > maxEval {
		c.depth--
		return failf(kindLimit, "evaluation nested more than %d deep", maxEval)
	}
	return nil
}

func (c *state) leave() { c.depth-- }

// buffer gathers output; top is that of the whole template.
type buffer struct {
	strings.Builder
	top bool
}

func (c *state) write(out *buffer, s string) error {
	if out.top && len(s) > c.limits.output-out.Len() {
		return failf(kindLimit, "the output is larger than %d bytes", c.limits.output)
	}
	if err := c.alloc(len(s)); err != nil {
		return err
	}
	out.WriteString(s)
	return nil
}
