package chat

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"jamba/jinja"
)

// Guard tells which characters of a message must not come to begin a control token.
type Guard interface {
	Begins(r rune) bool    // whether a control token may begin with r
	Token(s string) string // the control token that s begins with, or ""
}

// maxTries bounds how often a template is rendered to find out which characters of the messages it reads itself.
const maxTries = 200

// RenderLiteral is Render that also returns which bytes of the text are the beginning of a control token as far as their
// character goes, but come from a message, a document or a tool and not from the template, ascending.
//
// It renders the request a second time, with characters of private use in their place: wherever the template copies,
// trims or quotes a message, they show. The text must be the same but for them. Characters that the template reads itself,
// as those that end a reasoning, are found out one by one; it is an error if one of them might be in the text.
func (ts *Templates) RenderLiteral(r Request, g Guard) (text string, literal []int, err error) {
	t, err := ts.For(r)
	if err != nil {
		return "", nil, err
	}
	return t.RenderLiteral(r, g)
}

// RenderLiteral is [Templates.RenderLiteral] with this template.
func (t *Template) RenderLiteral(r Request, g Guard) (text string, literal []int, err error) {
	if err := r.check(); err != nil {
		return "", nil, err
	}
	// All renderings have the same time.
	now := time.Now()
	if t.options.Now != nil {
		now = t.options.Now()
	}
	o := t.options
	o.Now = func() time.Time { return now }
	m := marking{template: t.WithOptions(o), request: r, guard: g, marks: map[rune]rune{}, read: map[place]bool{}}
	if m.text, err = m.template.Render(r); err != nil {
		return "", nil, err
	}
	if err := m.survey(); err != nil {
		return "", nil, err
	}
	literal, same := m.try(m.unread)
	if !same {
		if err := m.findRead(); err != nil {
			return "", nil, err
		}
		if literal, same = m.try(m.unread); !same {
			return "", nil, m.fail(0)
		}
	}
	return m.text, literal, nil
}

// place is a character of a request that may begin a control token: the number of its string in the order of the walk, and
// its byte there.
type place struct{ field, at int }

// marking follows characters of a request into its rendering.
type marking struct {
	template *Template
	request  Request
	guard    Guard
	text     string // the rendering

	fields []field
	marks  map[rune]rune // of characters: the one of private use that stands for it
	back   []rune        // by mark, from firstMark on: the character
	read   map[place]bool
}

// field is a string of the request.
type field struct {
	name   string
	places []place
	tokens map[place]string // the control tokens that are spelt out there
}

const (
	firstMark = '\U00100000'
	lastMark  = '\U0010FFFD'
)

func isMark(r rune) bool { return firstMark <= r && r <= lastMark }

// survey lists the characters to be followed.
func (m *marking) survey() error {
	if strings.ContainsFunc(m.text, isMark) {
		return fmt.Errorf("chat: literal content: the conversation has characters from %U on, which are used as marks", firstMark)
	}
	var err error
	m.walk(func(f int, name, s string) string {
		for f >= len(m.fields) {
			m.fields = append(m.fields, field{name: name, tokens: map[place]string{}})
		}
		for at, r := range s {
			if !m.guard.Begins(r) {
				continue
			}
			p := place{f, at}
			m.fields[f].places = append(m.fields[f].places, p)
			if token := m.guard.Token(s[at:]); token != "" {
				m.fields[f].tokens[p] = token
			}
			if m.marks[r] == 0 && firstMark+rune(len(m.back)) <= lastMark {
				m.marks[r] = firstMark + rune(len(m.back))
				m.back = append(m.back, r)
			}
		}
		return s
	}, func(name, s string) {
		for at := range s {
			if token := m.guard.Token(s[at:]); token != "" && err == nil {
				err = fmt.Errorf("chat: literal content: %s holds the control token %q; roles and names of fields cannot", name, token)
			}
		}
	})
	return err
}

