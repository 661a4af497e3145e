// Package parquet reads columns of Parquet files: strings, integers and booleans, in lists or not. It trusts nothing that a file
// says of sizes: memory is taken for what is really there, and what unpacks to far more than it takes is an error. It reads
// the encodings and compressions that writers of today use; others are an error that names them.
//
// The format: github.com/apache/parquet-format, version 2.
package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"jamba/internal/printable"
)

// Physical types.
const (
	Boolean Type = iota
	Int32
	Int64
	Int96
	Float
	Double
	ByteArray
	FixedLenByteArray
)

// Type is how a leaf's values are stored.
type Type int

var typeNames = []string{"boolean", "int32", "int64", "int96", "float", "double", "byte_array", "fixed_len_byte_array"}

func (t Type) String() string { return name(typeNames, int(t)) }

func name(names []string, i int) string {
	if i >= 0 && i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("number %d", i)
}

// Leaf is a column of values.
type Leaf struct {
	Path     []string // names from the root on
	Type     Type
	Repeated int // index in Path of the innermost node that repeats; -1: none does
	MaxRep   int // how many of the nodes repeat
	MaxDef   int // how many of the nodes can be absent: a value of that definition level is there
	Element  int // a value of that definition level or more belongs to an element of the list
}

// chunk is where a row group has a leaf's pages.
type chunk struct {
	codec, values, from, size int64
}

// File is the directory of a file.
type File struct {
	Rows   int64
	Leaves []Leaf

	r      io.ReaderAt
	chunks [][]chunk // of each leaf
}

// Bounds on the directory.
const (
	maxFooter = 256 << 20 // bytes
	maxLeaves = 10_000
)

// Open reads the directory of a file of that size. Column reads from r until the File is not used any more.
func Open(r io.ReaderAt, size int64) (*File, error) {
	var end [8]byte
	if size < 12 {
		return nil, fmt.Errorf("no Parquet file: it has %d bytes", size)
	}
	if _, err := r.ReadAt(end[:], size-8); err != nil {
		return nil, err
	}
	switch magic := string(end[4:]); magic {
	case "PAR1":
	case "PARE":
		return nil, errors.New("the Parquet file is encrypted")
	default:
		return nil, fmt.Errorf("no Parquet file: it ends with %q", magic)
	}
	n := int64(binary.LittleEndian.Uint32(end[:]))
	if n > size-12 || n > maxFooter {
		return nil, fmt.Errorf("broken: the end of the file's %d bytes asks for a footer of %d", size, n)
	}
	footer := make([]byte, n)
	if _, err := r.ReadAt(footer, size-8-n); err != nil {
		return nil, err
	}
	f := &File{r: r}
	if err := f.read(footer); err != nil {
		return nil, err
	}
	for i, chunks := range f.chunks {
		for _, c := range chunks {
			if c.values == 0 { // there may be no pages
				continue
			}
			if c.from < 4 || c.size < 0 || c.from > size-8 || c.size > size-8-c.from || c.values < 0 {
				return nil, fmt.Errorf("broken: column %s is said to be in bytes %d to %d of %d", f.Leaves[i], c.from, c.from+c.size, size)
			}
		}
	}
	return f, nil
}

// String returns the path with dots.
func (l Leaf) String() string { return printable.Cut(strings.Join(l.Path, "."), 100) }

// node is a SchemaElement.
type node struct {
	kind, repetition, children int64
	name                       string
}

// read reads FileMetaData.
func (f *File) read(footer []byte) error {
	t := &thrift{b: footer}
	var nodes []node
	var err error
	t.fields(func(id int, kind byte) bool {
		switch {
		case id == 2 && kind == typeList:
			t.list(func() {
				if nodes = append(nodes, readNode(t)); len(nodes) > 2*maxLeaves {
					t.fail()
				}
			})
			if t.err == nil {
				err = f.schema(nodes)
			}
		case id == 3 && kind == typeI64:
			f.Rows = t.int()
		case id == 4 && kind == typeList && f.chunks != nil:
			t.list(func() {
				if e := f.rowGroup(t); e != nil && err == nil {
					err = e
				}
			})
		default:
			return false
		}
		if err != nil {
			t.fail()
		}
		return true
	})
	switch {
	case err != nil:
		return err
	case t.err != nil:
		return t.err
	case f.chunks == nil || f.Rows < 0:
		return errThrift
	}
	return nil
}

