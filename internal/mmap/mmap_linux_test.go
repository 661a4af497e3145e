package mmap

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"
)

// resident returns how many kB of the mapping that starts with data are in this process's memory.
func resident(t *testing.T, data []byte) (kB int) {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	start := fmt.Sprintf("%x-", uintptr(unsafe.Pointer(unsafe.SliceData(data))))
	found := false
	for s := bufio.NewScanner(f); s.Scan(); {
		line := s.Text()
		found = found || strings.HasPrefix(line, start)
		if found && strings.HasPrefix(line, "Rss:") {
			if _, err := fmt.Sscanf(line, "Rss: %d kB", &kB); err != nil {
				t.Fatal(err)
			}
			return kB
		}
	}
	t.Skip("the mapping is not listed")
	return 0
}

// TestReleaseFreesMemory checks that whole pages leave memory, that those the range only touches stay, and that opening
// a file loads nothing.
func TestReleaseFreesMemory(t *testing.T) {
	page := os.Getpagesize()
	pageKB := page / 1024
	f, err := Open(write(t, pattern(8*page-100)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if kB := resident(t, f.Bytes()); kB != 0 {
		t.Errorf("%d kB in memory after Open, want 0", kB)
	}
	for _, c := range []struct{ lo, hi, left int }{
		{page - 1, 7*page + 1, 2},
		{1, 8*page - 100, 1},
		{0, 8*page - 101, 1},
		{0, 8*page - 100, 0},
		{1, page, 8},
	} {
		sum := 0
		for _, b := range f.Bytes() {
			sum += int(b)
		}
		if kB := resident(t, f.Bytes()); sum == 0 || kB != 8*pageKB {
			t.Fatalf("%d kB in memory when all is read, want %d", kB, 8*pageKB)
		}
		f.Release(c.lo, c.hi)
		if kB := resident(t, f.Bytes()); kB != c.left*pageKB {
			t.Errorf("%d kB in memory after Release(%d, %d), want %d", kB, c.lo, c.hi, c.left*pageKB)
		}
	}
}
