package gguf

import (
	"sync"
	"unsafe"

	"jamba/internal/mmap"
)

var embedded sync.Map // func() []byte by name

// Embed makes the GGUF file in data a file to Open under name, which comes before a file of that name on the disk: for a
// model that is part of a program, by go:embed. data must not change any more.
func Embed(name string, data []byte) {
	embedded.Store(name, sync.OnceValue(func() []byte { return aligned(data) }))
}

// aligned returns data at an address that suits numbers of up to eight bytes: go:embed aligns nothing, and weights are read
// where they are.
func aligned(data []byte) []byte {
	if uintptr(unsafe.Pointer(unsafe.SliceData(data)))%defaultAlignment == 0 {
		return data
	}
	words := make([]uint64, (len(data)+7)/8)
	return append(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(data))[:0], data...)
}

func openBytes(path string) (*mmap.File, error) {
	if m, ok := embedded.Load(path); ok {
		return mmap.Of(m.(func() []byte)()), nil
	}
	return mmap.Open(path)
}

// EmbeddedBytes returns the file that is embedded under that name, if there is one.
func EmbeddedBytes(name string) ([]byte, bool) {
	m, ok := embedded.Load(name)
	if !ok {
		return nil, false
	}
	return m.(func() []byte)(), true
}

// Embedded reports whether a file is embedded under that name.
func Embedded(name string) bool {
	_, ok := embedded.Load(name)
	return ok
}
