package parquet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// Value is one value of a row. Of a row without a list there is one, of an empty list one with a Def below Leaf.Element.
type Value struct {
	Def   int    // definition level; Leaf.MaxDef: the value is there
	Bytes []byte // if the leaf is of ByteArray
	Int   int64  // if it is of numbers or booleans, which are 0 and 1
}

// Column reads a leaf row by row.
type Column struct {
	file   *File
	leaf   *Leaf
	chunks []chunk

	codec      decompressor
	at, end    int64 // of the pages that are left in the chunk
	kind       int64 // compression of the chunk
	dictionary [][]byte
	page       *page
	ahead      *Value // the first of the next row
	row        []Value
	strings    []byte
	err        error
}

// Bounds on the list of a row. What has no list is bounded by its page.
const (
	maxValues = 4 << 20
	maxBytes  = 64 << 20
)

// Column returns a reader of leaf i. The caller closes it.
func (f *File) Column(i int) *Column {
	return &Column{file: f, leaf: &f.Leaves[i], chunks: f.chunks[i]}
}

// Close frees what the reader holds.
func (c *Column) Close() { c.codec.close() }

// Next returns the values of the next row, which the call after it overwrites; io.EOF after the last.
func (c *Column) Next() ([]Value, error) {
	if c.err != nil {
		return nil, c.err
	}
	row, err := c.next()
	if err != nil {
		if err != io.EOF {
			err = fmt.Errorf("column %s: %w", c.leaf, err)
		}
		c.err = err
	}
	return row, err
}

func (c *Column) next() ([]Value, error) {
	c.row, c.strings = c.row[:0], c.strings[:0]
	if c.ahead == nil {
		if _, err := c.read(); err != nil {
			return nil, err
		}
	}
	v := c.ahead
	for c.ahead = nil; ; {
		// A page's memory does not outlive it, and a list may go on in the next.
		if v.Bytes != nil {
			from := len(c.strings)
			c.strings = append(c.strings, v.Bytes...)
			v.Bytes = c.strings[from:len(c.strings):len(c.strings)]
		}
		if c.row = append(c.row, *v); c.leaf.MaxRep == 0 {
			return c.row, nil
		}
		if len(c.strings) > maxBytes || len(c.row) > maxValues {
			return nil, fmt.Errorf("row of more than %d values or %d bytes", maxValues, maxBytes)
		}
		rep, err := c.read()
		if err == io.EOF {
			return c.row, nil
		}
		if err != nil {
			return nil, err
		}
		if rep == 0 {
			return c.row, nil
		}
		v, c.ahead = c.ahead, nil
	}
}

// read reads the next value into ahead and returns its repetition level.
func (c *Column) read() (rep uint32, err error) {
	for c.page == nil || c.page.left == 0 {
		if err := c.nextPage(); err != nil {
			return 0, err
		}
	}
	p := c.page
	p.left--
	v := Value{Def: c.leaf.MaxDef}
	if p.rep != nil {
		if rep, err = p.rep.next(); err != nil {
			return 0, err
		}
	}
	if p.def != nil {
		def, err := p.def.next()
		if err != nil {
			return 0, err
		}
		v.Def = int(def)
	}
	if v.Def == c.leaf.MaxDef {
		b, err := p.values.next()
		if err != nil {
			return 0, err
		}
		if c.leaf.Type == ByteArray {
			v.Bytes = b
		} else {
			v.Int = int64(binary.LittleEndian.Uint64(b))
		}
	}
	c.ahead = &v
	return rep, nil
}

// nextPage goes to the next page of data.
func (c *Column) nextPage() error {
	for c.at >= c.end {
		if len(c.chunks) == 0 {
			return io.EOF
		}
		next := c.chunks[0]
		if c.chunks = c.chunks[1:]; next.values > 0 {
			c.at, c.end, c.kind, c.dictionary = next.from, next.from+next.size, next.codec, nil
		}
	}
	h, n, err := readHeader(c.file.r, c.at, c.end)
	if err != nil {
		return err
	}
	body := c.at + n
	c.at = body + h.packed
	switch {
	case h.kind == dictionaryPage && h.hasDictionary, h.kind == dataPage && h.hasData, h.kind == dataPageV2 && h.hasData2:
	default: // of another kind, such as an index
		return nil
	}
	b := make([]byte, h.packed)
	if _, err := c.file.r.ReadAt(b, body); err != nil {
		return err
	}
	if h.kind == dictionaryPage {
		return c.readDictionary(&h, b)
	}
	c.page, err = openPage(&h, b, c.leaf, &c.codec, c.kind, c.dictionary)
	return err
}

// readDictionary reads the values that the chunk's pages point to.
func (c *Column) readDictionary(h *pageHeader, body []byte) error {
	b, err := c.codec.unpack(c.kind, body, h.unpacked)
	if err != nil {
		return err
	}
	if h.values > int64(len(b))/4 || h.encoding != plain && h.encoding != plainDictionary {
		return fmt.Errorf("broken dictionary: %d values in %d bytes, encoding %s", h.values, len(b), name(encodingNames, int(h.encoding)))
	}
	h.encoding = plain
	values, err := openValues(c.leaf.Type, h, bytes.Clone(b), nil)
	if err != nil {
		return err
	}
	c.dictionary = make([][]byte, h.values)
	for i := range c.dictionary {
		v, err := values.next()
		if err != nil {
			return err
		}
		if c.leaf.Type != ByteArray {
			v = bytes.Clone(v)
		}
		c.dictionary[i] = v
	}
	return nil
}
