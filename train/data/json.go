package data

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// wrappers are keys of an object that holds documents in a list, as some write a whole data set.
var wrappers = []string{"data", "train", "examples", "instances"}

// jsonReader finds documents in JSON: values one after the other, elements of lists, or of the list in an object with one
// of the wrappers. It holds one of them at a time.
type jsonReader struct {
	r       *bufio.Reader
	line    int
	list    bool // within a list
	first   bool // no element of it has been read
	wrapped bool // the list is in an object
}

// json yields the documents of a JSON file.
func (s *Sources) json(path string, r *bufio.Reader, yield func(Document, error) bool) bool {
	v := &jsonReader{r: r, line: 1}
	for n := 1; ; n++ {
		place := fmt.Sprintf("%s: item %d", path, n)
		b, err := v.next()
		if err == io.EOF {
			return true
		}
		var d Document
		switch {
		case errors.Is(err, errTooLong):
		case err != nil: // the rest of the file is lost
			return s.failed(&corrupt{fmt.Sprintf("%s:%d", path, v.line), err}, yield)
		default:
			d, err = parseItem(b, s.ReplaceUTF8)
		}
		d.Place, d.bytes = place, len(b)
		switch {
		case err != nil:
			if !s.failed(&corrupt{place, err}, yield) {
				return false
			}
		case d.empty():
		case !yield(d, nil):
			return false
		}
	}
}

// byte returns the next byte.
func (v *jsonReader) byte() (byte, error) {
	c, err := v.r.ReadByte()
	if c == '\n' {
		v.line++
	}
	return c, err
}

// token returns the next byte that is no space.
func (v *jsonReader) token() (byte, error) {
	for {
		c, err := v.byte()
		if err != nil || c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c, err
		}
	}
}

// want reads the next byte that is no space, which has to be among those given.
func (v *jsonReader) want(bytes string) (byte, error) {
	c, err := v.token()
	switch {
	case err == io.EOF:
		return 0, fmt.Errorf("the JSON ends where one of %q has to follow", bytes)
	case err == nil && !slices.Contains([]byte(bytes), c):
		err = fmt.Errorf("found %q in the JSON, want one of %q", c, bytes)
	}
	return c, err
}

// next returns the next document's JSON. A document of more than maxLine bytes is passed over and errTooLong; io.EOF comes
// after the last.
func (v *jsonReader) next() ([]byte, error) {
	for {
		if !v.list {
			c, err := v.token()
			if err != nil {
				return nil, err
			}
			switch c {
			case '[':
				v.list, v.first, v.wrapped = true, true, false
			case '{':
				b, err := v.object()
				if err != nil || b != nil {
					return b, err
				}
			default:
				return v.value(nil, c)
			}
			continue
		}
		var c byte
		var err error
		if v.first {
			c, err = v.want1()
		} else if c, err = v.want(",]"); err == nil && c == ',' {
			c, err = v.want1()
		}
		if err != nil {
			return nil, err
		}
		if c != ']' {
			v.first = false
			return v.value(nil, c)
		}
		v.list = false
		if v.wrapped {
			if err := v.leave(); err != nil {
				return nil, err
			}
		}
	}
}

// want1 reads the first byte of an element, or the end of a list.
func (v *jsonReader) want1() (byte, error) {
	c, err := v.token()
	if err == io.EOF {
		err = errors.New("the JSON ends within a list")
	}
	return c, err
}

// object reads an object after its first byte. It returns nil and is within a list if that holds the documents.
func (v *jsonReader) object() ([]byte, error) {
	b, known := []byte("{"), false
	for first := true; ; first = false {
		c, err := v.want1()
		if err != nil {
			return nil, err
		}
		if first && c == '}' || !first && c == '}' {
			return append(b, c), nil
		}
		if !first {
			if c != ',' {
				return nil, fmt.Errorf("found %q in the JSON, want , or }", c)
			}
			b = append(b, c)
			if c, err = v.want(`"`); err != nil {
				return nil, err
			}
		}
		if c != '"' {
			return nil, fmt.Errorf("found %q in the JSON, want a key", c)
		}
		from := len(b)
		if b, err = v.value(b, c); err != nil {
			return nil, err
		}
		var key string
		if err := json.Unmarshal(b[from:], &key); err != nil {
			return nil, err
		}
		if _, err := v.want(":"); err != nil {
			return nil, err
		}
		if c, err = v.want1(); err != nil {
			return nil, err
		}
		known = known || isField(key)
		if c == '[' && !known && slices.Contains(wrappers, key) {
			v.list, v.first, v.wrapped = true, true, true
			return nil, nil
		}
		if b, err = v.value(append(b, ':'), c); err != nil {
			return nil, err
		}
	}
}

// leave passes over what follows the list in an object.
func (v *jsonReader) leave() error {
	for {
		c, err := v.want(",}")
		if err != nil || c == '}' {
			return err
		}
		for _, after := range []string{`"`, ":"} {
			if c, err = v.want(after); err != nil {
				return err
			}
			if after == ":" {
				if c, err = v.want1(); err != nil {
					return err
				}
			}
			if _, err = v.value(nil, c); err != nil && !errors.Is(err, errTooLong) {
				return err
			}
		}
	}
}

// value appends a value that begins with c to b, at most maxLine bytes of it. Of what is within, brackets and strings alone
// are looked at.
func (v *jsonReader) value(b []byte, c byte) ([]byte, error) {
	length, depth := len(b), 0
	add := func(c byte) {
		if length++; length <= maxLine {
			b = append(b, c)
		}
	}
	quoted, escaped := false, false
	for {
		add(c)
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = c == '\\', c != '"'
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
		if depth <= 0 && !quoted {
			// A number or a word ends before what cannot belong to it.
			next, err := v.r.Peek(1)
			if c == '"' || c == '}' || c == ']' || err != nil || bytes.IndexByte([]byte(" \t\r\n,:]}[{\""), next[0]) >= 0 {
				break
			}
		}
		var err error
		if c, err = v.byte(); err == io.EOF {
			return nil, errors.New("the JSON ends within a value")
		} else if err != nil {
			return nil, err
		}
	}
	if length > maxLine {
		return nil, fmt.Errorf("document of %d bytes is %w, at most %d are read", length, errTooLong, maxLine)
	}
	return b, nil
}
