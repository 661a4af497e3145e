package gguf

import (
	"bytes"
	"os"
	"testing"
)

// FuzzParse feeds arbitrary bytes to the reader. What it accepts it has to be able to write, and what was written has
// to be read as the same: written once more, it gives the same bytes.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"all", "aligned", "unsupported", "big", "split-00001-of-00003"} {
		data, err := os.ReadFile("testdata/" + name + ".gguf")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(header(1<<60, 1<<60))
	f.Add(pair("a", uint32(typeArray), uint32(typeArray), 1, uint32(typeString), 1, "x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		once, ok := rewrite(t, data)
		if !ok {
			return
		}
		twice, ok := rewrite(t, once)
		if !ok || !bytes.Equal(once, twice) {
			t.Errorf("%q is read and written as\n%q, that as\n%q", data, once, twice)
		}
	})
}

// rewrite reads and writes a file, leaving out tensors that cannot be written. ok is false if it cannot be read.
func rewrite(t *testing.T, data []byte) (out []byte, ok bool) {
	metadata, infos, err := parse(data)
	if err != nil {
		return nil, false
	}
	var tensors []Source
	for _, info := range infos {
		x, err := info.tensor(data)
		if err != nil || len(x.Shape) == 0 || len(x.Name) == maxName {
			continue
		}
		tensors = append(tensors, FromTensor(x))
	}
	var b bytes.Buffer
	if err := Write(&b, metadata, tensors); err != nil {
		t.Fatalf("%q is read, but not written: %v", data, err)
	}
	return b.Bytes(), true
}
