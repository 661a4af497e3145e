package chat

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"jamba/jinja"
)

// To continue the last message its text is rendered with a mark at its end, and the result is cut there. That finds the
// place even if the template changes the text before it.
const mark = "CONTINUE_FINAL_MESSAGE_TAG "

// mark puts the mark after the field of the last message, which it may change, and returns the field's text.
func (t *Template) mark(messages []any, field string) (string, error) {
	fail := func(format string, a ...any) (string, error) {
		return "", fmt.Errorf("chat: continue_final_message: "+format, a...)
	}
	last, _ := messages[len(messages)-1].(*jinja.Dict)
	v, ok := last.Get(field)
	if !ok {
		return fail("the final message has no %q to continue", field)
	}
	fields := []string{field}
	if slices.Contains(reasoningFields, field) {
		// The template may read any copy of the reasoning.
		fields = nil
		for _, f := range reasoningFields {
			if x, _ := last.Get(f); x == v {
				fields = append(fields, f)
			}
		}
	}
	if !slices.ContainsFunc(fields, func(f string) bool { return strings.Contains(t.source, f) }) {
		return fail("the chat template does not use the field %q", field)
	}
	switch v := v.(type) {
	case string:
		for _, f := range fields {
			last.Set(f, v+mark)
		}
		return v, nil
	case *jinja.List:
		parts := make([]any, v.Len())
		for i := range parts {
			parts[i] = v.At(i)
		}
		for i := len(parts) - 1; i >= 0; i-- {
			part, ok := parts[i].(*jinja.Dict)
			if !ok {
				continue
			}
			text, ok := part.Get("text")
			if !ok {
				continue
			}
			s, ok := text.(string)
			if !ok {
				return fail("the text of the final message's part %d is %s, want a string", i, kindOf(text))
			}
			marked := jinja.NewDict()
			for k, v := range part.All() {
				marked.Set(k, v)
			}
			marked.Set("text", s+mark)
			parts[i] = marked
			last.Set(field, jinja.NewList(parts...))
			return s, nil
		}
		return fail("the final message has no text to continue")
	}
	return fail("the final message's %q is %s, want a string or an array of parts", field, kindOf(v))
}

// cutAtMark cuts a rendered text at the mark. final is the text it was put after.
func cutAtMark(text, final string) (string, error) {
	bare := strings.TrimSpace(mark)
	i := strings.LastIndex(text, bare)
	if i < 0 || !strings.Contains(text, strings.TrimFunc(final, isSpace)) {
		return "", fmt.Errorf("chat: continue_final_message: the final message does not appear in the rendered text, " +
			"perhaps because the chat template leaves parts of it out")
	}
	if strings.HasPrefix(text[i:], mark) {
		return text[:i], nil
	}
	// The template trims the message, so the text ends where its trimmed form does.
	return strings.TrimRightFunc(text[:i], isSpace), nil
}

// isSpace is what Python's str.strip strips.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }
