package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Kinds of pages and encodings, with Parquet's numbers.
const (
	dataPage, dictionaryPage, dataPageV2 = 0, 2, 3

	plain, plainDictionary, rle, deltaPacked, deltaLength, deltaBytes, rleDictionary = 0, 2, 3, 5, 6, 7, 8
)

var encodingNames = []string{
	"PLAIN", "GROUP_VAR_INT", "PLAIN_DICTIONARY", "RLE", "BIT_PACKED", "DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY",
	"DELTA_BYTE_ARRAY", "RLE_DICTIONARY", "BYTE_STREAM_SPLIT",
}

// pageHeader is a PageHeader with the header of its kind.
type pageHeader struct {
	kind, unpacked, packed           int64
	values, encoding                 int64
	defEncoding, repEncoding         int64 // of version 1
	defBytes, repBytes               int64 // of version 2
	stored                           bool  // of version 2: the values are not compressed
	hasData, hasDictionary, hasData2 bool
}

// maxHeader bounds the bytes of a page's header, with the least and greatest value that it may repeat.
const maxHeader = 1 << 20

// Most that a page may unpack to and stand for, given the bytes that it takes in the file: text becomes a tenth, but what
// repeats may become almost nothing.
func mostBytes(packed int64) int64  { return 64<<20 + 64*packed }
func mostValues(packed int64) int64 { return 2<<20 + 64*packed }

// readHeader reads the header of the page at from, which ends before end, and returns the bytes that it takes.
func readHeader(r io.ReaderAt, from, end int64) (h pageHeader, n int64, err error) {
	for size := int64(512); ; size *= 8 { // few need more
		b := make([]byte, min(size, maxHeader, end-from))
		if _, err := r.ReadAt(b, from); err != nil {
			return h, 0, err
		}
		t := &thrift{b: b}
		h = pageHeader{kind: -1, packed: -1, defEncoding: -1, repEncoding: -1}
		h.read(t)
		if n = int64(len(b) - len(t.b)); t.err == nil {
			break
		}
		if int64(len(b)) == min(maxHeader, end-from) {
			return h, 0, errors.New("broken page header")
		}
	}
	if h.packed < 0 || h.packed > end-from-n || h.unpacked < 0 || h.values < 0 || h.defBytes < 0 || h.repBytes < 0 {
		return h, 0, fmt.Errorf("page of %d values, %d bytes packed and %d unpacked, where %d are left", h.values, h.packed, h.unpacked, end-from-n)
	}
	if h.unpacked > mostBytes(h.packed) || h.values > mostValues(h.packed) {
		return h, 0, fmt.Errorf("page of %d bytes is to unpack to %d, and to %d values; at most %d and %d are taken for that", h.packed, h.unpacked, h.values, mostBytes(h.packed), mostValues(h.packed))
	}
	return h, n, nil
}

func (h *pageHeader) read(t *thrift) {
	numbers := func(to map[int]*int64) {
		t.fields(func(id int, kind byte) bool {
			if p := to[id]; p != nil && kind == typeI32 {
				*p = t.int()
				return true
			}
			if id == 7 && kind == typeFalse {
				h.stored = true
			}
			return false
		})
	}
	t.fields(func(id int, kind byte) bool {
		switch {
		case id >= 1 && id <= 3 && kind == typeI32:
			*[]*int64{&h.kind, &h.unpacked, &h.packed}[id-1] = t.int()
		case id == 5 && kind == typeStruct:
			h.hasData = true
			numbers(map[int]*int64{1: &h.values, 2: &h.encoding, 3: &h.defEncoding, 4: &h.repEncoding})
			h.stored = false
		case id == 7 && kind == typeStruct:
			h.hasDictionary = true
			numbers(map[int]*int64{1: &h.values, 2: &h.encoding})
			h.stored = false
		case id == 8 && kind == typeStruct:
			h.hasData2 = true
			numbers(map[int]*int64{1: &h.values, 4: &h.encoding, 5: &h.defBytes, 6: &h.repBytes})
		default:
			return false
		}
		return true
	})
}

// page gives a page's values one by one.
type page struct {
	left     int64
	rep, def *hybrid // nil: all are 0, or the leaf's MaxDef
	values   valueReader
}

var errLevels = errors.New("broken page: its levels are longer than it is")

// openPage finds the levels and the values in a page's body.
func openPage(h *pageHeader, body []byte, l *Leaf, codec *decompressor, kind int64, dictionary [][]byte) (*page, error) {
	p := &page{left: h.values}
	var err error
	if h.kind == dataPageV2 {
		levels := h.repBytes + h.defBytes
		if max(h.repBytes, h.defBytes) > h.packed || levels > min(h.packed, h.unpacked) {
			return nil, errLevels
		}
		if l.MaxRep > 0 {
			p.rep = newHybrid(body[:h.repBytes], width(l.MaxRep))
		}
		if l.MaxDef > 0 {
			p.def = newHybrid(body[h.repBytes:levels], width(l.MaxDef))
		}
		if body = body[levels:]; !h.stored {
			body, err = codec.unpack(kind, body, h.unpacked-levels)
		}
	} else if body, err = codec.unpack(kind, body, h.unpacked); err == nil {
		if p.rep, body, err = levelsV1(body, l.MaxRep, h.repEncoding); err == nil {
			p.def, body, err = levelsV1(body, l.MaxDef, h.defEncoding)
		}
	}
	if err != nil {
		return nil, err
	}
	p.values, err = openValues(l.Type, h, body, dictionary)
	return p, err
}

// levelsV1 takes the levels off the beginning of an unpacked page.
func levelsV1(b []byte, most int, encoding int64) (*hybrid, []byte, error) {
	if most == 0 {
		return nil, b, nil
	}
	if encoding != rle {
		return nil, nil, fmt.Errorf("levels in the encoding %s are not supported, only RLE", name(encodingNames, int(encoding)))
	}
	if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
		return nil, nil, errLevels
	}
	n := binary.LittleEndian.Uint32(b)
	return newHybrid(b[4:4+n], width(most)), b[4+n:], nil
}

// width returns the bits that numbers up to most take.
func width(most int) int {
	n := 0
	for ; most > 0; most >>= 1 {
		n++
	}
	return n
}
