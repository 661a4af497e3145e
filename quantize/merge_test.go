package quantize

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"jamba/model/lora"
	"jamba/tensor"
)

// TestWriteMerged merges into a stack that is written in several pieces, at rows that are no borders of pieces, and
// compares with float64 arithmetic.
func TestWriteMerged(t *testing.T) {
	const rows, k, r = 5000, 210, 2
	random := rand.New(rand.NewPCG(1, 2))
	normal := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(random.NormFloat64())
		}
		return x
	}
	w := normal(rows * k)
	want := make([]float64, len(w))
	for i, v := range w {
		want[i] = float64(v)
	}
	var changes []change
	for _, at := range [][2]int{{3, 1}, {700, 2100}, {2800, 2200}} {
		p := &lora.Pair{Module: lora.Module{In: k, Out: at[1]}, R: r, Scale: 0.5, A: normal(r * k), B: normal(at[1] * r)}
		changes = append(changes, change{p, "w", at[0]})
		for i := range at[1] * k {
			for j := range r {
				want[at[0]*k+i] += 0.5 * float64(p.B[i/k*r+j]) * float64(p.A[j*k+i%k])
			}
		}
	}
	var b bytes.Buffer
	if err := writeMerged(&b, tensor.FromFloat32s("w", w, 2, rows/2, k), tensor.F32, changes); err != nil {
		t.Fatal(err)
	}
	merged, err := tensor.New("w", tensor.F32, []int{rows, k}, b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	got, _ := merged.Float32s()
	for i, v := range got {
		if math.Abs(float64(v)-want[i]) > 2e-6 {
			t.Fatalf("row %d: %v, want %v", i/k, v, want[i])
		}
	}

	changes[2].A[5], changes[2].B[1] = math.MaxFloat32, math.MaxFloat32
	if err := writeMerged(&b, tensor.FromFloat32s("w", w, rows, k), tensor.F32, changes); err == nil || !strings.Contains(err.Error(), "infinite or NaN") {
		t.Errorf("an infinite weight: %v", err)
	}
}
