package gguf

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jamba/internal/testutil"
)

// fixture is what testdata/make_gguf.py says of a tensor that it wrote.
type fixture struct {
	Name, Type string
	Shape      []int
	SHA256     string
}

func open1(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// wantTensors checks that f has the tensors of a file that testdata/make_gguf.py wrote, in order.
func wantTensors(t *testing.T, f *File, name string) {
	t.Helper()
	want := testutil.JSON[[]fixture](t, filepath.Join("testdata", name+".json"))
	var got []fixture
	for _, info := range f.Tensors() {
		g := fixture{Name: info.Name, Type: info.Type.String(), Shape: info.Shape}
		if _, ok := info.Type.DType(); ok {
			x, err := f.Tensor(info.Name)
			if err != nil {
				t.Errorf("%s: %v", info.Name, err)
			}
			if x.Name != info.Name || x.DType.String() != g.Type || !cmp.Equal(x.Shape, info.Shape) || len(x.Data) != info.Size {
				t.Errorf("tensor %s %v %v of %d bytes, listed as %+v", x.Name, x.DType, x.Shape, len(x.Data), info)
			}
			sum := sha256.Sum256(x.Data)
			g.SHA256 = hex.EncodeToString(sum[:])
		} else {
			g.SHA256 = want[len(got)].SHA256
		}
		got = append(got, g)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s.gguf: tensors differ (-want +got):\n%s", name, diff)
	}
}

// allMetadata is what testdata/make_gguf.py puts in all.gguf.
var allMetadata = Metadata{
	{"general.architecture", "llama"},
	{"llama.block_count", uint32(2)},
	{"llama.attention.layer_norm_rms_epsilon", float32(1e-5)},
	{"test.u8", uint8(255)},
	{"test.i8", int8(-128)},
	{"test.u16", uint16(65535)},
	{"test.i16", int16(-32768)},
	{"test.u32", uint32(1<<32 - 1)},
	{"test.i32", int32(-1 << 31)},
	{"test.u64", uint64(1<<64 - 1)},
	{"test.i64", int64(-1 << 63)},
	{"test.f32", float32(0.1)},
	{"test.f64", float64(0.1)},
	{"test.true", true},
	{"test.false", false},
	{"test.string", "naïve — 日本"},
	{"test.empty", ""},
	{"test.strings", []string{"<s>", "", "▁the", "\n"}},
	{"test.ints", []int32{1, -2, 3}},
	{"test.floats", []float32{0.5, -1.25, 1e-5}},
	{"test.bools", []bool{true, false, true}},
	{"test.bytes", []uint8{0, 1, 255}},
	{"test.longs", []int64{-1 << 63, 1<<63 - 1}},
}

func TestOpen(t *testing.T) {
	f := open1(t, "testdata/all.gguf")
	if diff := cmp.Diff(allMetadata, f.Metadata); diff != "" {
		t.Errorf("metadata differs (-want +got):\n%s", diff)
	}
	wantTensors(t, f, "all")
	wantTensors(t, open1(t, "testdata/aligned.gguf"), "aligned")
	wantTensors(t, open1(t, "testdata/unsupported.gguf"), "unsupported")
	wantTensors(t, open1(t, "testdata/fewbits.gguf"), "fewbits")
}

// TestVersion2 reads the same file with the older version number: only big-endian files made the difference.
func TestVersion2(t *testing.T) {
	data, err := os.ReadFile("testdata/all.gguf")
	if err != nil {
		t.Fatal(err)
	}
	data[4] = 2
	path := filepath.Join(t.TempDir(), "v2.gguf")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	wantTensors(t, open1(t, path), "all")
}

func TestUnsupported(t *testing.T) {
	f := open1(t, "testdata/unsupported.gguf")
	for name, want := range map[string]string{
		"positions":    "gguf: testdata/unsupported.gguf: positions: I32 is not supported, only F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ2_XXS, IQ2_XS, IQ3_XXS, IQ1_S, IQ4_NL, IQ3_S, IQ2_S, IQ4_XS, IQ1_M, BF16, TQ1_0, TQ2_0, MXFP4",
		"blk.0.weight": "gguf: testdata/unsupported.gguf: blk.0.weight: NVFP4 is not supported, only F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ2_XXS, IQ2_XS, IQ3_XXS, IQ1_S, IQ4_NL, IQ3_S, IQ2_S, IQ4_XS, IQ1_M, BF16, TQ1_0, TQ2_0, MXFP4",
		"blk.1.weight": "gguf: testdata/unsupported.gguf: blk.1.weight: Q1_0 is not supported, only F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ2_XXS, IQ2_XS, IQ3_XXS, IQ1_S, IQ4_NL, IQ3_S, IQ2_S, IQ4_XS, IQ1_M, BF16, TQ1_0, TQ2_0, MXFP4",
		"absent":       "gguf: testdata/unsupported.gguf: tensor absent: not found",
	} {
		_, err := f.Tensor(name)
		if err == nil || err.Error() != want {
			t.Errorf("%s: error %v\nwant %s", name, err, want)
		}
		if errors.Is(err, ErrNotFound) != (name == "absent") {
			t.Errorf("%s: errors.Is(err, ErrNotFound) is wrong for %v", name, err)
		}
	}
}

func TestReleaseAndClose(t *testing.T) {
	f, err := Open("testdata/all.gguf")
	if err != nil {
		t.Fatal(err)
	}
	f.Release("cube")
	f.Release("absent")
	wantTensors(t, f, "all")
	for range 2 {
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	f.Release("cube")
	if _, err := f.Tensor("cube"); err == nil {
		t.Error("a closed file gives out a tensor")
	}
	if diff := cmp.Diff(allMetadata, f.Metadata); diff != "" {
		t.Errorf("metadata differs after Close (-want +got):\n%s", diff)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.gguf")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"testdata/big.gguf":            "gguf: testdata/big.gguf: big-endian file of version 3: convert it to little-endian",
		"testdata/make_gguf.py":        `gguf: testdata/make_gguf.py: no GGUF file: starts with "\"\"\"M", want "GGUF"`,
		empty:                          "gguf: " + empty + `: is empty: is the download complete?`,
		dir:                            "gguf: mmap " + dir + ": is a directory, want a file",
		filepath.Join(dir, "none.bin"): "gguf: stat " + filepath.Join(dir, "none.bin") + ": no such file or directory",
	} {
		f, err := Open(path)
		if err == nil {
			_ = f.Close()
		}
		if err == nil || err.Error() != want {
			t.Errorf("error %v\nwant  %s", err, want)
		}
	}
	if _, err := Open(filepath.Join(dir, "none.bin")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
}

// splitCopy copies the parts of split.gguf, given from 1 and in order of their new numbers, to a new folder.
func splitCopy(t *testing.T, parts ...int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for i, part := range parts {
		if part == 0 {
			continue
		}
		data, err := os.ReadFile("testdata/split" + splitSuffix(part-1, 3))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "split"+splitSuffix(i, 3)), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSplit(t *testing.T) {
	for no := range 3 {
		f := open1(t, "testdata/split"+splitSuffix(no, 3))
		wantTensors(t, f, "split")
		want := Metadata{{"general.architecture", "llama"}, {"llama.block_count", uint32(9)}}
		if diff := cmp.Diff(want, f.Metadata); diff != "" {
			t.Errorf("part %d: metadata differs (-want +got):\n%s", no+1, diff)
		}
	}
}

func TestSplitErrors(t *testing.T) {
	missing := splitCopy(t, 1, 2, 0)
	swapped := splitCopy(t, 1, 3, 2)
	renamed := splitCopy(t, 1, 2, 3)
	if err := os.Rename(filepath.Join(renamed, "split-00001-of-00003.gguf"), filepath.Join(renamed, "other.gguf")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{missing + "/split-00002-of-00003.gguf", "gguf: DIR/split-00002-of-00003.gguf: part 3 of 3, DIR/split-00003-of-00003.gguf, is missing: is the download complete?"},
		{swapped + "/split-00001-of-00003.gguf", "gguf: DIR/split-00002-of-00003.gguf: is part 3 of 3, want part 2 of 3"},
		{renamed + "/other.gguf", "gguf: DIR/other.gguf: is part 1 of 3, but its name does not end in -00001-of-00003.gguf"},
	} {
		f, err := Open(c.path)
		if err == nil {
			_ = f.Close()
			t.Errorf("no error, want %s", c.want)
			continue
		}
		if got := strings.ReplaceAll(err.Error(), filepath.Dir(c.path), "DIR"); got != c.want {
			t.Errorf("error %s\nwant  %s", got, c.want)
		}
	}
}

func TestSplitContradictions(t *testing.T) {
	tensorA := Source{Name: "a", DType: f32, Shape: []int{1}, Data: zeros(4)}
	for _, c := range []struct {
		first, second Metadata
		want          string
	}{
		{
			Metadata{{splitCountKey, uint16(2)}, {splitNoKey, uint16(0)}},
			Metadata{{splitCountKey, uint16(2)}, {splitNoKey, uint16(1)}},
			"DIR/x-00002-of-00002.gguf: tensor a is in DIR/x-00001-of-00002.gguf already",
		},
		{
			Metadata{{splitCountKey, uint16(2)}, {splitNoKey, uint16(0)}, {splitTensorsKey, int32(7)}},
			Metadata{{splitCountKey, uint16(2)}, {splitNoKey, uint16(1)}},
			"DIR/x-00001-of-00002.gguf: the 2 parts have 2 tensors, want 7 as key split.tensors.count says",
		},
		{
			Metadata{{splitCountKey, uint16(2)}, {splitNoKey, uint16(2)}},
			nil,
			"DIR/x-00001-of-00002.gguf: says it is part 3 of 2",
		},
		{
			Metadata{{splitCountKey, uint16(2)}},
			nil,
			"DIR/x-00001-of-00002.gguf: key split.no: not found",
		},
		{
			Metadata{{splitCountKey, "two"}},
			nil,
			"DIR/x-00001-of-00002.gguf: key split.count: is string, want integer",
		},
	} {
		dir := t.TempDir()
		for i, m := range []Metadata{c.first, c.second} {
			if err := WriteFile(filepath.Join(dir, "x"+splitSuffix(i, 2)), m, []Source{tensorA}); err != nil {
				t.Fatal(err)
			}
		}
		f, err := Open(filepath.Join(dir, "x"+splitSuffix(0, 2)))
		if err == nil {
			_ = f.Close()
			t.Errorf("no error, want %s", c.want)
			continue
		}
		if got := strings.ReplaceAll(err.Error(), dir, "DIR"); got != "gguf: "+c.want {
			t.Errorf("error %s\nwant  gguf: %s", got, c.want)
		}
	}
}
