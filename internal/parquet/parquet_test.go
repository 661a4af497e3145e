package parquet

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func open(t testing.TB, name string) (*File, []byte) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".parquet"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(name, err)
	}
	return f, b
}

// readAll returns each row of leaf i as JSON has it: a value, null, or a list of both.
func readAll(f *File, i int) ([]any, error) {
	c, l := f.Column(i), f.Leaves[i]
	defer c.Close()
	rows := []any{}
	value := func(v Value) any {
		switch {
		case v.Def < l.MaxDef:
			return nil
		case l.Type == ByteArray:
			return string(v.Bytes)
		}
		return float64(v.Int)
	}
	for {
		row, err := c.Next()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		switch {
		case l.Repeated < 0:
			rows = append(rows, value(row[0]))
		case row[0].Def < l.Element-1: // Element-1: an empty list, for a list that may be null
			rows = append(rows, nil)
		case row[0].Def < l.Element:
			rows = append(rows, []any{})
		default:
			list := []any{}
			for _, v := range row {
				list = append(list, value(v))
			}
			rows = append(rows, list)
		}
	}
}

// Columns are what pyarrow reads, in all encodings, compressions and versions of pages that it writes.
func TestColumns(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "values.json"))
	if err != nil {
		t.Fatal(err)
	}
	var files map[string]json.RawMessage
	if err := json.Unmarshal(b, &files); err != nil {
		t.Fatal(err)
	}
	for name, raw := range files {
		if string(raw) == `"plain"` {
			raw = files["plain"]
		}
		var want map[string][]any
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		f, _ := open(t, name)
		if len(f.Leaves) != len(want) {
			t.Errorf("%s: %d leaves, want %d", name, len(f.Leaves), len(want))
		}
		for i, l := range f.Leaves {
			column := strings.ReplaceAll(l.String(), ".item", ".element")
			got, err := readAll(f, i)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if diff := cmp.Diff(want[column], got); diff != "" || int64(len(got)) != f.Rows {
				t.Errorf("%s %s: %d of %d rows %s", name, column, len(got), f.Rows, diff)
			}
		}
	}
}

// drain reads all that a file gives and returns the first error.
func drain(b []byte) error {
	f, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return err
	}
	for i := range f.Leaves {
		c := f.Column(i)
		for err == nil {
			_, err = c.Next()
		}
		c.Close()
		if err != io.EOF {
			return err
		}
		err = nil
	}
	return nil
}

// bounded runs read and fails if it takes long or much memory.
func bounded(t interface{ Fatalf(string, ...any) }, read func()) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	read()
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 256<<20 || took > 2*time.Second {
		t.Fatalf("%d bytes allocated in %v", n, took)
	}
}

// Whatever a file holds, it is values or an error, in little time and memory.
func TestBroken(t *testing.T) {
	var all [][]byte
	paths, _ := filepath.Glob(filepath.Join("testdata", "*.parquet"))
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	rapid.Check(t, func(rt *rapid.T) {
		b := bytes.Clone(rapid.SampledFrom(all).Draw(rt, "file"))
		footer := len(b) - 8 - int(binary.LittleEndian.Uint32(b[len(b)-8:]))
		for range rapid.IntRange(1, 6).Draw(rt, "changes") {
			at := rapid.OneOf(rapid.IntRange(0, len(b)-1), rapid.IntRange(footer, len(b)-1)).Draw(rt, "at")
			// The largest bytes make the largest sizes.
			copy(b[at:], rapid.SampledFrom([]string{"\xff", "\xff\xff\xff\xff\x0f", "\xfe\xff\xff\xff\x0f", "\xff\xff\xff\xff\xff\xff\xff\xff\x01", string(rapid.Byte().Draw(rt, "byte"))}).Draw(rt, "change"))
		}
		if rapid.IntRange(0, 9).Draw(rt, "cut") == 0 {
			b = b[:rapid.IntRange(0, len(b)).Draw(rt, "length")]
		}
		bounded(rt, func() { _ = drain(b) })
	})
}

