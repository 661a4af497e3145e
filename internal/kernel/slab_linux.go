package kernel

import (
	"bytes"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

const hugePage = 2 << 20

// LargePages reports whether the system has huge pages for those who ask, as a Slab does.
var LargePages = sync.OnceValue(func() bool {
	is, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	return err == nil && !bytes.Contains(is, []byte("[never]"))
})

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
