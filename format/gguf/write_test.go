package gguf

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jamba/tensor"
)

const f32 = tensor.F32

// zeros returns a Source's Data of n bytes.
func zeros(n int) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(make([]byte, n))
		return err
	}
}

// sources returns all tensors of f.
func sources(t *testing.T, f *File) []Source {
	t.Helper()
	var all []Source
	for _, info := range f.Tensors() {
		x, err := f.Tensor(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, FromTensor(x))
	}
	return all
}

// TestWriteSameBytes writes what other software wrote and expects the same file, byte by byte.
func TestWriteSameBytes(t *testing.T) {
	for _, name := range []string{"all", "aligned", "fewbits"} {
		path := "testdata/" + name + ".gguf"
		f := open1(t, path)
		var got bytes.Buffer
		if err := Write(&got, f.Metadata, sources(t, f)); err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s: %d bytes differ from the %d of the file", name, got.Len(), len(want))
		}
	}
}

func TestWriteNested(t *testing.T) {
	want := Metadata{
		{"nested", []any{[]string{"a", ""}, []uint8{}, []any{[]float64{1}, []bool{true}}}},
		{"none", []any{}},
		{"empty", []string{}},
	}
	var b bytes.Buffer
	if err := Write(&b, want, nil); err != nil {
		t.Fatal(err)
	}
	got, infos, err := parse(b.Bytes())
	if err != nil || len(infos) != 0 {
		t.Fatal(infos, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metadata differs (-want +got):\n%s", diff)
	}
}

func TestWriteErrors(t *testing.T) {
	long := strings.Repeat("x", 64)
	deep := any([]uint8{})
	for range maxDepth {
		deep = []any{deep}
	}
	boom := errors.New("boom")
	one := Source{Name: "a", DType: f32, Shape: []int{1}, Data: zeros(4)}
	for _, c := range []struct {
		metadata Metadata
		tensors  []Source
		want     string
	}{
		{Metadata{{"", "x"}}, nil, "key is empty"},
		{Metadata{{"a\n", "x"}}, nil, `key "a\n" is no printable text`},
		{Metadata{{"a", "x"}, {"a", "y"}}, nil, "key a is there twice"},
		{Metadata{{"a", 1}}, nil, "key a: the Go type int has no GGUF type"},
		{Metadata{{"a", nil}}, nil, "key a: the Go type <nil> has no GGUF type"},
		{Metadata{{"a", []int{1}}}, nil, "key a: the Go type []int has no GGUF type"},
		{Metadata{{"a", []any{1.5}}}, nil, "key a: float64 in an array of arrays, want a slice"},
		{Metadata{{"a", []any{nil}}}, nil, "key a: <nil> in an array of arrays, want a slice"},
		{Metadata{{"a", deep}}, nil, "key a: arrays nested more than 4 deep"},
		{Metadata{{alignmentKey, uint32(48)}}, nil, "key general.alignment: is 48, want a power of two up to 1048576"},
		{nil, []Source{one, one}, "tensor a is there twice"},
		{nil, []Source{{Name: long, DType: f32, Shape: []int{1}}}, "tensor name of 64 bytes, want at most 63"},
		{nil, []Source{{Name: "a", Shape: []int{1}}}, "a: invalid has no GGUF type"},
		{nil, []Source{{Name: "a", DType: f32}}, "a: shape [], want one to 4 dimensions, none of them 0"},
		{nil, []Source{{Name: "a", DType: f32, Shape: []int{2, 0}}}, "a: shape [2 0], want one to 4 dimensions, none of them 0"},
		{nil, []Source{{Name: "a", DType: f32, Shape: []int{1, 1, 1, 1, 1}}}, "a: shape [1 1 1 1 1], want one to 4 dimensions, none of them 0"},
		{nil, []Source{{Name: "a", DType: tensor.Q8_0, Shape: []int{2, 33}}}, "a: a row of 33 values is no multiple of the Q8_0 block of 32"},
		{nil, []Source{{Name: "a", DType: f32, Shape: []int{-1}}}, "a: negative dimension in shape [-1]"},
		{nil, []Source{{Name: "a", DType: f32, Shape: []int{2}, Data: zeros(7)}}, "a: 7 bytes of data, want 8 for F32 [2]"},
		{nil, []Source{{Name: "a", DType: f32, Shape: []int{2}, Data: zeros(9)}}, "a: 1 bytes of data too many"},
		{nil, []Source{one, {Name: "b", DType: f32, Shape: []int{2}, Data: func(io.Writer) error { return boom }}}, "b: boom"},
	} {
		err := Write(io.Discard, c.metadata, c.tensors)
		if err == nil || err.Error() != "gguf: "+c.want {
			t.Errorf("error %v\nwant  gguf: %s", err, c.want)
		}
		if strings.Contains(c.want, "boom") && !errors.Is(err, boom) {
			t.Errorf("%v does not wrap the source's error", err)
		}
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "model.gguf")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := Source{Name: "a", DType: f32, Shape: []int{1}, Data: zeros(3)}
	err := WriteFile(path, nil, []Source{bad})
	if want := "gguf: " + path + ": a: 3 bytes of data, want 4 for F32 [1]"; err == nil || err.Error() != want {
		t.Errorf("error %v\nwant  %s", err, want)
	}
	if old, err := os.ReadFile(path); err != nil || string(old) != "old" {
		t.Errorf("after an error the file is %q, %v", old, err)
	}

	var size int64
	good := Source{Name: "a", DType: f32, Shape: []int{3}, Data: func(w io.Writer) error {
		if old, err := os.ReadFile(path); err != nil || string(old) != "old" {
			t.Errorf("while it is written the file is %q, %v", old, err)
		}
		// In pieces, as a converter would.
		for range 3 {
			n, err := w.Write([]byte{1, 2, 3, 4})
			if size += int64(n); err != nil {
				return err
			}
		}
		return nil
	}}
	if err := WriteFile(path, Metadata{{"general.architecture", "llama"}}, []Source{good}); err != nil {
		t.Fatal(err)
	}
	if size != 12 {
		t.Errorf("%d bytes went through the writer, want 12", size)
	}
	x, err := open1(t, path).Tensor("a")
	if err != nil || !bytes.Equal(x.Data, bytes.Repeat([]byte{1, 2, 3, 4}, 3)) {
		t.Errorf("tensor %v, %v", x, err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("files left behind: %v, %v", files, err)
	}
}

// TestWriteBytes writes elements that no DType describes beside a tensor, and reads both.
func TestWriteBytes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bytes.gguf")
	put := func(b []byte) func(io.Writer) error {
		return func(w io.Writer) error {
			_, err := w.Write(b)
			return err
		}
	}
	metadata := Metadata{{"general.alignment", uint32(64)}}
	err := WriteFile(path, metadata, []Source{
		{Name: "a", Shape: []int{2, 5}, Bytes: true, Data: put([]byte("0123456789"))},
		{Name: "b", DType: tensor.F16, Shape: []int{1}, Data: put([]byte("xy"))},
		{Name: "d", Shape: []int{3}, Bytes: true, Data: put([]byte("xyz"))},
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !slices.Equal(f.Paths(), []string{path}) {
		t.Errorf("paths %v", f.Paths())
	}
	if info := f.Tensors()[0]; info.Type != I8 || info.Type.String() != "I8" || !slices.Equal(info.Shape, []int{2, 5}) || info.Size != 10 || info.start%64 != 0 {
		t.Errorf("%+v", info)
	}
	for name, want := range map[string]string{"a": "0123456789", "b": "xy", "d": "xyz"} {
		if b, err := f.Bytes(name); err != nil || string(b) != want || cap(b) != len(b) {
			t.Errorf("%s: %q (%v), want %q", name, b, err, want)
		}
	}
	if _, err := f.Tensor("a"); err == nil || !strings.Contains(err.Error(), "a: I8 is not supported") {
		t.Errorf("bytes as a tensor: %v", err)
	}
	if _, err := f.Bytes("c"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a tensor that is not there: %v", err)
	}
}
