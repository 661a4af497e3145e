package data

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"unicode/utf8"

	"jamba/internal/bounded"
	"jamba/internal/parquet"
)

// Row is an object of a JSON file or a row of a Parquet file, with its fields as they are: nil, bool, integers, strings,
// json.Number, []any and map[string]any.
type Row struct {
	Place  string // where it stands, such as "file:line"
	Fields map[string]any
}

// Rows yields the objects and rows of the files. What is no row is an error that names file and line, and the last thing that is
// yielded. Columns of Parquet files whose types are not read, such as floating-point numbers and lists of lists, are left out.
func (s *Sources) Rows(yield func(Row, error) bool) {
	if err := s.check(); err != nil {
		yield(Row{}, err)
		return
	}
	for _, path := range s.Paths {
		if !s.rowsOf(path, yield) {
			return
		}
	}
}

func (s *Sources) rowsOf(path string, yield func(Row, error) bool) bool {
	failed := func(place string, err error) bool {
		yield(Row{}, fmt.Errorf("%s: %w", place, err))
		return false
	}
	file, err := bounded.Open(path)
	if err != nil {
		yield(Row{}, err)
		return false
	}
	defer file.Close()
	f, r, done, err := s.open(path, file, &progress{})
	defer done()
	if err != nil {
		return failed(path, err)
	}
	var next func() (string, map[string]any, error)
	switch f.kind {
	case kindParquet:
		t, err := newTable(file)
		if err != nil {
			return failed(path, err)
		}
		defer t.close()
		n := 0
		next = func() (string, map[string]any, error) {
			n++
			row, err := t.next()
			return fmt.Sprintf("%s: row %d", path, n), row, err
		}
	case kindLines, kindJSON:
		next = objects(path, f.kind, r, s.ReplaceUTF8)
	default:
		return failed(path, errors.New("holds plain text; want objects, one a line, or Parquet"))
	}
	for {
		place, row, err := next()
		switch {
		case err == io.EOF:
			return true
		case err != nil:
			return failed(place, err)
		case !yield(Row{place, row}, nil):
			return false
		}
	}
}

// objects returns what reads the objects of a JSON file.
func objects(path, kind string, r *bufio.Reader, replaceUTF8 bool) func() (string, map[string]any, error) {
	n, list := 0, &jsonReader{r: r, line: 1}
	return func() (place string, row map[string]any, err error) {
		var b []byte
		for len(bytes.TrimSpace(b)) == 0 && err == nil {
			n++
			if kind == kindLines {
				place = fmt.Sprintf("%s:%d", path, n)
				b, err = readLine(r, maxLine)
			} else {
				place = fmt.Sprintf("%s: item %d", path, n)
				b, err = list.next()
			}
		}
		if err == nil {
			row, err = parseRow(b, replaceUTF8)
		}
		return place, row, err
	}
}

// parseRow reads an object.
func parseRow(b []byte, replaceUTF8 bool) (row map[string]any, err error) {
	b = bytes.TrimPrefix(b, byteOrderMark)
	if !utf8.Valid(b) {
		text, err := valid(string(b), replaceUTF8)
		if err != nil {
			return nil, err
		}
		b = []byte(text)
	}
	if parts(b, ",:[{") > maxParts {
		return nil, fmt.Errorf("it has more than %d parts", maxParts)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&row); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, fmt.Errorf("found a JSON %s, want an object", wrong.Value)
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = errors.New("the JSON ends within the object")
		}
		return nil, err
	}
	if row == nil {
		return nil, errors.New("found a JSON null, want an object")
	}
	if len(bytes.TrimSpace(b[d.InputOffset():])) > 0 {
		return nil, errors.New("there is more after the object")
	}
	return row, nil
}

// table reads all columns of a Parquet file that can be read.
type table struct{ columns []tableColumn }

// tableColumn is a leaf: a field, perhaps of structs, or an element of a list.
type tableColumn struct {
	names  []string
	list   bool
	key    string // of a list of structs
	leaf   *parquet.Leaf
	column *parquet.Column
}

func newTable(file *os.File) (*table, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	f, err := parquet.Open(file, info.Size())
	if err != nil {
		return nil, err
	}
	t := &table{}
	for i := range f.Leaves {
		l := &f.Leaves[i]
		c := tableColumn{names: l.Path, leaf: l, list: l.Repeated >= 0}
		if c.list {
			c.names = l.Path[:max(1, l.Repeated)]
			within := l.Path[l.Repeated+1:]
			if len(within) > 0 && slices.Contains(elements, within[0]) {
				within = within[1:]
			}
			if len(within) > 1 || l.MaxRep > 1 {
				continue
			}
			if len(within) == 1 {
				c.key = within[0]
			}
		}
		if slices.Contains([]parquet.Type{parquet.ByteArray, parquet.Int32, parquet.Int64, parquet.Boolean}, l.Type) {
			c.column = f.Column(i)
			t.columns = append(t.columns, c)
		}
	}
	if len(t.columns) == 0 {
		return nil, errors.New("it has no column that can be read")
	}
	return t, nil
}

func (t *table) close() {
	for _, c := range t.columns {
		c.column.Close()
	}
}

// next returns the next row.
func (t *table) next() (map[string]any, error) {
	row := map[string]any{}
	for i, c := range t.columns {
		values, err := c.column.Next()
		if err == io.EOF && i > 0 {
			err = fmt.Errorf("broken: column %s has less rows than others", c.leaf)
		}
		if err != nil {
			return nil, err
		}
		if err := c.set(row, values); err != nil {
			return nil, fmt.Errorf("column %s: %w", c.leaf, err)
		}
	}
	return row, nil
}

// set puts a column's values into a row.
func (c *tableColumn) set(row map[string]any, values []parquet.Value) error {
	for _, name := range c.names[:len(c.names)-1] {
		inner, ok := row[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
			row[name] = inner
		}
		row = inner
	}
	name := c.names[len(c.names)-1]
	if !c.list {
		v, err := c.value(values[0])
		row[name] = v
		return err
	}
	if values[0].Def < c.leaf.Element {
		values = nil // an empty list, or none
	}
	list, ok := row[name].([]any)
	if !ok || c.key == "" {
		list = make([]any, len(values))
		row[name] = list
	}
	if len(list) != len(values) {
		return fmt.Errorf("the columns of its list have %d and %d", len(list), len(values))
	}
	for i := range values {
		v, err := c.value(values[i])
		if err != nil {
			return err
		}
		if c.key == "" {
			list[i] = v
			continue
		}
		inner, ok := list[i].(map[string]any)
		if !ok {
			inner = map[string]any{}
			list[i] = inner
		}
		inner[c.key] = v
	}
	return nil
}

func (c *tableColumn) value(v parquet.Value) (any, error) {
	switch {
	case v.Def < c.leaf.MaxDef:
		return nil, nil
	case c.leaf.Type == parquet.Boolean:
		return v.Int != 0, nil
	case c.leaf.Type == parquet.ByteArray:
		return valid(string(v.Bytes), false)
	}
	return v.Int, nil
}