// build makes a file of one optional byte_array column from page headers and bodies.
type build struct{ b bytes.Buffer }

type field struct {
	id    int
	value any // int, []field
}

func (w *build) fields(list []field) {
	last := 0
	for _, f := range list {
		head := func(kind int) { w.b.WriteByte(byte((f.id-last)<<4 | kind)); last = f.id }
		switch v := f.value.(type) {
		case int:
			kind := typeI32
			if v > 1<<31 || f.id == 9 || f.id == 11 || f.id == 7 || f.id == 5 && len(list) > 5 {
				kind = typeI64
			}
			head(kind)
			w.b.Write(binary.AppendVarint(nil, int64(v)))
		case string:
			head(typeBinary)
			w.b.Write(binary.AppendUvarint(nil, uint64(len(v))))
			w.b.WriteString(v)
		case []field:
			head(typeStruct)
			w.fields(v)
		case [][]field:
			head(typeList)
			w.b.WriteByte(byte(len(v)<<4 | typeStruct))
			for _, one := range v {
				w.fields(one)
			}
		}
	}
	w.b.WriteByte(0)
}

// file returns a file whose column has these pages, in that compression.
func file(codec, repetition int, pages ...string) []byte {
	w := &build{}
	w.b.WriteString("PAR1" + strings.Join(pages, ""))
	end := w.b.Len()
	w.fields([]field{
		{1, 1},
		{2, [][]field{{{4, "schema"}, {5, 1}}, {{1, 6}, {3, repetition}, {4, "text"}}}},
		{4, [][]field{{{1, [][]field{{{3, []field{{1, 6}, {4, codec}, {5, 1}, {6, 1}, {7, end - 4}, {9, 4}}}}}}}}},
	})
	footer := w.b.Len() - end
	w.b.Write(binary.LittleEndian.AppendUint32(nil, uint32(footer)))
	w.b.WriteString("PAR1")
	return w.b.Bytes()
}

func pageOf(kind, unpacked, packed, values, encoding int, body string) string {
	w := &build{}
	of, header := 5, []field{{1, values}, {2, encoding}, {3, rle}, {4, rle}}
	if kind == dictionaryPage {
		of, header = 7, header[:2]
	}
	w.fields([]field{{1, kind}, {2, unpacked}, {3, packed}, {of, header}})
	return w.b.String() + body
}

