package chat

import (
	"fmt"
	"maps"
	"slices"

	"jamba/text/chat/jinja"
)

// Template is a chat template with the model's special tokens. Any number of goroutines may render it at once.
type Template struct {
	source  string
	parsed  *jinja.Template
	special map[string]string
	options jinja.Options
}

// FromString parses a template; name stands in error messages. special maps variables such as bos_token to their tokens.
// An error is a [*jinja.Error].
func FromString(name, source string, special map[string]string) (*Template, error) {
	t, err := jinja.Parse(name, source)
	if err != nil {
		return nil, err
	}
	return &Template{source: source, parsed: t, special: maps.Clone(special)}, nil
}

// WithOptions returns the template with other bounds or another clock.
func (t *Template) WithOptions(o jinja.Options) *Template {
	c := *t
	c.options = o
	return &c
}

// Source returns the template's text.
func (t *Template) Source() string { return t.source }

// Render renders a request. When the template refuses it the error is a [*jinja.RaisedError]; other failures of the
// template are a [*jinja.Error].
func (t *Template) Render(r Request) (string, error) {
	if err := r.check(); err != nil {
		return "", err
	}
	vars := make(map[string]any, len(t.special)+len(r.Vars)+4)
	for name, token := range t.special {
		vars[name] = token
	}
	maps.Copy(vars, r.Vars)
	messages := plainMessages(r.Messages)
	vars["tools"], vars["documents"] = orNone(r.Tools), orNone(r.Documents)
	vars["add_generation_prompt"] = r.AddGenerationPrompt
	if r.ContinueField == "" {
		vars["messages"] = jinja.NewList(messages...)
		return t.parsed.Render(vars, t.options)
	}
	final, err := t.mark(messages, r.ContinueField)
	if err != nil {
		return "", err
	}
	vars["messages"] = jinja.NewList(messages...)
	text, err := t.parsed.Render(vars, t.options)
	if err != nil {
		return "", err
	}
	return cutAtMark(text, final)
}

// orNone keeps a nil list from becoming a list that is not None.
func orNone(l *jinja.List) any {
	if l == nil {
		return nil
	}
	return l
}

// reasoningFields are the names a message's reasoning goes by, the standard one first.
var reasoningFields = []string{"reasoning_content", "thinking", "reasoning"}

// plainMessages copies the messages as the reference prepares them: without null fields, and with their reasoning under
// the names that templates read.
func plainMessages(l *jinja.List) []any {
	out := make([]any, l.Len())
	for i := range out {
		m, _ := l.At(i).(*jinja.Dict)
		var reasoning any
		for _, f := range reasoningFields {
			if v, _ := m.Get(f); reasoning == nil {
				reasoning = v
			}
		}
		d := jinja.NewDict()
		if reasoning != nil {
			d.Set("thinking", reasoning)
		}
		for k, v := range m.All() {
			if v != nil {
				d.Set(k, v)
			}
		}
		if reasoning != nil {
			d.Set("reasoning_content", reasoning)
		}
		out[i] = d
	}
	return out
}

// Templates are the templates of a model by name. The one named default is for all requests, tool_use for those with
// tools if it is there.
type Templates struct {
	named map[string]entry
}

// An entry is a template or why it is none: one that cannot be read does not keep a model from using another.
type entry struct {
	t   *Template
	err error
}

// FromNamed parses the templates of a model. In GGUF metadata tokenizer.chat_template is the one named default, and
// tokenizer.chat_template.NAME the others. It returns nil when there are none.
func FromNamed(sources, special map[string]string) *Templates {
	if len(sources) == 0 {
		return nil
	}
	ts := &Templates{map[string]entry{}}
	for name, source := range sources {
		t, err := FromString("chat template "+name, source, special)
		ts.named[name] = entry{t, err}
	}
	return ts
}

// Names returns the names of the templates, sorted.
func (ts *Templates) Names() []string { return slices.Sorted(maps.Keys(ts.named)) }

// Get returns the template of a name.
func (ts *Templates) Get(name string) (*Template, error) {
	e, ok := ts.named[name]
	if !ok {
		return nil, fmt.Errorf("chat: the model has no chat template named %q, only %q", name, ts.Names())
	}
	return e.t, e.err
}

// For returns the template for a request: tool_use if the request has tools and the model such a template, else default.
func (ts *Templates) For(r Request) (*Template, error) {
	if _, ok := ts.named["tool_use"]; ok && r.Tools != nil {
		return ts.Get("tool_use")
	}
	return ts.Get("default")
}

// Render renders a request with the template for it.
func (ts *Templates) Render(r Request) (string, error) {
	t, err := ts.For(r)
	if err != nil {
		return "", err
	}
	return t.Render(r)
}
