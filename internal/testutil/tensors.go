package testutil

import (
	"encoding/binary"
	"math"
	"testing"

	"jamba/format/safetensors"
)

// Tensors reads a golden safetensors file.
type Tensors struct {
	t    testing.TB
	file *safetensors.File
}

// OpenTensors opens the safetensors file at path until the test ends.
func OpenTensors(t testing.TB, path string) Tensors {
	t.Helper()
	f, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return Tensors{t, f}
}

// Has reports whether there is a tensor of that name.
func (g Tensors) Has(name string) bool {
	_, _, _, ok := g.file.Raw(name)
	return ok
}

// Names returns the names of all tensors, sorted.
func (g Tensors) Names() []string { return g.file.Names() }

// Floats returns a tensor of F32 or BF16 as float32.
func (g Tensors) Floats(name string) ([]float32, []int) {
	g.t.Helper()
	dtype, shape, data, ok := g.file.Raw(name)
	var v []float32
	switch {
	case ok && dtype == "F32":
		for ; len(data) > 0; data = data[4:] {
			v = append(v, math.Float32frombits(binary.LittleEndian.Uint32(data)))
		}
	case ok && dtype == "BF16":
		for ; len(data) > 0; data = data[2:] {
			v = append(v, math.Float32frombits(uint32(binary.LittleEndian.Uint16(data))<<16))
		}
	default:
		g.t.Fatalf("no float tensor %s", name)
	}
	return v, shape
}

// Ints returns a tensor of I64.
func (g Tensors) Ints(name string) ([]int32, []int) {
	g.t.Helper()
	dtype, shape, data, ok := g.file.Raw(name)
	if !ok || dtype != "I64" {
		g.t.Fatalf("no integer tensor %s", name)
	}
	var v []int32
	for ; len(data) > 0; data = data[8:] {
		v = append(v, int32(binary.LittleEndian.Uint64(data)))
	}
	return v, shape
}

// MaxDiff returns the largest absolute difference of two slices of the same length, NaN if either holds one.
func MaxDiff(t testing.TB, got, want []float32) float64 {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d values, want %d", len(got), len(want))
	}
	worst := 0.0
	for i := range got {
		worst = max(worst, math.Abs(float64(got[i])-float64(want[i])))
	}
	return worst
}
