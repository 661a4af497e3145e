//go:build unix

package mmap

import (
	"os"

	"golang.org/x/sys/unix"
)

// nonblock keeps opening a pipe from waiting for a writer.
const nonblock = unix.O_NONBLOCK

func mapFile(f *os.File, size int) ([]byte, error) {
	return unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
}

func unmap(data []byte) error { return os.NewSyscallError("munmap", unix.Munmap(data)) }

// release ignores the error: it is advice, and the bytes are the same whether or not it is taken.
func release(data []byte) { _ = unix.Madvise(data, unix.MADV_DONTNEED) }
