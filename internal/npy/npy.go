// Package npy reads and writes NumPy's files of one float32 array with two dimensions (NEP 1, format versions 1 to 3).
package npy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"

	"jamba/internal/bounded"
	"jamba/tensor"
)

const magic = "\x93NUMPY"

// Header returns the beginning of a file of [rows, columns], which the values follow, little-endian, row by row.
func Header(rows, columns int) []byte {
	dict := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", rows, columns)
	const start = magic + "\x01\x00"
	pad := 63 - (len(start)+2+len(dict))%64
	b := binary.LittleEndian.AppendUint16([]byte(start), uint16(len(dict)+pad+1))
	b = append(b, dict...)
	return append(append(b, bytes.Repeat([]byte{' '}, pad)...), '\n')
}

// File is an open file, read from its beginning to its end.
type File struct {
	Rows, Columns int
	path          string
	f             *os.File
}

// Open opens the file at path. It is an error if it holds anything but a float32 array [rows, columns] in row order, or
// if its size is not that of the array.
func Open(path string) (*File, error) {
	f, err := bounded.Open(path)
	if err != nil {
		return nil, err
	}
	r := &File{path: path, f: f}
	if err := r.header(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// The parts of a header's dictionary, which NumPy writes in one way.
var (
	descr = regexp.MustCompile(`'descr': *'([^']*)'`)
	order = regexp.MustCompile(`'fortran_order': *(True|False)`)
	shape = regexp.MustCompile(`'shape': *\( *([0-9]+) *, *([0-9]+) *,? *\)`)
)

func (r *File) header() error {
	start := make([]byte, len(magic)+2+2, len(magic)+2+4)
	if _, err := io.ReadFull(r.f, start); err != nil || string(start[:len(magic)]) != magic {
		return errors.New("not a NumPy file")
	}
	var n int64
	switch version := start[len(magic)]; version {
	case 1:
		n = int64(binary.LittleEndian.Uint16(start[len(magic)+2:]))
	case 2, 3:
		start = start[:cap(start)]
		if _, err := io.ReadFull(r.f, start[len(start)-2:]); err != nil {
			return errors.New("the header ends early")
		}
		n = int64(binary.LittleEndian.Uint32(start[len(magic)+2:]))
	default:
		return fmt.Errorf("version %d of the format is not known", version)
	}
	if n > 1<<16 {
		return fmt.Errorf("a header of %d bytes is too long for an array of two dimensions", n)
	}
	dict := make([]byte, n)
	if _, err := io.ReadFull(r.f, dict); err != nil {
		return errors.New("the header ends early")
	}
	kind, fortran, dims := descr.FindSubmatch(dict), order.FindSubmatch(dict), shape.FindSubmatch(dict)
	switch {
	case kind == nil || fortran == nil:
		return errors.New("the header is not as NumPy writes it")
	case string(kind[1]) != "<f4":
		return fmt.Errorf("the values are of type %q, want \"<f4\" (float32)", kind[1])
	case string(fortran[1]) != "False":
		return errors.New("the array is in column order; save numpy.ascontiguousarray of it")
	case dims == nil:
		return errors.New("the array has not two dimensions")
	}
	var errRows, errColumns error
	r.Rows, errRows = strconv.Atoi(string(dims[1]))
	r.Columns, errColumns = strconv.Atoi(string(dims[2]))
	if errRows != nil || errColumns != nil || r.Columns > 0 && r.Rows > math.MaxInt/4/r.Columns {
		return fmt.Errorf("shape (%s, %s) is too large", dims[1], dims[2])
	}
	info, err := r.f.Stat()
	if err != nil {
		return err
	}
	if have, want := info.Size()-int64(len(start))-n, 4*int64(r.Rows)*int64(r.Columns); have != want {
		return fmt.Errorf("%d bytes of values, want %d for shape (%d, %d)", have, want, r.Rows, r.Columns)
	}
	return nil
}

// Read fills dst with the next values.
func (r *File) Read(dst []float32) error {
	// Little-endian, as all machines that Go and this project meet.
	if _, err := io.ReadFull(r.f, tensor.Bytes(dst)); err != nil {
		return fmt.Errorf("%s: %w", r.path, err)
	}
	return nil
}

// Close closes the file.
func (r *File) Close() error { return r.f.Close() }
