package parquet

import (
	"encoding/binary"
	"errors"
)

var errNumbers = errors.New("broken page: it has less levels or indices than it says")

// hybrid reads numbers of a fixed width from runs, which repeat one or are bit-packed (Encodings.md, RLE = 3).
type hybrid struct {
	b      []byte
	width  int
	run    uint64 // numbers that are left of the run
	packed bool
	value  uint32
	bits   uint64 // not yet given, lowest first
	have   int
}

func newHybrid(b []byte, width int) *hybrid { return &hybrid{b: b, width: width} }

func (h *hybrid) next() (uint32, error) {
	for h.run == 0 {
		head, n := binary.Uvarint(h.b)
		if n <= 0 {
			return 0, errNumbers
		}
		h.b = h.b[n:]
		h.packed, h.run = head&1 == 1, head>>1
		if h.packed {
			h.run, h.bits, h.have = min(h.run, 1<<32)*8, 0, 0
			continue
		}
		size := (h.width + 7) / 8
		if len(h.b) < size {
			return 0, errNumbers
		}
		h.value = 0
		for i := range size {
			h.value |= uint32(h.b[i]) << (8 * i)
		}
		h.b = h.b[size:]
	}
	h.run--
	if !h.packed {
		return h.value, nil
	}
	for h.have < h.width {
		if len(h.b) == 0 {
			return 0, errNumbers
		}
		h.bits |= uint64(h.b[0]) << h.have
		h.b, h.have = h.b[1:], h.have+8
	}
	v := uint32(h.bits & (1<<h.width - 1))
	h.bits, h.have = h.bits>>h.width, h.have-h.width
	return v, nil
}

var errDelta = errors.New("broken page: its differences are cut short or not as they should be")

// delta reads DELTA_BINARY_PACKED: numbers by their differences, in blocks of small blocks of one width each.
type delta struct {
	b            []byte
	small        uint64 // small blocks of a block
	size         uint64 // numbers of a small block
	left         uint64 // numbers
	value, least int64
	first        bool
	widths       []byte // of the small blocks that are left of the block
	inSmall      uint64 // numbers that are left of the small one
	packed       []byte
	bit, width   int
}

// newDelta returns a reader of at most so many numbers.
func newDelta(b []byte, most int64) (*delta, error) {
	t := &thrift{b: b}
	block := t.uvarint()
	d := &delta{small: t.uvarint(), left: t.uvarint(), value: t.int(), first: true}
	if t.err != nil || d.left > uint64(most) || block == 0 || block > 1<<24 || d.small == 0 || block%d.small != 0 || block/d.small%8 != 0 {
		return nil, errDelta
	}
	d.b, d.size = t.b, block/d.small
	return d, nil
}

func (d *delta) next() (int64, error) {
	if d.left == 0 {
		return 0, errDelta
	}
	d.left--
	if d.first {
		d.first = false
		return d.value, nil
	}
	if d.inSmall == 0 {
		if err := d.open(); err != nil {
			return 0, err
		}
	}
	d.inSmall--
	var v uint64
	for i := 0; i < d.width; { // up to 8 bits at a time
		at, n := d.bit%8, min(8-d.bit%8, d.width-i)
		v |= (uint64(d.packed[d.bit/8]) >> at & (1<<n - 1)) << i
		i, d.bit = i+n, d.bit+n
	}
	d.value += d.least + int64(v)
	return d.value, nil
}

// open begins the next small block.
func (d *delta) open() error {
	if len(d.widths) == 0 {
		t := &thrift{b: d.b}
		d.least = t.int()
		if t.err != nil || uint64(len(t.b)) < d.small {
			return errDelta
		}
		d.widths, d.b = t.b[:d.small], t.b[d.small:]
	}
	d.width, d.widths, d.bit, d.inSmall = int(d.widths[0]), d.widths[1:], 0, d.size
	bytes := d.size / 8 * uint64(d.width)
	if d.width > 64 || bytes > uint64(len(d.b)) {
		return errDelta
	}
	d.packed, d.b = d.b[:bytes], d.b[bytes:]
	return nil
}

// rest returns what follows all numbers; the reader stays where it is.
func (d *delta) rest() ([]byte, error) {
	ahead := *d
	for ahead.left > 0 {
		if _, err := ahead.next(); err != nil {
			return nil, err
		}
	}
	return ahead.b, nil
}
