package data

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"unicode/utf8"

	"jamba/internal/parquet"
)

// rowReader makes records of a Parquet file's rows, of those columns that documents are made of: strings, and lists of
// numbers, strings or messages. Others are left alone.
type rowReader struct {
	fields  []*rowField
	replace bool // invalid UTF-8
	pairs   bool // there is a column of lists of lists that would be turns of a conversation
}

// rowField is a column, or the columns of a list of messages.
type rowField struct {
	name  string
	parts []rowPart
}

// rowPart is a leaf: of messages, the one with that key.
type rowPart struct {
	key    string // "": the values are no messages
	leaf   *parquet.Leaf
	column *parquet.Column
	row    []parquet.Value
}

// parquet yields the documents of a Parquet file, a row each.
func (s *Sources) parquet(path string, file *os.File, p *progress, yield func(Document, error) bool) bool {
	info, err := file.Stat()
	if err != nil {
		return s.failed(&corrupt{path, err}, yield)
	}
	f, err := parquet.Open(file, info.Size())
	if err != nil {
		return s.failed(&corrupt{path, err}, yield)
	}
	rows := newRowReader(f, s.ReplaceUTF8)
	defer rows.close()
	if !rows.makesDocuments() {
		var all []string
		for _, l := range f.Leaves {
			all = append(all, l.String())
		}
		return s.failed(&corrupt{path, fmt.Errorf("none of the columns %s is there; the columns are %s", knownFields, names(all))}, yield)
	}
	if rows.pairs {
		return s.failed(&corrupt{path, errors.New("the column history holds lists of lists, which are not read from Parquet; drop it, or write the rows as .jsonl")}, yield)
	}
	part := info.Size() / max(f.Rows, 1)
	for n := 1; ; n++ {
		place := fmt.Sprintf("%s: row %d", path, n)
		r, size, err := rows.next()
		if err == io.EOF {
			return true
		}
		var d Document
		_, bad := errors.AsType[*badRow](err)
		switch {
		case err != nil && !bad: // the rest of the file is lost
			return s.failed(&corrupt{place, err}, yield)
		case err == nil && len(r) > 0: // not all are null
			d, err = r.document()
		}
		p.add(part)
		d.Place, d.bytes = place, size
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

// elements are names that writers give to what is in a list.
var elements = []string{"element", "item", "array", "array_element"}

// newRowReader finds the columns that documents are made of.
func newRowReader(f *parquet.File, replace bool) *rowReader {
	r := &rowReader{replace: replace}
	for i := range f.Leaves {
		l := &f.Leaves[i]
		known := slices.ContainsFunc(forms, func(f form) bool {
			return slices.Contains(f.needs, l.Path[0]) || slices.Contains(f.takes, l.Path[0])
		})
		// A list's leaf is list.element, or list.element.role; in old files the list's node may be missing.
		part := rowPart{leaf: l}
		within := l.Path[l.Repeated+1:]
		switch {
		case l.Repeated < 0 && len(l.Path) > 1 || l.MaxRep > 1 || len(within) > 2:
			r.pairs = r.pairs || l.Path[0] == "history"
			known = false
		case l.Repeated >= 0 && len(within) > 0 && !(len(within) == 1 && slices.Contains(elements, within[0])):
			part.key = within[len(within)-1]
			known = known && slices.Contains([]string{"role", "content", "from", "value"}, part.key)
		}
		if !known || l.Type != parquet.ByteArray && (part.key != "" || l.Type != parquet.Int32 && l.Type != parquet.Int64) {
			continue
		}
		part.column = f.Column(i)
		if n := len(r.fields); n > 0 && r.fields[n-1].name == l.Path[0] {
			r.fields[n-1].parts = append(r.fields[n-1].parts, part)
		} else {
			r.fields = append(r.fields, &rowField{l.Path[0], []rowPart{part}})
		}
	}
	return r
}

func (r *rowReader) close() {
	for _, f := range r.fields {
		for _, p := range f.parts {
			p.column.Close()
		}
	}
}

// makesDocuments tells whether the columns are enough for a document.
func (r *rowReader) makesDocuments() bool {
	return slices.ContainsFunc(forms, func(f form) bool {
		return !slices.ContainsFunc(f.needs, func(name string) bool {
			return !slices.ContainsFunc(r.fields, func(f *rowField) bool { return f.name == name })
		})
	})
}

// badRow is an error in one row, after which the others can be read.
type badRow struct{ error }

// next returns the fields of the next row that are not null, and the bytes of its strings.
func (r *rowReader) next() (record, int, error) {
	fields, size := record{}, 0
	var bad error
	for i, f := range r.fields {
		for j := range f.parts {
			p := &f.parts[j]
			var err error
			if p.row, err = p.column.Next(); err == io.EOF && (i > 0 || j > 0) {
				err = fmt.Errorf("broken: column %s has less rows than others", p.leaf)
			}
			if err != nil {
				return nil, 0, err
			}
			for _, v := range p.row {
				size += len(v.Bytes) + 4
			}
		}
		raw, err := r.field(f)
		if err != nil && bad == nil {
			bad = &badRow{fmt.Errorf("%s%w", f.name, err)}
		}
		if raw != nil {
			fields[f.name] = raw
		}
	}
	return fields, size, bad
}

// field returns a field as JSON; nil: it is null.
func (r *rowReader) field(f *rowField) (json.RawMessage, error) {
	first := &f.parts[0]
	if first.leaf.Repeated < 0 {
		v, err := r.value(first, 0)
		if err != nil || v == nil {
			return nil, wrap(": ", err)
		}
		return v, nil
	}
	n := len(first.row)
	if first.row[0].Def < first.leaf.Element {
		n = 0 // an empty list, or none
	}
	list := []byte("[")
	for i := range n {
		if i > 0 {
			list = append(list, ',')
		}
		if first.key == "" {
			v, err := r.value(first, i)
			if err != nil || v == nil {
				return nil, fmt.Errorf("[%d]: %w", i, orNull(err))
			}
			list = append(list, v...)
			continue
		}
		list = append(list, '{')
		for j := range f.parts {
			p := &f.parts[j]
			if len(p.row) != len(first.row) {
				return nil, fmt.Errorf(": its columns have lists of %d and %d", len(first.row), len(p.row))
			}
			v, err := r.value(p, i)
			if err != nil || v == nil {
				return nil, fmt.Errorf("[%d].%s: %w", i, p.key, orNull(err))
			}
			if j > 0 {
				list = append(list, ',')
			}
			list = append(append(append(append(list, '"'), p.key...), '"', ':'), v...)
		}
		list = append(list, '}')
	}
	if n == 0 {
		return nil, nil // nothing to train, whether it is empty or null
	}
	return append(list, ']'), nil
}

func orNull(err error) error {
	if err == nil {
		return errors.New("null, want a string or a number")
	}
	return err
}

func wrap(prefix string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s%w", prefix, err)
}

// value returns value i of a row as JSON; nil: it is null.
func (r *rowReader) value(p *rowPart, i int) (json.RawMessage, error) {
	v := p.row[i]
	switch {
	case v.Def < p.leaf.MaxDef:
		return nil, nil
	case p.leaf.Type != parquet.ByteArray:
		return json.Marshal(v.Int)
	}
	if utf8.Valid(v.Bytes) {
		return json.Marshal(string(v.Bytes))
	}
	s, err := valid(string(v.Bytes), r.replace)
	if err != nil {
		return nil, err
	}
	return json.Marshal(s)
}
