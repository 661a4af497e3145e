package bounded

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadText(t *testing.T) {
	for content, want := range map[string]string{"\ufeff{}": "{}", "{}": "{}", "": "", "\ufeff\ufeff{}": "\ufeff{}", "{\ufeff}": "{\ufeff}"} {
		path := filepath.Join(t.TempDir(), "x.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if b, err := ReadText(path, 100); err != nil || string(b) != want {
			t.Errorf("%q: %q, %v, want %q", content, b, err, want)
		}
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte("four"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := ReadFile(path, 4); err != nil || string(b) != "four" {
		t.Error(string(b), err)
	}
	if _, err := ReadFile(path, 3); err == nil || err.Error() != path+": larger than 3 bytes" {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path, 1000); err == nil || !strings.HasPrefix(err.Error(), path+": is a Git LFS pointer") {
		t.Error(err)
	}
	// A size that nobody has memory for is no reason to ask for it.
	if err := os.Truncate(path, 1<<40); err == nil {
		if _, err := ReadFile(path, 1<<20); err == nil || !strings.Contains(err.Error(), "larger than") {
			t.Error(err)
		}
	}
	if _, err := ReadFile(dir, 4); err == nil || err.Error() != dir+": is no file" {
		t.Error(err)
	}
	if _, err := ReadFile(filepath.Join(dir, "none"), 4); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
