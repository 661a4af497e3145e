package safetensors

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/tensor"
)

// entriesOf returns all tensors of a checkpoint.
func entriesOf(t testing.TB, s *Set) []Entry {
	var entries []Entry
	for _, name := range s.Names() {
		x, err := s.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, Of(x))
	}
	return entries
}

func openDir(t testing.TB, dir string) *Set {
	t.Helper()
	s, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func same(t testing.TB, got, want *Set) {
	t.Helper()
	if !slices.Equal(got.Names(), want.Names()) {
		t.Fatalf("tensors %q, want %q", got.Names(), want.Names())
	}
	for _, name := range want.Names() {
		g, err := got.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		w, _ := want.Tensor(name)
		if g.DType != w.DType || !slices.Equal(g.Shape, w.Shape) || string(g.Data) != string(w.Data) {
			t.Fatalf("%s: %v %v is not what it was, %v %v", name, g.DType, g.Shape, w.DType, w.Shape)
		}
	}
}

// The reference's checkpoints come back as they were, in one file or in shards.
func TestWriteDir(t *testing.T) {
	for _, name := range []string{"jamba-attn-moe-sharded", "jamba-v01-mini-bf16", "mamba-tiny"} {
		golden := openDir(t, filepath.Join("..", "..", "testdata", "goldens", "models", name))
		dir := t.TempDir() // which holds a checkpoint of other shards from the second round on
		for _, limit := range []int64{40_000, 0, 100_000} {
			if err := WriteDir(dir, entriesOf(t, golden), limit); err != nil {
				t.Fatal(err)
			}
			got := openDir(t, dir)
			same(t, got, golden)
			all := int64(0)
			for _, f := range got.files {
				total := int64(0)
				for _, e := range f.entries {
					total += e.Offsets[1] - e.Offsets[0]
				}
				all += total
				if limit > 0 && total > limit && len(f.entries) > 1 {
					t.Fatalf("%s holds %d bytes, more than %d", f.path, total, limit)
				}
			}
			// Two shards that follow each other are together larger than the limit.
			if limit > 0 && int64(len(got.files)) > 2*all/limit+1 {
				t.Fatalf("%d bytes are in %d shards of %d", all, len(got.files), limit)
			}
			if limit == 0 && len(got.files) != 1 {
				t.Fatal("a small checkpoint is in shards")
			}
			got.Close()
		}
		golden.Close()
	}
}

func TestWriteFileBad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	vector := func(name string) Entry {
		return Of(tensor.FromFloat32s(name, []float32{1, 2}, 2))
	}
	failure := errors.New("no space")
	for want, entries := range map[string][]Entry{
		"two tensors are named a":         {vector("a"), vector("a")},
		"no tensor can be named":          {vector("__metadata__")},
		"a: dtype Q8_0 cannot be written": {{Name: "a", DType: tensor.Q8_0, Shape: []int{32}}},
		"a: dtype invalid":                {{Name: "a"}},
		"a: negative dimension":           {{Name: "a", DType: tensor.F32, Shape: []int{-1, 2}}},
		"a: F32 [3] takes 12 bytes, 8":    {{Name: "a", DType: tensor.F32, Shape: []int{3}, Write: vector("a").Write}},
		"a: no space":                     {{Name: "a", DType: tensor.F32, Shape: []int{3}, Write: func(io.Writer) error { return failure }}},
	} {
		if err := WriteFile(path, entries, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
	// A scalar has no dimensions, and a header says of which library it is.
	if err := WriteFile(path, []Entry{Of(tensor.FromFloat32s("s", []float32{7}))}, map[string]string{"step": "3"}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(b), `"__metadata__":{"format":"pt","step":"3"}`) || !strings.Contains(string(b), `"shape":[]`) {
		t.Fatalf("%q %v", b, err)
	}
	if b[0]%8 != 0 {
		t.Errorf("a header of %d bytes", b[0])
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}
