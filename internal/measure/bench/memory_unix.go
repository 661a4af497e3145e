//go:build unix

package bench

import (
	"os"

	"golang.org/x/sys/unix"
)

// allocate returns n bytes of memory that free gives back to the system at once.
func allocate(n int) (memory []byte, free func(), err error) {
	memory, err = unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, nil, os.NewSyscallError("mmap", err)
	}
	return memory, func() { _ = unix.Munmap(memory) }, nil
}