func (m *marking) unread(p place) bool { return !m.read[p] }

// try renders the request with marks at some places, and reports where they are in the text if that is the same but for them.
func (m *marking) try(at func(place) bool) (literal []int, same bool) {
	out, err := m.template.Render(m.replaced(at, func(r rune) rune { return m.marks[r] }))
	if err != nil {
		return nil, false
	}
	done := 0
	for _, r := range out {
		if isMark(r) {
			if int(r-firstMark) >= len(m.back) {
				return nil, false
			}
			r = m.back[r-firstMark]
			literal = append(literal, done)
		}
		got, n := utf8.DecodeRuneInString(m.text[done:])
		if got != r || n == 0 {
			return nil, false
		}
		done += n
	}
	return literal, done == len(m.text)
}

// findRead finds the characters that the template reads itself. They stay unmarked if they do not come into the text.
func (m *marking) findRead() error {
	tries := 0
	for f := range m.fields {
		if len(m.fields[f].places) == 0 {
			continue
		}
		if tries++; tries > maxTries {
			return m.fail(f)
		}
		if _, same := m.try(func(p place) bool { return p.field == f }); same {
			continue
		}
		tokens := m.fields[f].tokens
		if _, same := m.try(func(p place) bool { return p.field == f && tokens[p] == "" }); !same {
			return m.fail(f)
		}
		for _, p := range m.fields[f].places {
			if tokens[p] == "" {
				continue
			}
			if tries++; tries > maxTries {
				return m.fail(f)
			}
			only := func(q place) bool { return p == q }
			if _, same := m.try(only); same {
				continue
			}
			// With another character in its place, are there as many of the token? Then it is none of those in the text.
			out, err := m.template.Render(m.replaced(only, func(rune) rune { return 'x' }))
			if err != nil || strings.Count(out, tokens[p]) != strings.Count(m.text, tokens[p]) {
				return m.fail(f)
			}
			m.read[p] = true
		}
	}
	return nil
}

func (m *marking) fail(f int) error {
	return fmt.Errorf("chat: literal content: the chat template changes or reads what may be control tokens in %s, so that they cannot be told from its own", m.fields[f].name)
}

// replaced returns the request with other characters at some places.
func (m *marking) replaced(at func(place) bool, by func(rune) rune) Request {
	return m.walk(func(f int, _, s string) string {
		if len(m.fields[f].places) == 0 {
			return s
		}
		var b strings.Builder
		for i, r := range s {
			if m.marks[r] != 0 && at(place{f, i}) {
				r = by(r)
			}
			b.WriteRune(r)
		}
		return b.String()
	}, func(string, string) {})
}

// walk returns the request with the strings in its messages, tools and documents replaced, and shows roles and keys to fixed.
func (m *marking) walk(replace func(f int, name, s string) string, fixed func(name, s string)) Request {
	fields := 0
	var value func(name string, v any) any
	list := func(name string, l *jinja.List) *jinja.List {
		if l == nil {
			return nil
		}
		items := make([]any, l.Len())
		for i := range items {
			items[i] = value(fmt.Sprintf("%s[%d]", name, i), l.At(i))
		}
		return jinja.NewList(items...)
	}
	value = func(name string, v any) any {
		switch v := v.(type) {
		case string:
			fields++
			return replace(fields-1, name, v)
		case *jinja.List:
			return list(name, v)
		case *jinja.Dict:
			d := jinja.NewDict()
			for k, x := range v.All() {
				fixed("a key of "+name, k)
				if role, ok := x.(string); ok && k == "role" {
					fixed(name+".role", role)
				} else {
					x = value(name+"."+k, x)
				}
				d.Set(k, x)
			}
			return d
		}
		return v
	}
	r := m.request
	r.Messages, r.Tools, r.Documents = list("messages", r.Messages), list("tools", r.Tools), list("documents", r.Documents)
	return r
}
