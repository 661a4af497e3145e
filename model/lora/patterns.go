package lora

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"jamba/internal/printable"
)

// patterns give numbers to modules whose names match regular expressions, in the order of the file: the first holds.
type patterns []pattern

type pattern struct {
	key   string
	re    *regexp.Regexp // of the end of a name, after a dot; nil: the key has no other sign than the dot, which is any
	value float64
}

// maxPatterns bounds the regular expressions, maxNames the names.
const (
	maxPatterns = 1 << 8
	maxNames    = 1 << 14
)

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_.]+$`)

func (p patterns) of(name string) (float64, bool) {
	for _, one := range p {
		if one.match(name) {
			return one.value, true
		}
	}
	return 0, false
}

func (p *pattern) match(name string) bool {
	if p.re != nil {
		return p.re.MatchString(name)
	}
	at := len(name) - len(p.key)
	if at < 0 || at > 0 && name[at-1] != '.' {
		return false
	}
	for i := range len(p.key) {
		if c := p.key[i]; c != '.' && c != name[at+i] {
			return false
		}
	}
	return true
}

// UnmarshalJSON reads an object of numbers.
func (p *patterns) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	*p = nil
	switch t, err := d.Token(); {
	case err != nil:
		return err
	case t == nil: // null
		return nil
	case t != json.Delim('{'):
		return errors.New("is no object of numbers")
	}
	expressions := 0
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		one := pattern{key: t.(string)}
		shown := printable.Cut(one.key, 100)
		if err := d.Decode(&one.value); err != nil {
			return fmt.Errorf("has for %s no number", shown)
		}
		if !plainKey.MatchString(one.key) {
			expressions++
			if len(one.key) > maxExpression {
				return fmt.Errorf("has %s, a regular expression of %d bytes, at most %d are supported", shown, len(one.key), maxExpression)
			}
			if one.re, err = regexp.Compile(`^(?:.*\.)?(?:` + one.key + `)$`); err != nil {
				return fmt.Errorf("has %s: %s", shown, printable.Cut(err.Error(), 200))
			}
		}
		if *p = append(*p, one); len(*p) > maxNames || expressions > maxPatterns {
			return fmt.Errorf("has more than %d names or %d regular expressions", maxNames, maxPatterns)
		}
	}
	return nil
}

// MarshalJSON writes an object of numbers, in order.
func (p patterns) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	b.WriteByte('{')
	for i, one := range p {
		if i > 0 {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(one.key)
		value, err := json.Marshal(one.value)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%s:%s", key, value)
	}
	b.WriteByte('}')
	return []byte(b.String()), nil
}
