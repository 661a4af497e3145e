package tokenizer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// A wireField is one field of a protobuf message.
// https://protobuf.dev/programming-guides/encoding/
type wireField struct {
	number int
	value  uint64 // varint and fixed fields
	data   []byte // length-delimited fields; part of the message
	kind   byte
}

const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

var errTruncated = errors.New("truncated protobuf message")

// readWire yields the fields of a protobuf message until yield fails.
func readWire(b []byte, yield func(f wireField) error) error {
	varint := func() (uint64, error) {
		v, n := binary.Uvarint(b)
		if n == 0 {
			return 0, errTruncated
		}
		if n < 0 {
			return 0, errors.New("protobuf varint of more than 64 bits")
		}
		b = b[n:]
		return v, nil
	}
	for len(b) > 0 {
		tag, err := varint()
		if err != nil {
			return err
		}
		f := wireField{number: int(min(tag>>3, math.MaxInt32)), kind: byte(tag & 7)}
		switch f.kind {
		case wireVarint:
			if f.value, err = varint(); err != nil {
				return err
			}
		case wireFixed64:
			if len(b) < 8 {
				return errTruncated
			}
			f.value, b = binary.LittleEndian.Uint64(b), b[8:]
		case wireFixed32:
			if len(b) < 4 {
				return errTruncated
			}
			f.value, b = uint64(binary.LittleEndian.Uint32(b)), b[4:]
		case wireBytes:
			n, err := varint()
			if err != nil {
				return err
			}
			if n > uint64(len(b)) {
				return fmt.Errorf("%w: field %d of %d bytes, %d are left", errTruncated, f.number, n, len(b))
			}
			f.data, b = b[:n], b[n:]
		default:
			return fmt.Errorf("protobuf field %d has wire type %d, which is not supported", f.number, f.kind)
		}
		if err := yield(f); err != nil {
			return err
		}
	}
	return nil
}

// expect fails when the field does not have the wire type its number has in the schema.
func (f wireField) expect(kind byte, name string) error {
	if f.kind != kind {
		return fmt.Errorf("%s: protobuf wire type %d, want %d", name, f.kind, kind)
	}
	return nil
}
