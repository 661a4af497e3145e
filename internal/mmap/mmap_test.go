package mmap

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pattern returns n bytes that differ from page to page.
func pattern(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i*7 + i>>8*13)
	}
	return data
}

func TestBytes(t *testing.T) {
	page := os.Getpagesize()
	for _, n := range []int{0, 1, page - 1, page, page + 1, 5*page + 123} {
		want := pattern(n)
		f, err := Open(write(t, want))
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if !bytes.Equal(f.Bytes(), want) {
			t.Errorf("%d bytes: contents differ", n)
		}
		if err := f.Close(); err != nil {
			t.Errorf("%d bytes: close: %v", n, err)
		}
		if f.Bytes() != nil {
			t.Errorf("%d bytes: Bytes is not nil after Close", n)
		}
		if err := f.Close(); err != nil {
			t.Errorf("%d bytes: second close: %v", n, err)
		}
	}
}

func TestReleaseKeepsContents(t *testing.T) {
	page := os.Getpagesize()
	want := pattern(4*page + 100)
	f, err := Open(write(t, want))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range [][2]int{{0, 0}, {1, 2}, {0, page}, {10, 3*page - 10}, {page + 1, len(want)}, {len(want) - 1, len(want)}, {0, len(want)}} {
		f.Release(r[0], r[1])
		if !bytes.Equal(f.Bytes(), want) {
			t.Errorf("contents differ after Release(%d, %d)", r[0], r[1])
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f.Release(0, page) // does nothing after Close
}

func TestReleaseOutside(t *testing.T) {
	f, err := Open(write(t, pattern(100)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for _, r := range [][2]int{{-1, 5}, {0, 101}, {6, 5}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Release(%d, %d) of 100 bytes does not panic", r[0], r[1])
				}
			}()
			f.Release(r[0], r[1])
		}()
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	for _, c := range []struct {
		path, want string
		is         error
	}{
		{missing, "missing", fs.ErrNotExist},
		{dir, "is a directory, want a file", nil},
	} {
		f, err := Open(c.path)
		if err == nil {
			_ = f.Close()
			t.Errorf("%s: no error", c.path)
			continue
		}
		var pathErr *fs.PathError
		if !errors.As(err, &pathErr) || pathErr.Path != c.path {
			t.Errorf("%s: %v is no PathError with the path", c.path, err)
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %q, want one with %q", c.path, err, c.want)
		}
		if c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: error %v is not %v", c.path, err, c.is)
		}
	}
}

func TestCheckSize(t *testing.T) {
	for _, c := range []struct {
		size, limit int64
		ok          bool
	}{
		{0, math.MaxInt32, true},
		{math.MaxInt32, math.MaxInt32, true},
		{math.MaxInt32 + 1, math.MaxInt32, false},
		{-1, math.MaxInt64, false},
	} {
		n, err := checkSize(c.size, c.limit)
		if (err == nil) != c.ok || c.ok && int64(n) != c.size {
			t.Errorf("checkSize(%d, %d) = %d, %v", c.size, c.limit, n, err)
		}
	}
}

// TestReleaseBytes hands over slices of the file and of other memory, which must keep its contents.
func TestReleaseBytes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	want := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	if err := os.WriteFile(path, want, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	other := bytes.Clone(want)
	for _, b := range [][]byte{nil, {}, f.Bytes(), f.Bytes()[5000:40000], f.Bytes()[len(want):], other, other[100:]} {
		f.ReleaseBytes(b)
		if !bytes.Equal(f.Bytes(), want) || !bytes.Equal(other, want) {
			t.Fatal("contents differ")
		}
	}
}
