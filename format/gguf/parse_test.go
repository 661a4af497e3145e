package gguf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"
)

// raw builds files by hand, right or wrong: uint32, uint64 and single bytes as they are, strings with their length.
func raw(fields ...any) []byte {
	var b []byte
	for _, f := range fields {
		switch f := f.(type) {
		case string:
			b = appendText(b, f)
		case []byte:
			b = append(b, f...)
		case int:
			b = binary.LittleEndian.AppendUint64(b, uint64(f))
		default:
			b, _ = binary.Append(b, binary.LittleEndian, f)
		}
	}
	return b
}

// header starts a version 3 file.
func header(tensors, pairs int) []byte { return raw([]byte(magic), uint32(3), tensors, pairs) }

// info is a tensor info with dims in file order.
func info(name string, typ uint32, offset int, dims ...int) []byte {
	b := raw(name, uint32(len(dims)))
	for _, d := range dims {
		b = raw(b, d)
	}
	return raw(b, typ, offset)
}

// file is a whole file of n data bytes.
func file(n int, infos ...[]byte) []byte {
	b := raw(header(len(infos), 0), bytes.Join(infos, nil))
	return append(b, make([]byte, alignUp(len(b), 32)-len(b)+n)...)
}

// pair is a file of one metadata pair.
func pair(fields ...any) []byte { return raw(header(0, 1), raw(fields...)) }

