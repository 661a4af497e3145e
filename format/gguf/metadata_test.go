package gguf

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jamba/tensor"
)

var sample = Metadata{
	{"u8", uint8(200)},
	{"i8", int8(-3)},
	{"u32", uint32(math.MaxUint32)},
	{"u64", uint64(math.MaxUint64)},
	{"i64", int64(math.MinInt64)},
	{"f32", float32(0.1)},
	{"f64", 0.1},
	{"yes", true},
	{"text", "hello"},
	{"texts", []string{"a", "b"}},
	{"i32s", []int32{-1, 2}},
	{"u64s", []uint64{1, math.MaxUint64}},
	{"f32s", []float32{0.5}},
	{"f64s", []float64{0.5, 0.1}},
	{"bools", []bool{true, false}},
	{"nested", []any{[]string{"a"}}},
	{"noints", []uint8{}},
	{"nofloats", []float32{}},
}

// got checks that Get returns want, or the error if want is a string that starts with "gguf: ".
func got[T Value](t *testing.T, key string, want any) {
	t.Helper()
	v, err := Get[T](sample, key)
	if err != nil {
		if err.Error() != want {
			t.Errorf("error %v\nwant  %v", err, want)
		}
		return
	}
	if diff := cmp.Diff(want, any(v)); diff != "" {
		t.Errorf("Get[%T](%s) differs (-want +got):\n%s", v, key, diff)
	}
}

func TestGet(t *testing.T) {
	got[string](t, "text", "hello")
	got[string](t, "u8", "gguf: key u8: is uint8, want string")
	got[string](t, "texts", "gguf: key texts: is array of string, want string")
	got[bool](t, "yes", true)
	got[bool](t, "u8", "gguf: key u8: is uint8, want bool")
	got[int](t, "u8", 200)
	got[int](t, "i8", -3)
	got[int](t, "u32", math.MaxUint32)
	got[int](t, "i64", math.MinInt64)
	got[int](t, "u64", "gguf: key u64: uint64 is 18446744073709551615, which overflows int")
	got[int](t, "f32", "gguf: key f32: is float32, want integer")
	got[int](t, "yes", "gguf: key yes: is bool, want integer")
	got[int](t, "i32s", "gguf: key i32s: is array of int32, want integer")
	got[uint64](t, "u8", uint64(200))
	got[uint64](t, "u64", uint64(math.MaxUint64))
	got[uint64](t, "i8", "gguf: key i8: int8 is -3, want no negative number")
	got[uint64](t, "text", "gguf: key text: is string, want integer")
	got[float32](t, "f32", float32(0.1))
	got[float32](t, "f64", float32(0.1))
	got[float32](t, "u8", "gguf: key u8: is uint8, want float32")
	got[float64](t, "f32", float64(float32(0.1)))
	got[float64](t, "f64", 0.1)
	got[float64](t, "text", "gguf: key text: is string, want float64")
	got[[]string](t, "texts", []string{"a", "b"})
	got[[]string](t, "text", "gguf: key text: is string, want array of string")
	got[[]string](t, "nested", "gguf: key nested: is array of arrays, want array of string")
	got[[]bool](t, "bools", []bool{true, false})
	got[[]int](t, "i32s", []int{-1, 2})
	got[[]int](t, "noints", []int{})
	got[[]int](t, "u64s", "gguf: key u64s: element 1: uint64 is 18446744073709551615, which overflows int")
	got[[]int](t, "bools", "gguf: key bools: is array of bool, want array of integers")
	got[[]int](t, "nofloats", "gguf: key nofloats: is array of float32, want array of integers")
	got[[]int](t, "nested", "gguf: key nested: is array of arrays, want array of integers")
	got[[]int](t, "u8", "gguf: key u8: is uint8, want array of integers")
	got[[]int](t, "text", "gguf: key text: is string, want array of integers")
	got[[]float32](t, "f32s", []float32{0.5})
	got[[]float32](t, "f64s", []float32{0.5, 0.1})
	got[[]float32](t, "i32s", "gguf: key i32s: is array of int32, want array of float32")
	got[int](t, "absent", "gguf: key absent: not found")
}

func TestGetOr(t *testing.T) {
	if _, err := Get[int](sample, "absent"); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v is not ErrNotFound", err)
	}
	if v, err := GetOr(sample, "absent", 7); v != 7 || err != nil {
		t.Errorf("absent: %v, %v, want the default", v, err)
	}
	if v, err := GetOr(sample, "u8", 7); v != 200 || err != nil {
		t.Errorf("u8: %v, %v, want 200", v, err)
	}
	v, err := GetOr(sample, "text", 7)
	if want := "gguf: key text: is string, want integer"; err == nil || err.Error() != want || errors.Is(err, ErrNotFound) {
		t.Errorf("text: %v, %v, want %s", v, err, want)
	}
}

// TestTypes compares the table of types with the sizes that package tensor has for those it knows.
func TestTypes(t *testing.T) {
	for d := tensor.F32; d <= tensor.Q6_K; d++ {
		typ, ok := typeOf(d)
		if !ok {
			t.Errorf("%v has no number", d)
			continue
		}
		row := types[typ]
		if row.name != d.String() || row.values != d.BlockValues() || row.bytes != d.BlockBytes() {
			t.Errorf("%v is %+v, want %d values in %d bytes", d, row, d.BlockValues(), d.BlockBytes())
		}
	}
	for typ := range types {
		if typ > maxType {
			t.Errorf("%v is above maxType", typ)
		}
	}
}
