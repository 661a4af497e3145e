//go:build !unix && !windows

package mmap

import (
	"io"
	"os"
)

const nonblock = 0 // there are no pipes among the files here

// mapFile reads the whole file where there is no memory map.
func mapFile(f *os.File, size int) ([]byte, error) {
	data := make([]byte, size)
	_, err := io.ReadFull(f, data)
	return data, err
}

func unmap([]byte) error { return nil }

func release([]byte) {}