func TestParseErrors(t *testing.T) {
	const array, str = uint32(typeArray), uint32(typeString)
	name64 := strings.Repeat("n", 64)
	for _, c := range []struct {
		data []byte
		want string
	}{
		{[]byte("GG"), `no GGUF file: starts with "GG", want "GGUF"`},
		{[]byte("ggjt\x03\x00\x00\x00"), `no GGUF file: starts with "ggjt", want "GGUF"`},
		{[]byte("GGUF\x03"), "1 × 4 bytes at offset 4 run past the end of the file at 5"},
		{raw([]byte(magic), uint32(1), uint32(0), uint32(0)), "version 1, want 2 or 3: convert the model again"},
		{raw([]byte(magic), uint32(0)), "version 0, want 2 or 3: convert the model again"},
		{raw([]byte(magic), uint32(4), 0, 0), "version 4, want 2 or 3: convert the model again"},
		{raw([]byte(magic), uint32(3<<24), 0, 0), "big-endian file of version 3: convert it to little-endian"},
		{header(0, 0)[:20], "1 × 8 bytes at offset 16 run past the end of the file at 20"},

		{header(1<<60, 0), "1152921504606846976 tensors do not fit in the 8 bytes that are left"},
		{header(0, -1), "18446744073709551615 metadata pairs do not fit in the 0 bytes that are left"},
		{pair(1<<40, []byte("hello")), "metadata pair 0: 1099511627776 × 1 bytes at offset 32 run past the end of the file at 37"},
		{pair("", uint32(0), byte(1)), "metadata pair 0: key is empty"},
		{pair("a\x1b[31m", uint32(0), byte(1)), `metadata pair 0: key "a\x1b[31m" is no printable text`},
		{pair("a\xff", uint32(0), byte(1)), `metadata pair 0: key "a\xff" is no printable text`},
		{pair(strings.Repeat("k", 65536), uint32(0), byte(1)), "metadata pair 0: key of 65536 bytes, want at most 65535"},
		{pair("a", uint32(13), 0), "key a: unknown value type 13"},
		{pair("a", uint32(1<<31), 0), "key a: unknown value type 2147483648"},
		{pair("a", uint32(typeBool), byte(2)), "key a: bool at offset 37 is 2, want 0 or 1"},
		{pair("a", str, -1), "key a: 18446744073709551615 × 1 bytes at offset 45 run past the end of the file at 45"},
		{pair("a", array, uint32(13), 0), "key a: unknown type 13 of array elements"},
		{pair("a", array, uint32(12), 1<<61, 0), "key a: 2305843009213693952 × 8 bytes at offset 49 run past the end of the file at 57"},
		{pair("a", array, str, 1<<59, 0), "key a: 576460752303423488 strings do not fit in the 8 bytes that are left"},
		{pair("a", array, str, 2, 0, 9), "key a: 9 × 1 bytes at offset 65 run past the end of the file at 65"},
		{pair("a", array, array, 1<<40, uint32(0), 0), "key a: 1099511627776 arrays do not fit in the 12 bytes that are left"},
		{pair("a", array, array, 1, array, 1, array, 1, array, 1, uint32(0), 0), "key a: arrays nested more than 4 deep"},
		{raw(header(0, 2), "a", uint32(0), byte(1), "a", str, "x"), "key a is there twice"},
		{pair(alignmentKey, uint32(4), uint32(0)), "key general.alignment: is 0, want a power of two up to 1048576"},
		{pair(alignmentKey, uint32(4), uint32(48)), "key general.alignment: is 48, want a power of two up to 1048576"},
		{pair(alignmentKey, uint32(4), uint32(1<<31)), "key general.alignment: is 2147483648, want a power of two up to 1048576"},
		{pair(alignmentKey, uint32(10), -1), "key general.alignment: uint64 is 18446744073709551615, which overflows int"},
		{pair(alignmentKey, str, "32"), "key general.alignment: is string, want integer"},

		{file(4, info("", 0, 0, 1)), "tensor 0: name is empty"},
		{file(4, info(name64+"n", 0, 0, 1)), "tensor 0: name of 65 bytes, want at most 64"},
		{file(4, info("a\n", 0, 0, 1)), `tensor 0: name "a\n" is no printable text`},
		{file(64, info("a", 0, 0, 1), info("a", 0, 32, 1)), "tensor a is there twice"},
		{raw(header(1, 0), "a", uint32(5), 1, 1, 1, 1, 1), "a: 5 dimensions, want at most 4"},
		{raw(header(1, 0), "a", uint32(1<<31), 1, 1), "a: 2147483648 dimensions, want at most 4"},
		{raw(header(1, 0), "a", uint32(2), 1, uint32(0)), "a: 1 × 8 bytes at offset 45 run past the end of the file at 49"},
		{file(4, info("a", 0, 0, -1)), "a: dimension 18446744073709551615 overflows"},
		{file(4, info("a", 0, 0, 1<<40, 1<<40)), "a: shape [1099511627776 1099511627776] overflows"},
		{file(4, info("a", 0, 0, 1<<31, 1<<31)), "a: shape [2147483648 2147483648] overflows"},
		{file(4, info("a", 0, 0, 4, 0)), "a: shape [0 4] has no elements"},
		{file(64, info("a", 8, 0, 33, 2)), "a: a row of 33 values is no multiple of the Q8_0 block of 32"},
		{file(64, info("a", 8, 0)), "a: a row of 1 values is no multiple of the Q8_0 block of 32"},
		{file(64, info("a", 0, 4, 1)), "a: offset 4 is no multiple of the alignment 32"},
		{file(64, info("a", 0, -32, 1)), "a: offset 18446744073709551584 overflows"},
		{file(64, info("a", 0, 1<<62, 1)), "a: F32 [1] of 4 bytes at offset 4611686018427387904 of the data, which starts at 64, runs past the end of the file at 128: is the file complete?"},
		{file(64, info("a", 0, 32, 9)), "a: F32 [9] of 36 bytes at offset 32 of the data, which starts at 64, runs past the end of the file at 128: is the file complete?"},
		{file(0, info("a", 0, 0, 1)), "a: F32 [1] of 4 bytes at offset 0 of the data, which starts at 64, runs past the end of the file at 64: is the file complete?"},
		{file(0, info("a", 99, 0, 1))[:60], "a: type 99 [1] of 0 bytes at offset 0 of the data, which starts at 64, runs past the end of the file at 60: is the file complete?"},
		{file(96, info("b", 0, 32, 1), info("a", 0, 0, 9)), "b: overlaps with a at offset 32"},
		{file(96, info("a", 99, 0, 1), info("b", 0, 0, 1)), "b: overlaps with a at offset 0"},
		{file(96, info("a", 26, 0, 9), info("b", 0, 32, 1)), "b: overlaps with a at offset 32"},
	} {
		_, _, err := parse(c.data)
		if err == nil || err.Error() != c.want {
			t.Errorf("%.60q:\nerror %v\nwant  %s", c.data, err, c.want)
		}
	}
}

