package turn

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Error is an error with what the protocols say of one.
type Error struct {
	Status  int    // of HTTP
	Param   string // the field of the request that is wrong; ""
	Code    string // such as context_length_exceeded; ""
	Message string
	Retry   int // seconds after which to try again; 0: unknown
}

func (e *Error) Error() string { return e.Message }

// Invalid returns the error of a request whose field is wrong.
func Invalid(param, format string, a ...any) *Error {
	message := fmt.Sprintf(format, a...)
	if param != "" {
		message = param + ": " + message
	}
	return &Error{Status: http.StatusBadRequest, Param: param, Message: message}
}

// AsError returns err as an Error, a fault of the server if it says nothing else.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Status: http.StatusInternalServerError, Message: err.Error()}
}

// Decode reads a request in JSON into v. Fields that v has not are ignored; an error names the one that is wrong, or is there twice:
// which of two counts would be a guess.
func Decode(data []byte, v any) error {
	if !utf8.Valid(data) {
		return Invalid("", "the body is not UTF-8")
	}
	err := json.Unmarshal(data, v)
	var (
		own    *Error
		syntax *json.SyntaxError
		kind   *json.UnmarshalTypeError
	)
	switch {
	case err == nil && string(bytes.TrimSpace(data)) == "null":
		return Invalid("", "the body is null, want an object")
	case err == nil:
		if name := repeated(data); name != "" {
			return Invalid(fmt.Sprintf("%.80s", name), "the field is there twice")
		}
		return nil
	case errors.As(err, &own):
		return own
	case errors.As(err, &syntax):
		return Invalid("", "the body is no JSON: %s at byte %d", syntax.Error(), syntax.Offset)
	case errors.As(err, &kind):
		field := strings.TrimPrefix(kind.Field, "sampling.") // fields that requests have in common
		if field == "" {
			return Invalid("", "the body is %s, want an object", kind.Value)
		}
		return Invalid(field, "found %s, want %s", kind.Value, named(kind.Type.String()))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return Invalid("", "the body ends too early")
	}
	return Invalid("", "%v", err)
}

// named tells a Go type in JSON's words.
func named(t string) string {
	switch t = strings.TrimLeft(t, "*"); {
	case strings.HasPrefix(t, "int"):
		return "a whole number"
	case strings.HasPrefix(t, "uint"):
		return "a whole number of 0 or more"
	case strings.HasPrefix(t, "float"):
		return "a number"
	case t == "bool":
		return "true or false"
	case t == "string":
		return "a string"
	case strings.HasPrefix(t, "[]"):
		return "an array"
	}
	return "an object"
}

// Check returns an error if a field's number is out of range.
func Check[T int | float64](param string, v *T, lo, hi T) error {
	if v != nil && !(*v >= lo && *v <= hi) {
		return Invalid(param, "%v is out of range, want %v to %v", *v, lo, hi)
	}
	return nil
}
