package parquet

import (
	"encoding/binary"
	"errors"
)

// Wire types of Thrift's compact protocol.
const (
	typeTrue, typeFalse, typeByte, typeI16, typeI32, typeI64, typeDouble, typeBinary = 1, 2, 3, 4, 5, 6, 7, 8
	typeList, typeSet, typeMap, typeStruct                                           = 9, 10, 11, 12
)

// maxNesting bounds structures within structures; Parquet's own need 8.
const maxNesting = 32

var errThrift = errors.New("broken metadata")

// thrift reads Thrift's compact protocol from memory (thrift-compact-protocol.md). It keeps the first error and returns
// zeros after it. Nothing is allocated for a size that the bytes left cannot hold.
type thrift struct {
	b     []byte
	depth int
	err   error
}

func (t *thrift) fail() { t.b, t.err = nil, errThrift }

func (t *thrift) byte() byte {
	if len(t.b) == 0 {
		t.fail()
		return 0
	}
	c := t.b[0]
	t.b = t.b[1:]
	return c
}

func (t *thrift) uvarint() uint64 {
	v, n := binary.Uvarint(t.b)
	if n <= 0 {
		t.fail()
		return 0
	}
	t.b = t.b[n:]
	return v
}

// int reads a zigzag number.
func (t *thrift) int() int64 {
	v := t.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// binary reads bytes, which belong to the input.
func (t *thrift) binary() []byte {
	n := t.uvarint()
	if n > uint64(len(t.b)) {
		t.fail()
		return nil
	}
	v := t.b[:n]
	t.b = t.b[n:]
	return v
}

// fields calls read for each field of a structure. What it does not read, because it returns false, is passed over.
func (t *thrift) fields(read func(id int, kind byte) bool) {
	if t.depth++; t.depth > maxNesting {
		t.fail()
	}
	for id := 0; t.err == nil; {
		head := t.byte()
		if head == 0 {
			break
		}
		if step := int(head >> 4); step > 0 {
			id += step
		} else {
			id = int(int16(t.int()))
		}
		if kind := head & 15; t.err == nil && !read(id, kind) {
			t.skip(kind, false)
		}
	}
	t.depth--
}

// list calls read for each structure of a list.
func (t *thrift) list(read func()) {
	n, kind := t.listHead()
	if kind != typeStruct && n > 0 {
		t.fail()
	}
	for ; n > 0 && t.err == nil; n-- {
		read()
	}
}

func (t *thrift) listHead() (n uint64, kind byte) {
	head := t.byte()
	if n = uint64(head >> 4); n == 15 {
		n = t.uvarint()
	}
	if n > uint64(len(t.b)) { // each takes a byte at least
		t.fail()
		return 0, 0
	}
	return n, head & 15
}

// skip passes over a value.
func (t *thrift) skip(kind byte, inList bool) {
	if t.depth > maxNesting {
		t.fail()
		return
	}
	switch kind {
	case typeTrue, typeFalse:
		if inList {
			t.byte()
		}
	case typeByte:
		t.byte()
	case typeI16, typeI32, typeI64:
		t.uvarint()
	case typeDouble:
		if len(t.b) < 8 {
			t.fail()
			return
		}
		t.b = t.b[8:]
	case typeBinary:
		t.binary()
	case typeList, typeSet:
		n, of := t.listHead()
		t.depth++
		for ; n > 0 && t.err == nil; n-- {
			t.skip(of, true)
		}
		t.depth--
	case typeMap:
		n := t.uvarint()
		if n == 0 {
			return
		}
		kinds := t.byte()
		t.depth++
		for ; n > 0 && t.err == nil; n-- {
			t.skip(kinds>>4, true)
			t.skip(kinds&15, true)
		}
		t.depth--
	case typeStruct:
		t.fields(func(int, byte) bool { return false })
	default:
		t.fail()
	}
}