func readNode(t *thrift) node {
	n := node{kind: -1}
	t.fields(func(id int, kind byte) bool {
		switch {
		case id == 1 && kind == typeI32:
			n.kind = t.int()
		case id == 3 && kind == typeI32:
			n.repetition = t.int()
		case id == 4 && kind == typeBinary:
			n.name = string(t.binary())
		case id == 5 && kind == typeI32:
			n.children = t.int()
		default:
			return false
		}
		return true
	})
	return n
}

// schema finds the leaves of the tree that nodes are in depth-first order.
func (f *File) schema(nodes []node) error {
	var walk func(parent Leaf) error
	next := 0
	walk = func(parent Leaf) error {
		if next >= len(nodes) || len(parent.Path) > maxNesting {
			return errThrift
		}
		n := nodes[next]
		l := parent
		if next++; next > 1 { // the root has no name
			l.Path = append(slices.Clip(parent.Path), n.name)
			if n.repetition != 0 {
				l.MaxDef++
			}
			if n.repetition == 2 {
				l.MaxRep++
				l.Repeated, l.Element = len(l.Path)-1, l.MaxDef
			}
		}
		if n.kind >= 0 && n.children == 0 {
			l.Type = Type(n.kind)
			if f.Leaves = append(f.Leaves, l); len(f.Leaves) > maxLeaves {
				return fmt.Errorf("more than %d columns", maxLeaves)
			}
			return nil
		}
		for range n.children {
			if err := walk(l); err != nil {
				return err
			}
		}
		return nil
	}
	if f.chunks != nil {
		return errThrift
	}
	if err := walk(Leaf{Repeated: -1}); err != nil {
		return err
	}
	f.chunks = make([][]chunk, len(f.Leaves))
	return nil
}

// rowGroup reads a RowGroup.
func (f *File) rowGroup(t *thrift) (err error) {
	i := 0
	t.fields(func(id int, kind byte) bool {
		if id != 1 || kind != typeList {
			return false
		}
		t.list(func() {
			c, e := readChunk(t)
			if i == len(f.Leaves) {
				t.fail()
			}
			if err = errors.Join(err, e); err != nil || t.err != nil {
				return
			}
			f.chunks[i] = append(f.chunks[i], c)
			i++
		})
		return true
	})
	if t.err == nil && err == nil && i != len(f.Leaves) {
		err = fmt.Errorf("broken: a row group has %d of %d columns", i, len(f.Leaves))
	}
	return err
}

// readChunk reads a ColumnChunk.
func readChunk(t *thrift) (c chunk, err error) {
	data, dictionary := int64(-1), int64(0)
	t.fields(func(id int, kind byte) bool {
		switch {
		case id == 1 && kind == typeBinary:
			if len(t.binary()) > 0 {
				err = errors.New("the columns are in other files")
			}
			return true
		case id == 8:
			err = errors.New("the Parquet file is encrypted")
			return false
		case id != 3 || kind != typeStruct:
			return false
		}
		t.fields(func(id int, kind byte) bool {
			to := map[int]*int64{4: &c.codec, 5: &c.values, 7: &c.size, 9: &data, 11: &dictionary}[id]
			if to == nil || kind != typeI32 && kind != typeI64 {
				return false
			}
			*to = t.int()
			return true
		})
		return true
	})
	if c.from = data; dictionary > 0 && dictionary < data { // some writers say 0 for none
		c.from = dictionary
	}
	if data < 0 && t.err == nil && err == nil {
		err = errThrift // or an empty structure would cost a byte
	}
	return c, err
}
