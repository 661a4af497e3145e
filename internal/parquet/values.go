package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A valueReader gives the values of a page that are there, one by one: bytes that belong to the page or hold until the next
// call, or a number's 8 bytes.
type valueReader interface {
	next() ([]byte, error)
}

var errShort = errors.New("broken page: it has less values than it says")

// openValues returns the reader of the values in b, as h says that they are encoded.
func openValues(t Type, h *pageHeader, b []byte, dictionary [][]byte) (valueReader, error) {
	number, encoding := map[Type]int{Int32: 4, Int64: 8}[t], h.encoding
	if number == 0 && t != ByteArray && t != Boolean {
		return nil, fmt.Errorf("type %s is not supported, only boolean, byte_array, int32 and int64", t)
	}
	switch {
	case t == Boolean:
		return openBooleans(encoding, b)
	case encoding == plain && t == ByteArray:
		return &plainBytes{b}, nil
	case encoding == plain:
		return &plainNumbers{b: b, size: number}, nil
	case encoding == plainDictionary || encoding == rleDictionary:
		if len(b) == 0 {
			return &dictionaryValues{}, nil
		}
		if b[0] > 32 {
			return nil, fmt.Errorf("broken page: indices of %d bits", b[0])
		}
		return &dictionaryValues{newHybrid(b[1:], int(b[0])), dictionary}, nil
	case encoding == deltaPacked && t != ByteArray:
		d, err := newDelta(b, h.values)
		return &deltaNumbers{d: d, size: number}, err
	case encoding == deltaLength && t == ByteArray:
		return newDeltaLengths(b, h.values)
	case encoding == deltaBytes && t == ByteArray:
		prefix, err := newDelta(b, h.values)
		if err != nil {
			return nil, err
		}
		rest, err := prefix.rest()
		if err != nil {
			return nil, err
		}
		suffix, err := newDeltaLengths(rest, h.values)
		return &deltaPrefixes{prefix: prefix, suffix: suffix, left: mostBytes(h.packed)}, err
	}
	return nil, fmt.Errorf("encoding %s of %s is not supported", name(encodingNames, int(encoding)), t)
}

// booleans are numbers of one bit.
type booleans struct {
	*hybrid
	value [8]byte
}

// openBooleans reads booleans in runs, or one after the other.
func openBooleans(encoding int64, b []byte) (*booleans, error) {
	switch {
	case encoding == plain:
		return &booleans{hybrid: &hybrid{b: b, width: 1, packed: true, run: 8 * uint64(len(b))}}, nil
	case encoding == rle && len(b) >= 4: // which its length stands before
		return &booleans{hybrid: newHybrid(b[4:], 1)}, nil
	case encoding == rle:
		return nil, errShort
	}
	return nil, fmt.Errorf("encoding %s of booleans is not supported", name(encodingNames, int(encoding)))
}

func (r *booleans) next() ([]byte, error) {
	v, err := r.hybrid.next()
	r.value[0] = byte(v)
	return r.value[:], err
}

type plainBytes struct{ b []byte }

func (p *plainBytes) next() ([]byte, error) {
	if len(p.b) < 4 || uint64(binary.LittleEndian.Uint32(p.b)) > uint64(len(p.b)-4) {
		return nil, errShort
	}
	n := 4 + int(binary.LittleEndian.Uint32(p.b))
	v := p.b[4:n:n]
	p.b = p.b[n:]
	return v, nil
}

type plainNumbers struct {
	b     []byte
	size  int
	value [8]byte
}

func (p *plainNumbers) next() ([]byte, error) {
	if len(p.b) < p.size {
		return nil, errShort
	}
	if copy(p.value[:], p.b[:p.size]); p.size == 4 {
		binary.LittleEndian.PutUint64(p.value[:], uint64(int64(int32(binary.LittleEndian.Uint32(p.b)))))
	}
	p.b = p.b[p.size:]
	return p.value[:], nil
}

type dictionaryValues struct {
	indices    *hybrid
	dictionary [][]byte
}

func (d *dictionaryValues) next() ([]byte, error) {
	if d.indices == nil {
		return nil, errShort
	}
	i, err := d.indices.next()
	if err == nil && uint64(i) >= uint64(len(d.dictionary)) {
		err = fmt.Errorf("broken page: value %d of a dictionary of %d", i, len(d.dictionary))
	}
	if err != nil {
		return nil, err
	}
	return d.dictionary[i], nil
}

type deltaNumbers struct {
	d     *delta
	size  int
	value [8]byte
}

func (d *deltaNumbers) next() ([]byte, error) {
	v, err := d.d.next()
	if d.size == 4 { // which the differences wrap around in
		v = int64(int32(v))
	}
	binary.LittleEndian.PutUint64(d.value[:], uint64(v))
	return d.value[:], err
}

type deltaLengths struct {
	d *delta
	b []byte
}

func newDeltaLengths(b []byte, values int64) (*deltaLengths, error) {
	d, err := newDelta(b, values)
	if err != nil {
		return nil, err
	}
	rest, err := d.rest()
	return &deltaLengths{d, rest}, err
}

func (d *deltaLengths) next() ([]byte, error) {
	n, err := d.d.next()
	if err == nil && (n < 0 || n > int64(len(d.b))) {
		err = errShort
	}
	if err != nil {
		return nil, err
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v, nil
}

type deltaPrefixes struct {
	prefix *delta
	suffix *deltaLengths
	last   []byte
	left   int64
}

func (d *deltaPrefixes) next() ([]byte, error) {
	n, err := d.prefix.next()
	if err != nil {
		return nil, err
	}
	if n < 0 || n > int64(len(d.last)) {
		return nil, errors.New("broken page: a value repeats more than the one before it has")
	}
	suffix, err := d.suffix.next()
	if err != nil {
		return nil, err
	}
	if d.left -= n; d.left < 0 { // the suffixes are there
		return nil, errors.New("page repeats its values too often")
	}
	d.last = append(d.last[:n], suffix...)
	return d.last, nil
}
