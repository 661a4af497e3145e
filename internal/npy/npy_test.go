package npy

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/tensor"
)

func write(t *testing.T, parts ...[]byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.npy")
	if err := os.WriteFile(path, slices.Concat(parts...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// header returns what numpy.save writes before the values, in that version of the format.
func header(version byte, dict string) []byte {
	b := append([]byte("\x93NUMPY"), version, 0)
	if version == 1 {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(dict)))
	} else {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(dict)))
	}
	return append(b, dict...)
}

func TestRead(t *testing.T) {
	values := []float32{1, 2, 3, 4, 5, 6}
	if h := Header(3, 2); len(h)%64 != 0 || h[len(h)-1] != '\n' {
		t.Errorf("header of %d bytes: NumPy aligns it to 64 and ends it with a newline", len(h))
	}
	for name, head := range map[string][]byte{
		"own":       Header(3, 2),
		"version 1": header(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }  \n"),
		"version 3": header(3, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }  \n"),
	} {
		f, err := Open(write(t, head, tensor.Bytes(values)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := make([]float32, 6)
		if err := f.Read(got[:2]); err != nil {
			t.Error(err)
		}
		if err := f.Read(got[2:]); err != nil || f.Rows != 3 || f.Columns != 2 || !slices.Equal(got, values) {
			t.Errorf("%s: (%d, %d) %v, error %v", name, f.Rows, f.Columns, got, err)
		}
		if f.Read(got[:1]) == nil {
			t.Errorf("%s: values behind the end", name)
		}
		f.Close()
	}
}

func TestErrors(t *testing.T) {
	ok := func(shape string) []byte {
		return header(1, "{'descr': '<f4', 'fortran_order': False, 'shape': "+shape+", }\n")
	}
	for want, file := range map[string][]byte{
		"not a NumPy file":                       []byte("PK"),
		"the header ends early":                  ok("(3, 2)")[:40],
		"version 9 of the format":                header(9, "{}"),
		"a header of 65537 bytes":                header(2, strings.Repeat(" ", 65537)),
		"not as NumPy writes it":                 header(1, "{}"),
		`type "<f8", want "<f4"`:                 header(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1), }"),
		"in column order":                        header(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1), }"),
		"not two dimensions":                     ok("(3,)"),
		"shape (4611686018427387904, 2) is too":  ok("(4611686018427387904, 2)"),
		"shape (99999999999999999999, 0) is too": ok("(99999999999999999999, 0)"),
		"0 bytes of values, want 24":             ok("(3, 2)"),
		"2 bytes of values, want 0":              append(ok("(0, 5)"), 1, 2),
	} {
		path := write(t, file)
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), path) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(append(Header(1, 1), 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := Open(write(t, b)); err == nil {
			if len(b) < 4*r.Rows*r.Columns {
				t.Errorf("shape (%d, %d) from %d bytes", r.Rows, r.Columns, len(b))
			}
			r.Close()
		}
	})
}