// TestParseBounds holds files that are odd, but right.
func TestParseBounds(t *testing.T) {
	for name, data := range map[string][]byte{
		"nothing":           header(0, 0),
		"scalar":            file(4, info("a", 0, 0)),
		"name of 64 bytes":  file(4, info(strings.Repeat("n", 64), 0, 0, 1)),
		"unknown type":      file(4, info("a", 1<<31, 0, 7)),
		"no last padding":   file(4, info("a", 0, 0, 1)),
		"out of order":      file(64, info("a", 0, 32, 8), info("b", 0, 0, 8)),
		"a gap":             file(128, info("a", 0, 96, 8), info("b", 0, 0, 8)),
		"four dimensions":   file(96, info("a", 0, 0, 1, 2, 3, 4)),
		"alignment 1":       raw(header(1, 1), alignmentKey, uint32(4), uint32(1), info("a", 24, 3, 5), []byte("12312345")),
		"4 levels of array": pair("a", uint32(9), uint32(9), 1, uint32(9), 1, uint32(9), 1, uint32(0), 0),
	} {
		if _, _, err := parse(data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestParseTruncated cuts a file everywhere: each cut has to be an error, for no byte of the file is spare.
func TestParseTruncated(t *testing.T) {
	var b bytes.Buffer
	err := Write(&b, allMetadata, []Source{
		{Name: "a", DType: f32, Shape: []int{3, 2}, Data: zeros(24)},
		{Name: "b", DType: f32, Shape: []int{8}, Data: zeros(32)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := range b.Len() {
		if _, _, err := parse(b.Bytes()[:n]); err == nil {
			t.Errorf("no error for the first %d of %d bytes", n, b.Len())
		}
	}
}

// TestHeaderLimit reads a file whose metadata would take more memory than the limit.
func TestHeaderLimit(t *testing.T) {
	c := newCursor(pair("a", uint32(typeArray), uint32(0), 1000, make([]byte, 1000)))
	c.data = c.data[:500] // as a lower limit would
	c.pos = 24
	c.metadata(1)
	want := "key a: metadata and tensor infos go on past 64 MiB, the limit of this reader"
	if c.err == nil || c.err.Error() != want {
		t.Errorf("error %v\nwant  %s", c.err, want)
	}
}

// vocabulary is a file with an array of n short strings.
func vocabulary(t testing.TB, n int) []byte {
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i] = fmt.Sprintf("token%d", i)
	}
	var b bytes.Buffer
	if err := Write(&b, Metadata{{"tokens", tokens}}, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestVocabularyIsFast(t *testing.T) {
	data := vocabulary(t, 128_000)
	start := time.Now()
	m, _, err := parse(data)
	took := time.Since(start)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := Get[[]string](m, "tokens")
	if err != nil || len(tokens) != 128_000 || tokens[127_999] != "token127999" {
		t.Fatalf("%d tokens, %v", len(tokens), err)
	}
	// Typically 2 ms; the slack is for the race detector and busy machines.
	if took > time.Second {
		t.Errorf("128k strings took %v", took)
	}
	// A string for the whole, a slice for the pieces and little else.
	if allocs := testing.AllocsPerRun(1, func() { _, _, _ = parse(data) }); allocs > 50 {
		t.Errorf("%v allocations", allocs)
	}
}

func BenchmarkVocabulary(b *testing.B) {
	data := vocabulary(b, 128_000)
	for b.Loop() {
		if _, _, err := parse(data); err != nil {
			b.Fatal(err)
		}
	}
}
