//go:build !linux

package kernel

// LargePages reports whether the system has huge pages for those who ask, as a Slab does.
func LargePages() bool { return false }

// HugePages does nothing here.
func HugePages([]byte) {}
