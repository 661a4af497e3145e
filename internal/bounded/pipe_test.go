//go:build unix

package bounded

import (
	"path/filepath"
	"syscall"
	"testing"
)

// A pipe that nobody writes to is not waited for, nor is a device read that has no end.
func TestReadSpecialFile(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, "/dev/zero", "/dev/null"} {
		if _, err := ReadFile(path, 1<<20); err == nil || err.Error() != path+": is no file" {
			t.Error(path, err)
		}
	}
}