// Sizes that headers ask for are not believed.
func TestHostile(t *testing.T) {
	levels := func(n int) string { // so many values that are there
		run := binary.AppendUvarint(nil, uint64(n)<<1)
		return string(binary.LittleEndian.AppendUint32(nil, uint32(len(run)+1))) + string(run) + "\x01"
	}
	uvarints := func(v ...uint64) string {
		var b []byte
		for _, x := range v {
			b = binary.AppendUvarint(b, x)
		}
		return string(b)
	}
	one := levels(1) + "\x02\x00\x00\x00hi"
	good := file(0, 1, pageOf(dataPage, len(one), len(one), 1, plain, one))
	if f, err := Open(bytes.NewReader(good), int64(len(good))); err != nil {
		t.Fatal(err)
	} else if rows, err := readAll(f, 0); err != nil || len(rows) != 1 || rows[0] != "hi" {
		t.Fatal(rows, err)
	}
	// A block of 128 numbers in 4 small ones, all differences 0.
	still := func(n, first uint64) string {
		return uvarints(128, 4, n, 2*first) + strings.Repeat("\x00\x00\x00\x00\x00", int(n/128)+1)
	}
	// A million numbers in blocks of 128: first, then one step away, and the same from there on.
	step := func(first, to int64) string {
		least := min(to-first, 0)
		b := binary.AppendVarint([]byte(uvarints(128, 4, 1<<20)), first)
		b = append(binary.AppendVarint(b, least), 32, 32, 32, 32)
		for i := range 128 {
			d := -least
			if i == 0 {
				d += to - first
			}
			b = binary.LittleEndian.AppendUint32(b, uint32(d))
		}
		return string(b) + strings.Repeat("\x00\x00\x00\x00\x00", 1<<13-1)
	}
	million := levels(1<<20) + step(0, 60_000) + step(60_000, 0) + strings.Repeat("x", 60_000)
	const huge = 1<<31 - 1
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"packed size":       {file(0, 1, pageOf(dataPage, 10, huge, 1, plain, one)), "left"},
		"unpacked size":     {file(6, 1, pageOf(dataPage, huge, len(one), 1, plain, one)), "is to unpack to"},
		"negative size":     {file(0, 1, pageOf(dataPage, -5, len(one), 1, plain, one)), "page of"},
		"values":            {file(0, 1, pageOf(dataPage, len(one), len(one), huge, plain, one)), "is to unpack to"},
		"dictionary":        {file(0, 1, pageOf(dictionaryPage, len(one), len(one), huge/1024, plain, one)), "broken dictionary"},
		"snappy":            {file(1, 1, pageOf(dataPage, 100, 6, 1, plain, uvarints(1<<31)+"x")), "unpack to the size"},
		"gzip":              {file(2, 1, pageOf(dataPage, 100, 3, 1, plain, "abc")), "EOF"},
		"zstd":              {file(6, 1, pageOf(dataPage, 50<<20, 3, 1, plain, "abc")), "unpack to the size"},
		"levels":            {file(0, 1, pageOf(dataPage, 8, 8, 1, plain, "\xff\xff\xff\x7fabcd")), "levels"},
		"run":               {file(0, 1, pageOf(dataPage, len(levels(huge)), len(levels(huge)), 1000, plain, levels(huge))), "less values"},
		"delta count":       {file(0, 1, pageOf(dataPage, 20, 20, 1, deltaLength, (levels(1) + uvarints(128, 4, 1<<40, 0) + "aaaaaaaaaa")[:20])), "differences"},
		"delta block":       {file(0, 1, pageOf(dataPage, 20, 20, 1, deltaLength, (levels(1) + uvarints(1<<50, 4, 1, 0) + "aaaaaaaaaa")[:20])), "differences"},
		"delta length":      {file(0, 1, pageOf(dataPage, len(levels(1)+still(1, 1<<30)), len(levels(1)+still(1, 1<<30)), 1, deltaLength, levels(1)+still(1, 1<<30))), "less values"},
		"repeated prefixes": {file(0, 1, pageOf(dataPage, len(million), len(million), 1<<20, deltaBytes, million)), "too often"},
		"endless list":      {file(0, 2, pageOf(dataPage, 18, 18, 2<<20, plain, levels(2<<20)+levels(2<<20))), "less values"},
		"encoding":          {file(0, 1, pageOf(dataPage, len(one), len(one), 1, 4, one)), "encoding BIT_PACKED"},
		"compression":       {file(5, 1, pageOf(dataPage, len(one), len(one), 1, plain, one)), "compression LZ4 is not supported"},
		"footer":            {append(bytes.Clone(good[:len(good)-8]), 0xff, 0xff, 0xff, 0xff, 'P', 'A', 'R', '1'), "asks for a footer of"},
		"encrypted":         {append(bytes.Clone(good[:len(good)-4]), 'P', 'A', 'R', 'E'), "is encrypted"},
		"short":             {[]byte("PAR1"), "it has 4 bytes"},
		"another":           {bytes.Repeat([]byte("text"), 9), "ends with"},
	} {
		bounded(t, func() {
			if err := drain(c.b); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: error %v, want one with %q", name, err, c.want)
			}
		})
	}
	// Lists within lists within lists, and lists of nothing.
	for _, footer := range []string{strings.Repeat("\x19\x19", 50_000), "\x19\xfc\xff\xff\xff\xff\x0f", "\x29\xfc" + uvarints(90_000) + strings.Repeat("\x00", 90_000)} {
		b := append([]byte("PAR1"+footer), binary.LittleEndian.AppendUint32(nil, uint32(len(footer)))...)
		b = append(b, "PAR1"...)
		bounded(t, func() {
			if err := drain(b); !errors.Is(err, errThrift) {
				t.Error(err)
			}
		})
	}
}
