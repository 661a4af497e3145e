package jinja

import (
	"errors"
	"fmt"
)

// Error is a failure of a template, found in its source by [Parse] or met by [Template.Render].
type Error struct {
	Name string // the template's name as given to Parse
	Line int    // 1 is the first
	Kind string // what Python calls it, e.g. TemplateSyntaxError, UndefinedError, TypeError; LimitError for a bound
	Msg  string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d: %s: %s", e.Name, e.Line, e.Kind, e.Msg)
}

// RaisedError is what raise_exception(message) in a template gives: the template refuses its input.
type RaisedError struct {
	Name    string
	Line    int
	Message string // the template's words alone
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

// failf makes an error that does not know its place yet; the innermost statement or expression adds it (see place).
func failf(kind, format string, a ...any) error {
	return &Error{Kind: kind, Msg: fmt.Sprintf(format, a...)}
}

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
