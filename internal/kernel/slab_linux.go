package kernel

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const hugePage = 2 << 20

// HugePages asks for huge pages for b, which should not have been touched yet. The advice goes for whole huge pages, of
// which two slabs may share one. Errors do not matter: it is advice, and the bytes are the same.
func HugePages(b []byte) {
	if len(b) < hugePage {
		return
	}
	at := uintptr(unsafe.Pointer(&b[0]))
	lo, hi := at&^(hugePage-1), (at+uintptr(len(b))+hugePage-1)&^(hugePage-1)
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, lo, hi-lo, unix.MADV_HUGEPAGE)
}
