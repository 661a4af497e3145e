// Package mmap maps files into memory, read-only.
//
// The operating system reads a mapped file page by page when the bytes are first touched and may drop the pages
// again under memory pressure, so opening costs the same for a file of any size.
//
// Two caveats come with that. The bytes die with Close: a slice of them that is used later faults, and no recover
// can catch that. And the file has to stay as it is while it is mapped: one that another program cuts short faults
// when the missing pages are touched.
package mmap

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"unsafe"
)

// File is a file whose contents are in memory. Its methods may be called by several goroutines at once, except
// Close, which has to come after all of them.
type File struct {
	data  []byte
	given bool // not mapped, see Of
}

// Of returns a File of bytes that are in memory already. Release and Close leave them alone.
func Of(data []byte) *File { return &File{data, true} }

// Open maps the file at path. The file is not held open, only mapped, so it may be renamed or removed meanwhile
// where the system allows it. An empty file has no bytes and is no error.
//
// Every error is an *fs.PathError. It is an error if the file cannot be opened, is a folder or anything else but a
// regular file, or is larger than the address space.
func Open(path string) (*File, error) {
	data, err := open(path)
	if err == nil {
		return &File{data: data}, nil
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, err
	}
	return nil, &fs.PathError{Op: "mmap", Path: path, Err: err}
}

func open(path string) ([]byte, error) {
	// Looked at before it is opened: opening a named pipe would wait for a writer.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := checkRegular(info); err != nil {
		return nil, err
	}
	// Another file may stand there by now: opening one that is no file must not wait.
	f, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// The size has to be that of the file at hand, not of what stood at path a moment ago.
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if err := checkRegular(info); err != nil {
		return nil, err
	}
	size, err := checkSize(info.Size(), math.MaxInt)
	if err != nil || size == 0 {
		return nil, err
	}
	return mapFile(f, size)
}

func checkRegular(info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode.IsDir():
		return errors.New("is a directory, want a file")
	case !mode.IsRegular():
		return errors.New("is not a regular file")
	}
	return nil
}

// checkSize returns size as an int if it is at most limit, the largest slice that an address space can hold.
func checkSize(size, limit int64) (int, error) {
	if size < 0 || size > limit {
		return 0, errors.New("is larger than this machine's address space")
	}
	return int(size), nil
}

// Bytes returns the file's contents. They are read-only, writing to them faults, and they are valid until Close.
// After Close Bytes returns nil.
func (f *File) Bytes() []byte { return f.data }

// Release tells the system that the bytes [lo, hi) will not be needed soon, so that it can take back their memory.
// They stay valid and are read from the file again if they are touched. Only pages that lie wholly in the range are
// released. Where the system offers no such advice, and after Close, it does nothing. It panics if the range is not
// inside the file.
func (f *File) Release(lo, hi int) {
	if f.data == nil || f.given {
		return
	}
	_ = f.data[lo:hi]
	page := os.Getpagesize()
	first := (lo + page - 1) / page * page
	last := hi / page * page
	if hi == len(f.data) {
		last = hi // the system rounds the length up, and nothing else lies in the rest of the last page
	}
	if first < last {
		release(f.data[first:last])
	}
}

// ReleaseBytes is Release of a slice of Bytes. It does nothing to any other slice.
func (f *File) ReleaseBytes(b []byte) {
	if len(b) == 0 || len(f.data) == 0 {
		return
	}
	from, start := uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&f.data[0]))
	if from < start || from-start > uintptr(len(f.data)) || uintptr(len(b)) > uintptr(len(f.data))-(from-start) {
		return
	}
	f.Release(int(from-start), int(from-start)+len(b))
}

// Close unmaps the file. All slices of its bytes become invalid. Closing again does nothing and returns nil.
func (f *File) Close() error {
	data := f.data
	f.data = nil
	if data == nil || f.given {
		return nil
	}
	return unmap(data)
}
