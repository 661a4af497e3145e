package testutil

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"testing"
)

// Gzip opens a packed file until the test ends.
func Gzip(t testing.TB, path string) io.Reader {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// GzipJSON reads a packed file of JSON.
func GzipJSON[T any](t testing.TB, path string) (v T) {
	t.Helper()
	if err := json.NewDecoder(Gzip(t, path)).Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}
