package lora

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/dlclark/regexp2"

	"jamba/internal/printable"
)

// expression is a regular expression of Python's that names have to match as a whole. Go's own are enough for most;
// others, which look ahead or behind, go to regexp2.
type expression struct {
	plain *regexp.Regexp
	other *regexp2.Regexp
}

// Bounds of what a file's expressions may cost.
const (
	maxExpression = 4 << 10     // bytes
	patience      = time.Second // for all names together
)

func compile(text string) (*expression, error) {
	if len(text) > maxExpression {
		return nil, fmt.Errorf("a regular expression of %d bytes, at most %d are supported", len(text), maxExpression)
	}
	whole := `^(?:` + text + `)$`
	plain, err := regexp.Compile(whole)
	if err == nil {
		return &expression{plain: plain}, nil
	}
	other, errOther := regexp2.Compile(whole, regexp2.None)
	if errOther != nil {
		return nil, errors.New(printable.Cut(err.Error(), 200))
	}
	return &expression{other: other}, nil
}

// match reports whether the expression matches a name. It is an error if that is not known by the deadline.
func (e *expression) match(name string, deadline time.Time) (bool, error) {
	left := time.Until(deadline)
	if left <= 0 {
		return false, errSlow
	}
	if e.plain != nil {
		return e.plain.MatchString(name), nil
	}
	e.other.MatchTimeout = left
	ok, err := e.other.MatchString(name)
	if err != nil {
		return false, errSlow
	}
	return ok, nil
}

var errSlow = fmt.Errorf("the regular expression takes more than %v", patience)
