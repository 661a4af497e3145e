package gguf

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"unicode"

	"jamba/internal/printable"
	"jamba/tensor"
)

const (
	magic            = "GGUF"
	version          = 3
	alignmentKey     = "general.alignment"
	defaultAlignment = 32
	maxAlignment     = 1 << 20 // bounds the padding; no more than 4096 is known to be in use
	maxKey           = 65535
	maxName          = 64
	maxDims          = 4
)

// Info describes a tensor without its bytes.
type Info struct {
	Name  string
	Type  Type
	Shape []int // row-major
	Size  int   // in bytes; 0 if the type is unknown
	part  int   // index of File.parts
	start int   // offset of the first byte in the part's file
}

// parse reads everything of a file but the tensors' bytes. Its errors do not name the file.
func parse(data []byte) (Metadata, []Info, error) {
	c := newCursor(data)
	if got := string(data[:min(len(data), len(magic))]); got != magic {
		return nil, nil, fmt.Errorf("no GGUF file: starts with %q, want %q", got, magic)
	}
	c.pos = len(magic)
	v := c.u32()
	switch {
	case c.err != nil:
		return nil, nil, c.err
	case v == 2 || v == version:
	case v&0xffff == 0 && v != 0:
		return nil, nil, fmt.Errorf("big-endian file of version %d: convert it to little-endian", bits.ReverseBytes32(v))
	default:
		return nil, nil, fmt.Errorf("version %d, want 2 or 3: convert the model again", v)
	}
	// The least sizes are those of an unnamed tensor without dimensions and of a byte with an empty key.
	var tensors, pairs int
	c.bounded("tensors", 24, &tensors, maxTensors)
	c.bounded("metadata pairs", 13, &pairs, maxPairs)
	metadata := c.metadata(pairs)
	infos := c.infos(tensors)
	if c.err != nil {
		return nil, nil, c.err
	}
	alignment, err := metadata.alignment()
	if err != nil {
		return nil, nil, err
	}
	if err := place(infos, alignUp(c.pos, alignment), alignment, len(data)); err != nil {
		return nil, nil, err
	}
	return metadata, infos, nil
}

func (c *cursor) metadata(n int) Metadata {
	// The capacity grows with what is really there rather than with what is announced.
	var m Metadata
	seen := map[string]bool{}
	for i := range n {
		key := c.text()
		if c.err != nil {
			c.err = fmt.Errorf("metadata pair %d: %w", i, c.err)
			return nil
		}
		if err := checkName(key, maxKey); err != nil {
			c.failf("metadata pair %d: key %w", i, err)
			return nil
		}
		if seen[key] {
			c.failf("key %s is there twice", printable.Cut(key, 100))
			return nil
		}
		seen[key] = true
		v := c.value(valueType(c.u32()))
		if c.err != nil {
			c.err = fmt.Errorf("key %s: %w", printable.Cut(key, 100), c.err)
			return nil
		}
		m = append(m, KV{key, v})
	}
	return m
}

func (c *cursor) infos(n int) []Info {
	var infos []Info
	seen := map[string]bool{}
	for i := range n {
		name := c.text()
		if c.err != nil {
			c.err = fmt.Errorf("tensor %d: %w", i, c.err)
			return nil
		}
		if err := checkName(name, maxName); err != nil {
			c.failf("tensor %d: name %w", i, err)
			return nil
		}
		if seen[name] {
			c.failf("tensor %s is there twice", name)
			return nil
		}
		seen[name] = true
		info := c.info(name)
		if c.err != nil {
			c.err = fmt.Errorf("%s: %w", name, c.err)
			return nil
		}
		infos = append(infos, info)
	}
	return infos
}

// info reads the rest of a tensor info. Its start is still relative to the data.
func (c *cursor) info(name string) Info {
	info := Info{Name: name}
	dims := c.u32()
	if dims > maxDims {
		c.failf("%d dimensions, want at most %d", dims, maxDims)
		return info
	}
	info.Shape = make([]int, dims)
	for i := range info.Shape {
		info.Shape[i] = c.int("dimension")
	}
	slices.Reverse(info.Shape)
	info.Type = Type(c.u32())
	info.start = c.int("offset")
	if c.err != nil {
		return info
	}
	if slices.Contains(info.Shape, 0) {
		c.failf("shape %v has no elements", info.Shape)
		return info
	}
	size, err := info.Type.size(info.Shape)
	if err != nil {
		c.failf("%w", err)
	}
	info.Size = size
	return info
}

// place makes the infos' starts relative to the file after checking that the tensors lie inside it, aligned and apart.
func place(infos []Info, data, alignment, size int) error {
	order := make([]int, len(infos))
	for i := range infos {
		order[i] = i
		info := &infos[i]
		switch {
		case info.start%alignment != 0:
			return fmt.Errorf("%s: offset %d is no multiple of the alignment %d", info.Name, info.start, alignment)
		case info.start > size-data || info.Size > size-data-info.start:
			return fmt.Errorf("%s: %v %v of %d bytes at offset %d of the data, which starts at %d, runs past the end of the file at %d: is the file complete?",
				info.Name, info.Type, info.Shape, info.Size, info.start, data, size)
		}
		info.start += data
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(infos[a].start, infos[b].start) })
	for i := 1; i < len(order); i++ {
		a, b := infos[order[i-1]], infos[order[i]]
		// Two that start alike overlap even if the size of the first is not known.
		if a.start == b.start || a.start+a.Size > b.start {
			return fmt.Errorf("%s: overlaps with %s at offset %d", b.Name, a.Name, b.start-data)
		}
	}
	return nil
}

// alignment returns the multiple that tensors start at.
func (m Metadata) alignment() (int, error) {
	a, err := getOr(m, alignmentKey, defaultAlignment)
	if err != nil {
		return 0, err
	}
	if a <= 0 || a > maxAlignment || a&(a-1) != 0 {
		return 0, fmt.Errorf("key %s: is %d, want a power of two up to %d", alignmentKey, a, maxAlignment)
	}
	return a, nil
}

// alignUp returns the least multiple of alignment, a power of two, that is not below n.
func alignUp(n, alignment int) int { return (n + alignment - 1) &^ (alignment - 1) }

// checkName accepts keys and tensor names that can be shown as they are: they end up in error messages and terminals.
func checkName(s string, limit int) error {
	switch {
	case s == "":
		return errors.New("is empty")
	case len(s) > limit:
		return fmt.Errorf("of %d bytes, want at most %d", len(s), limit)
	case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }):
		return fmt.Errorf("%q is no printable text", s[:min(len(s), 100)])
	}
	return nil
}

// tensor returns the tensor that info describes over its bytes in data, the file's.
func (info Info) tensor(data []byte) (tensor.Tensor, error) {
	d, ok := info.Type.DType()
	if !ok {
		return tensor.Tensor{}, fmt.Errorf("%s: %v is not supported, only %s", info.Name, info.Type, supported())
	}
	end := info.start + info.Size
	return tensor.New(info.Name, d, info.Shape, data[info.start:end:end])
}
