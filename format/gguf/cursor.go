package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// maxHeader bounds all that precedes the tensors' bytes, and with it the memory that opening a file can take: a sparse
// file of terabytes costs its maker nothing. A vocabulary of 256k tokens takes about 10 MB.
const maxHeader = 64 << 20

// Bounds of what takes more memory than its bytes in the file.
const (
	maxPairs   = 1 << 16
	maxTensors = 1 << 17
	maxTexts   = 1 << 22 // strings of all arrays: vocabularies of millions of tokens with their merges
	maxArrays  = 1 << 16 // within arrays
)

// cursor reads a header front to back. After the first failure err is set, and every read returns a zero value.
type cursor struct {
	data []byte // the file, at most maxHeader bytes of it
	size int    // the whole file's size
	pos  int
	err  error

	texts, arrays int // so far
}

func newCursor(data []byte) *cursor {
	return &cursor{data: data[:min(len(data), maxHeader)], size: len(data)}
}

func (c *cursor) failf(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

// take returns the next count elements of size bytes each.
func (c *cursor) take(count uint64, size int) []byte {
	left := len(c.data) - c.pos
	switch {
	case c.err != nil:
		return nil
	case count <= uint64(left/size):
	case len(c.data) < c.size:
		c.failf("metadata and tensor infos go on past %d MiB, the limit of this reader", maxHeader>>20)
		return nil
	default:
		c.failf("%d × %d bytes at offset %d run past the end of the file at %d", count, size, c.pos, c.size)
		return nil
	}
	lo := c.pos
	c.pos += int(count) * size
	return c.data[lo:c.pos]
}

func (c *cursor) u32() uint32 {
	if b := c.take(1, 4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if b := c.take(1, 8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// count reads a number of things that take at least size bytes each and fails if the file has no room for them.
func (c *cursor) count(what string, size int) int {
	n := c.u64()
	if left := len(c.data) - c.pos; n > uint64(left/size) {
		c.failf("%d %s do not fit in the %d bytes that are left", n, what, left)
	}
	if c.err != nil {
		return 0
	}
	return int(n)
}

// bounded is count for what takes more memory than its bytes in the file: at most limit, with the sum so far.
func (c *cursor) bounded(what string, size int, sum *int, limit int) int {
	n := c.count(what, size)
	if *sum += n; *sum > limit {
		c.failf("more than %d %s, the limit of this reader", limit, what)
		return 0
	}
	return n
}

// text reads a string into memory of its own.
func (c *cursor) text() string { return string(c.take(c.u64(), 1)) }

// int reads a u64 that has to be a valid int.
func (c *cursor) int(what string) int {
	n := c.u64()
	if n > math.MaxInt {
		c.failf("%s %d overflows", what, n)
		return 0
	}
	return int(n)
}
