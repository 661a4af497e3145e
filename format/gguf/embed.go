package gguf

import (
	"sync"
	"unsafe"

	"jamba/format/mmap"
)

var embedded sync.Map // []byte by name

// Embed makes the GGUF file in data a file to Open under name, which comes before a file of that name on the disk: for a
// model that is part of a program, by go:embed. data must not change any more.
func Embed(name string, data []byte) {
	// go:embed aligns nothing, and weights are read as numbers of up to eight bytes where they are.
	if address := uintptr(unsafe.Pointer(unsafe.SliceData(data))); address%defaultAlignment != 0 {
		aligned := make([]uint64, (len(data)+7)/8)
		data = append(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(aligned))), len(data))[:0], data...)
	}
	embedded.Store(name, data)
}

func openBytes(path string) (*mmap.File, error) {
	if m, ok := embedded.Load(path); ok {
		return mmap.Of(m.([]byte)), nil
	}
	return mmap.Open(path)
}

// Embedded reports whether a file is embedded under that name.
func Embedded(name string) bool {
	_, ok := embedded.Load(name)
	return ok
}
