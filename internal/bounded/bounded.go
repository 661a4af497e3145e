// Package bounded reads small files that others wrote: settings, indexes, templates. Nobody knows what such a path really
// is, so its kind and size are looked at before anything is held in memory.
package bounded

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"jamba/internal/impostor"
)

// ReadFile returns the contents of the file at path. It is an error if that is no regular file, such as a pipe that would
// never end, if there are more than limit bytes, or if it is a Git LFS pointer in place of the file.
func ReadFile(path string, limit int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() <= limit {
		b, err := io.ReadAll(io.LimitReader(f, limit+1)) // it may have grown
		if err == nil && impostor.LFS(b) {
			return nil, fmt.Errorf("%s: %s", path, impostor.What(b))
		}
		if err != nil || int64(len(b)) <= limit {
			return b, err
		}
	}
	return nil, fmt.Errorf("%s: larger than %d bytes", path, limit)
}

// ReadText is ReadFile, less the byte order mark that some editors put in front of a text.
func ReadText(path string, limit int64) ([]byte, error) {
	b, err := ReadFile(path, limit)
	return bytes.TrimPrefix(b, []byte("\ufeff")), err
}

// Open opens the file at path, which must be a regular one.
func Open(path string) (*os.File, error) {
	// Looked at before it is opened: opening a named pipe would wait for a writer.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: is no file", path)
	}
	return os.Open(path)
}
