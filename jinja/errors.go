package jinja

import (
	"errors"
	"fmt"

	"jamba/internal/printable"
)

// Error is a failure of a template, found in its source by [Parse] or met by [Template.Render].
type Error struct {
	Name string // the template's name as given to Parse
	Line int    // 1 is the first
	Kind string // what Python calls it, e.g. TemplateSyntaxError, UndefinedError, TypeError; LimitError for a bound
	Msg  string // of a message longer than a few hundred bytes the middle is left out
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d: %s: %s", e.Name, e.Line, e.Kind, e.Msg)
}

// RaisedError is what raise_exception(message) in a template gives: the template refuses its input.
type RaisedError struct {
	Name    string
	Line    int
	Message string // the template's words alone, those of a long message without its middle
}

func (e *RaisedError) Error() string {
	return fmt.Sprintf("%s:%d: %s", e.Name, e.Line, e.Message)
}

const (
	kindSyntax    = "TemplateSyntaxError"
	kindRuntime   = "TemplateRuntimeError"
	kindUndefined = "UndefinedError"
	kindSecurity  = "SecurityError"
	kindFilter    = "FilterArgumentError"
	kindType      = "TypeError"
	kindValue     = "ValueError"
	kindOverflow  = "OverflowError"
	kindZero      = "ZeroDivisionError"
	kindLimit     = "LimitError"
)

// maxMessage bounds the bytes of an error's message: whatever a template can make stand in it.
const maxMessage = 400

// brief cuts a message that is too long.
func brief(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	return printable.Cut(s, maxMessage)
}

// failf makes an error that does not know its place yet; the innermost statement or expression adds it (see place).
func failf(kind, format string, a ...any) error {
	return &Error{Kind: kind, Msg: brief(fmt.Sprintf(format, a...))}
}

// quoted is the repr of a text for an error's message.
func quoted(s string) string { return quote(brief(s)) }

// place sets the template's name and line in an error that has none.
func place(err error, name string, line int) error {
	var e *Error
	var r *RaisedError
	switch {
	case errors.As(err, &e) && e.Line == 0:
		e.Name, e.Line = name, line
	case errors.As(err, &r) && r.Line == 0:
		r.Name, r.Line = name, line
	}
	return err
}

// isKind tells whether err is an Error of one of the kinds.
func isKind(err error, kinds ...string) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	for _, k := range kinds {
		if e.Kind == k {
			return true
		}
	}
	return false
}
