//go:build !linux

package kernel

// HugePages does nothing here.
func HugePages([]byte) {}
