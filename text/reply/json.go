package reply

import "strings"

// scanner reads a JSON value byte by byte, as long as it goes on being one.
type scanner struct {
	open  []byte // brackets that are not closed, the innermost last
	place place
	inKey bool   // the string is a key
	rest  string // of a word
	hex   int    // digits of \u that have come
}

// place is what may come next.
type place int

const (
	value    place = iota
	item           // a value or ], behind [
	firstKey       // a key or }, behind {
	nextKey        // a key, behind a comma
	colon
	comma // or the bracket that closes
	quoted
	escaped
	unicode
	word // true, false, null
	minus
	zero
	integer
	point
	fraction
	exponent
	sign
	power
	complete
)

// maxDepth is how deep values may lie in one another, below what encoding/json allows.
const maxDepth = 1000

const blanks = " \t\r\n"

// next takes a byte, and reports whether the value goes on with it.
func (s *scanner) next(c byte) bool {
	switch s.place {
	case quoted:
		switch {
		case c == '\\':
			s.place = escaped
		case c == '"' && s.inKey:
			s.place, s.inKey = colon, false
		case c == '"':
			s.ended()
		}
		return c >= ' '
	case escaped:
		if s.place, s.hex = quoted, 0; c == 'u' {
			s.place = unicode
		}
		return strings.IndexByte(`"\/bfnrtu`, c) >= 0
	case unicode:
		if s.hex++; s.hex == 4 {
			s.place = quoted
		}
		return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0
	case word:
		if c != s.rest[0] {
			return false
		}
		if s.rest = s.rest[1:]; s.rest == "" {
			s.ended()
		}
		return true
	case minus, zero, integer, point, fraction, exponent, sign, power:
		return s.number(c)
	}
	if strings.IndexByte(blanks, c) >= 0 {
		return true
	}
	switch {
	case s.place == value || s.place == item && c != ']':
		return s.begin(c)
	case s.place == firstKey && c != '}' || s.place == nextKey:
		s.place, s.inKey = quoted, true
		return c == '"'
	case s.place == colon:
		s.place = value
		return c == ':'
	case s.place == comma && c == ',':
		if s.place = value; s.within() == '{' {
			s.place = nextKey
		}
		return true
	case s.place == complete || c != s.within()+2: // } and ] stand two behind { and [
		return false
	}
	s.open = s.open[:len(s.open)-1]
	s.ended()
	return true
}

// within returns the innermost bracket.
func (s *scanner) within() byte { return s.open[len(s.open)-1] }

// begin takes the first byte of a value.
func (s *scanner) begin(c byte) bool {
	switch c {
	case '{', '[':
		s.open = append(s.open, c)
		if s.place = item; c == '{' {
			s.place = firstKey
		}
		return len(s.open) <= maxDepth
	case '"':
		s.place = quoted
	case 't':
		s.place, s.rest = word, "rue"
	case 'f':
		s.place, s.rest = word, "alse"
	case 'n':
		s.place, s.rest = word, "ull"
	case '-':
		s.place = minus
	default:
		s.place = minus
		return s.number(c)
	}
	return true
}

// ended notes the end of a value.
func (s *scanner) ended() {
	if s.place = comma; len(s.open) == 0 {
		s.place = complete
	}
}

// number takes a byte of a number, or what comes behind one.
func (s *scanner) number(c byte) bool {
	digit := c >= '0' && c <= '9'
	whole := s.place == zero || s.place == integer
	switch at := s.place; {
	case at == minus && c == '0':
		s.place = zero
	case at == minus && digit, at == integer && digit:
		s.place = integer
	case whole && c == '.':
		s.place = point
	case digit && (at == point || at == fraction):
		s.place = fraction
	case (whole || at == fraction) && (c == 'e' || c == 'E'):
		s.place = exponent
	case at == exponent && (c == '+' || c == '-'):
		s.place = sign
	case digit && (at == exponent || at == sign || at == power):
		s.place = power
	case whole || at == fraction || at == power:
		s.ended()
		return s.next(c)
	default:
		return false
	}
	return true
}
