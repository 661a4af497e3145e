// Package safetensors reads checkpoints in the safetensors format: a header of JSON that names, types and places the
// tensors, and their bytes after it (https://huggingface.co/docs/safetensors). Files are mapped, not read: opening one
// costs as much as its header.
package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"jamba/internal/impostor"
	"jamba/internal/mmap"
	"jamba/internal/printable"
	"jamba/tensor"
)

// maxHeader bounds the header, and with it the memory that opening a file takes. The format allows six times as much;
// one of a hundred thousand tensors takes half of it.
const maxHeader = 16 << 20

// maxDims is more than any network's tensors have.
const maxDims = 16

// File is one open safetensors file.
type File struct {
	path    string
	mem     *mmap.File
	data    []byte // what follows the header
	entries map[string]entry
}

// entry is a tensor as the header describes it.
type entry struct {
	DType   string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// dtypes are the header's element types that this project computes with; sizes has the others that a header may name.
var (
	dtypes = map[string]tensor.DType{"F32": tensor.F32, "F16": tensor.F16, "BF16": tensor.BF16, "F8_E4M3": tensor.F8_E4M3, "F8_E5M2": tensor.F8_E5M2}
	sizes  = map[string]int{
		"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "I64": 8, "U64": 8, "I32": 4, "U32": 4, "I16": 2, "U16": 2, "I8": 1, "U8": 1,
		"BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "C64": 8,
	}
)

// Open maps the file at path and checks its header against the file's size.
// The caller closes the File, and uses no tensor of it after that.
func Open(path string) (*File, error) {
	mem, err := mmap.Open(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	entries, data, err := parse(mem.Bytes())
	if err != nil {
		if what := impostor.What(mem.Bytes()); what != "" {
			err = errors.New(what)
		}
		mem.Close()
		return nil, fmt.Errorf("safetensors: %s: %w", path, err)
	}
	return &File{path, mem, data, entries}, nil
}

// Close unmaps the file: every tensor of it becomes invalid.
func (f *File) Close() error { return f.mem.Close() }

// Names returns the names of the tensors, sorted.
func (f *File) Names() []string { return slices.Sorted(maps.Keys(f.entries)) }

// Tensor returns the tensor of that name as a view of the mapped file.
// It is an error if there is none, or if its element type is none that the project computes with.
func (f *File) Tensor(name string) (tensor.Tensor, error) {
	e, ok := f.entries[name]
	if !ok {
		return tensor.Tensor{}, fmt.Errorf("safetensors: %s: no tensor %q", f.path, name)
	}
	d, ok := dtypes[e.DType]
	if !ok {
		return tensor.Tensor{}, fmt.Errorf("safetensors: %s: %s: dtype %s is not supported; F32, F16, BF16, F8_E4M3 and F8_E5M2 are", f.path, name, e.DType)
	}
	t, err := tensor.New(name, d, e.Shape, f.data[e.Offsets[0]:e.Offsets[1]])
	if err != nil {
		return tensor.Tensor{}, fmt.Errorf("safetensors: %s: %w", f.path, err)
	}
	return t, nil
}

// Raw returns a tensor of any element type, as the header spells it, with its shape and its bytes in the mapped file.
func (f *File) Raw(name string) (dtype string, shape []int, data []byte, ok bool) {
	e, ok := f.entries[name]
	if !ok {
		return "", nil, nil, false
	}
	return e.DType, e.Shape, f.data[e.Offsets[0]:e.Offsets[1]], true
}

// parse reads the header of a file's bytes; it returns the tensors and the bytes after the header.
// Every tensor lies within those bytes, has the size its type and shape ask for, and overlaps with no other.
func parse(b []byte) (map[string]entry, []byte, error) {
	if len(b) < 8 {
		return nil, nil, fmt.Errorf("file of %d bytes is too short for a header; is the download complete?", len(b))
	}
	n := binary.LittleEndian.Uint64(b)
	if n > maxHeader {
		return nil, nil, fmt.Errorf("header of %d bytes is longer than the %d that this reader takes; is this a safetensors file?", n, maxHeader)
	}
	if n > uint64(len(b)-8) {
		return nil, nil, fmt.Errorf("header of %d bytes in a file of %d; is the download complete?", n, len(b))
	}
	header, data := b[8:8+n], b[8+n:]
	entries, err := decode(header)
	if err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	names := slices.Collect(maps.Keys(entries))
	slices.SortFunc(names, func(a, b string) int {
		x, y := entries[a].Offsets, entries[b].Offsets
		return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1]))
	})
	end, last := int64(0), "the header"
	for _, name := range names {
		e := entries[name]
		if err := e.check(int64(len(data))); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", cut(name), err)
		}
		switch {
		case e.Offsets[0] < end:
			return nil, nil, fmt.Errorf("%s: data_offsets %v overlap with %s, which ends at %d", cut(name), e.Offsets, cut(last), end)
		case e.Offsets[0] > end:
			return nil, nil, fmt.Errorf("%s: data_offsets %v leave a hole after %s, which ends at %d", cut(name), e.Offsets, cut(last), end)
		}
		end, last = e.Offsets[1], name
	}
	if end != int64(len(data)) {
		return nil, nil, fmt.Errorf("%d bytes after the last tensor, %s", int64(len(data))-end, cut(last))
	}
	return entries, data, nil
}

// decode reads the header's JSON, which repeats no name.
func decode(header []byte) (map[string]entry, error) {
	d := json.NewDecoder(bytes.NewReader(header))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("no JSON object")
	}
	entries := map[string]entry{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		name := key.(string)
		if name == "__metadata__" {
			var m map[string]string
			if err := d.Decode(&m); err != nil {
				return nil, fmt.Errorf("__metadata__: %w", err)
			}
			continue
		}
		if _, ok := entries[name]; ok {
			return nil, fmt.Errorf("tensor %q is there twice", cut(name))
		}
		var e entry
		if err := d.Decode(&e); err != nil {
			return nil, fmt.Errorf("%s: %s", cut(name), cut(err.Error()))
		}
		entries[name] = e
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	// Spaces may fill the header up.
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("something follows the JSON object")
	}
	return entries, nil
}

// cut makes a name short enough for a message.
func cut(name string) string { return printable.Cut(name, 100) }

// check compares the entry with the size of the data and with its own type and shape.
func (e entry) check(size int64) error {
	lo, hi := e.Offsets[0], e.Offsets[1]
	if lo < 0 || hi < lo {
		return fmt.Errorf("data_offsets %v are no range", e.Offsets)
	}
	if hi > size {
		return fmt.Errorf("data_offsets %v reach beyond the %d bytes of data; is the download complete?", e.Offsets, size)
	}
	width, ok := sizes[e.DType]
	if !ok {
		return fmt.Errorf("unknown dtype %q", cut(e.DType))
	}
	if len(e.Shape) > maxDims {
		return fmt.Errorf("%d dimensions, want at most %d", len(e.Shape), maxDims)
	}
	n, err := tensor.Numel(e.Shape)
	if err != nil {
		return err
	}
	if int64(n) != (hi-lo)/int64(width) || (hi-lo)%int64(width) != 0 {
		return fmt.Errorf("%s %v does not take the %d bytes of its data_offsets %v", e.DType, e.Shape, hi-lo, e.Offsets)
	}
	return nil
}
