package safetensors

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// file returns a safetensors file with that header and n bytes of data, byte i being i.
func file(header string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	b = append(b, header...)
	for i := range n {
		b = append(b, byte(i))
	}
	return b
}

func write(t *testing.T, dir, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const good = `{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[3],"data_offsets":[8,14]},"e":{"dtype":"F32","shape":[0,5],"data_offsets":[14,14]},"i":{"dtype":"I64","shape":[],"data_offsets":[14,22]}}`

func TestOpen(t *testing.T) {
	f, err := Open(write(t, t.TempDir(), "x.safetensors", file(good, 22)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := strings.Join(f.Names(), " "); got != "a b e i" {
		t.Errorf("names %s", got)
	}
	b, err := f.Tensor("b")
	if err != nil || !bytes.Equal(b.Data, []byte{8, 9, 10, 11, 12, 13}) || b.Shape[0] != 3 {
		t.Errorf("b is %v, %v", b, err)
	}
	if e, err := f.Tensor("e"); err != nil || len(e.Data) != 0 {
		t.Errorf("e is %v, %v", e, err)
	}
	if _, err := f.Tensor("i"); err == nil || !strings.Contains(err.Error(), "i: dtype I64 is not supported; F32, F16, BF16, F8_E4M3 and F8_E5M2 are") {
		t.Error(err)
	}
	if _, err := f.Tensor("z"); err == nil || !strings.Contains(err.Error(), `no tensor "z"`) {
		t.Error(err)
	}
}

func TestOpenBad(t *testing.T) {
	one := func(entry string) string { return `{"a":` + entry + `}` }
	for _, test := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "is empty: is the download complete?"},
		{"no header", []byte{1, 2, 3}, "file of 3 bytes is too short for a header"},
		{"absurd header", append(bytes.Repeat([]byte{255}, 8), '{', '}'), "header of 18446744073709551615 bytes is longer than"},
		{"header beyond the end", file(good, 0)[:50], "bytes in a file of 50; is the download complete?"},
		{"no JSON", file("hello", 0), "header: no JSON object"},
		{"half JSON", file(`{"a":{"dtype"`, 0), "header: a: unexpected EOF"},
		{"list", file("[]", 0), "header: no JSON object"},
		{"truncated data", file(good, 21), "i: data_offsets [14 22] reach beyond the 21 bytes of data; is the download complete?"},
		{"data too long", file(good, 23), "1 bytes after the last tensor, i"},
		{"out of range", file(one(`{"dtype":"F32","shape":[1],"data_offsets":[0,1000000000000]}`), 4), "a: data_offsets [0 1000000000000] reach beyond"},
		{"negative", file(one(`{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}`), 4), "a: data_offsets [-4 0] are no range"},
		{"backwards", file(one(`{"dtype":"F32","shape":[1],"data_offsets":[4,0]}`), 4), "a: data_offsets [4 0] are no range"},
		{"negative shape", file(one(`{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}`), 4), "a: negative dimension in shape [-1]"},
		{"overflowing shape", file(one(`{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}`), 4), "a: shape [4611686018427387904 4] overflows"},
		{"overflowing number", file(one(`{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}`), 4), "header: a: json: cannot unmarshal number"},
		{"wrong size", file(one(`{"dtype":"F32","shape":[2],"data_offsets":[0,4]}`), 4), "a: F32 [2] does not take the 4 bytes of its data_offsets [0 4]"},
		{"unknown dtype", file(one(`{"dtype":"F7","shape":[1],"data_offsets":[0,4]}`), 4), `a: unknown dtype "F7"`},
		{"overlap", file(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}`, 6), "b: data_offsets [2 6] overlap with a, which ends at 4"},
		{"hole", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}`, 3), "b: data_offsets [2 3] leave a hole after a, which ends at 1"},
		{"trailing", file(`{} x`, 0), "header: something follows the JSON object"},
		{"twice", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1), `tensor "a" is there twice`},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := write(t, t.TempDir(), "x.safetensors", test.file)
			_, err := Open(path)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want one with %q and the file's name", err, test.want)
			}
		})
	}
}

func TestOpenDir(t *testing.T) {
	entry := func(name string) []byte {
		return file(`{"`+name+`":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}`, 4)
	}
	dir := t.TempDir()
	if _, err := OpenDir(dir); err == nil || !strings.Contains(err.Error(), "neither model.safetensors.index.json nor model.safetensors is there") {
		t.Error(err)
	}
	write(t, dir, "model.safetensors", entry("single"))
	write(t, dir, "one", entry("a"))
	write(t, dir, "two", entry("b"))
	s, err := OpenDir(dir)
	if err != nil || !s.Has("single") || s.Has("a") {
		t.Fatal(s, err)
	}
	s.Close()
	for index, want := range map[string]string{
		`{"weight_map":{"a":"one","b":"two"}}`: "",
		`{"weight_map":{"a":"one","b":"one"}}`: "weight_map: b is not in one",
		`{"weight_map":{"a":"../one"}}`:        `weight_map: a: "../one" is not the name of a file beside the index`,
		`{"weight_map":{"a":"three"}}`:         "three",
		`{"weight_map":{}}`:                    "weight_map is missing or empty",
		`{"weight_map":`:                       "unexpected end of JSON input",
	} {
		write(t, dir, "model.safetensors.index.json", []byte(index))
		s, err := OpenDir(dir)
		if want != "" {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want one with %q", index, err, want)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if b, err := s.Tensor("b"); err != nil || len(b.Data) != 4 {
			t.Error(b, err)
		}
		s.Close()
	}
}

func FuzzParse(f *testing.F) {
	f.Add(file(good, 22))
	f.Add(file(`{}`, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, data, err := parse(b)
		if err != nil {
			return
		}
		file := File{path: "x", data: data, entries: entries}
		for _, name := range file.Names() {
			if tensor, err := file.Tensor(name); err == nil && len(tensor.Data) > len(b) {
				t.Fatal("a tensor larger than the file")
			}
		}
	})
}
