package durable

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestClean asserts that what is whole, and what is not the caller's, stays.
func TestClean(t *testing.T) {
	dir := t.TempDir()
	left := []string{"a-whole", tmpPrefix + "b-1", tmpName("c-1")}
	for _, name := range append(left, tmpPrefix+"a-1", tmpName("a-2")) {
		if err := os.MkdirAll(filepath.Join(dir, name, "deep"), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := Clean(dir, "a-", "d"); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != len(left) {
		t.Error(entries, err)
	}
	for _, name := range left {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

// TestWriteDir asserts that a folder is there as a whole or not, and that one which is there is not touched.
func TestWriteDir(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "deep", "new")
	failed := errors.New("failed")
	put := func(err error) func(string) error {
		return func(dir string) error {
			if _, e := os.Lstat(path); !errors.Is(e, os.ErrNotExist) {
				t.Error("the folder has its name before it is whole")
			}
			return errors.Join(os.WriteFile(filepath.Join(dir, "a"), []byte("a"), 0o600), err)
		}
	}
	left := func(want int) {
		t.Helper()
		if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != want {
			t.Errorf("%v is left, want %d (%v)", entries, want, err)
		}
	}
	if err := WriteDir(path, put(failed)); !errors.Is(err, failed) {
		t.Error(err)
	}
	left(0)
	if err := WriteDir(path+string(filepath.Separator), put(nil)); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(path, "a")); err != nil || string(b) != "a" {
		t.Error(b, err)
	}
	left(1)
	if err := WriteDir(path, func(string) error { t.Error("writes"); return nil }); err == nil {
		t.Error("replaces a folder")
	}
	left(1)
}
