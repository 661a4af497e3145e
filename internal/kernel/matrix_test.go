package kernel

import (
	"math/rand/v2"
	"slices"
	"testing"

	"jamba/tensor"
)

// TestReadBytes asserts what a row of 256 columns takes in the packed form: the numbers, 8 or 4 bits each, or 5
// or 6 in panels of 16 rows, scales of 2 bytes for 32 or 256 columns, as many minima for some, and for K formats a byte for
// each sub-block's. The last panel is filled up with rows of zeroes, which are read like others, whatever its height.
func TestReadBytes(t *testing.T) {
	narrow := map[tensor.DType]int{tensor.Q5_1: 160 + 32, tensor.Q5_K: 160 + 20, tensor.Q6_K: 192 + 18} // panels of 16 rows
	for d, want := range map[tensor.DType]int{
		tensor.Q8_0: 256 + 16, tensor.Q4_0: 128 + 16, tensor.Q4_1: 128 + 32, tensor.Q5_0: 256 + 16, tensor.Q5_1: 256 + 32,
		tensor.Q4_K: 148, tensor.Q5_K: 256 + 20, tensor.Q6_K: 256 + 18, tensor.BF16: 512, tensor.INT8: 256 + 2,
		tensor.Q2_K: 84, tensor.IQ4_NL: 144, tensor.F8_E4M3: 256,
	} {
		size, err := d.RowBytes(256)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 8, 16, 25} {
			w, err := NewMatrix(tensor.Tensor{DType: d, Shape: []int{n, 256}, Data: make([]byte, n*size)})
			if err != nil {
				t.Fatal(err)
			}
			if w.ReadBytes() != w.Bytes() || w.Bytes() != n*size || w.Integer() {
				t.Errorf("%v: %d bytes before packing, %d in the file, want %d", d, w.ReadBytes(), w.Bytes(), n*size)
			}
			w.Pack(new(Slab))
			read := n * size
			if w.Integer() {
				rows, want := PanelRows(), want
				if narrow[d] > 0 && rows == 16 {
					want = narrow[d]
				}
				read = (n + rows - 1) / rows * rows * want
			}
			if w.ReadBytes() != read || w.Bytes() != n*size {
				t.Errorf("%v: %d rows are read as %d bytes of %d, want %d of %d", d, n, w.ReadBytes(), w.Bytes(), read, n*size)
			}
			if integer := packs(d) && PeakI8(1<<10) > 0; w.Integer() != integer {
				t.Errorf("%v: integers: %v, want %v", d, w.Integer(), integer)
			}
		}
	}
}

// TestRowOfFreed asserts that a matrix that was rounded in memory and packed, whose bytes are freed, has the rows of those
// bytes.
func TestRowOfFreed(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 9))
	const n, k = 21, 512
	values := random(r, n*k)
	for _, d := range dtypes {
		if !Packs(d) {
			continue
		}
		var all [2]Matrix
		for i := range all {
			w, err := NewMatrix(tensor.FromFloat32s("w", values, n, k))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Quantize(d); err != nil {
				t.Fatal(err)
			}
			all[i] = w
		}
		if all[1].Pack(new(Slab)) != nil {
			t.Errorf("%v: bytes that were made here are returned", d)
		}
		if freed := all[1].Raw() == nil; freed != all[1].Integer() {
			t.Errorf("%v: packed %v, its bytes freed %v", d, all[1].Integer(), freed)
		}
		got, want := make([]float32, k), make([]float32, k)
		for i := range n {
			all[0].Row(want, i)
			all[1].Row(got, i)
			equalBits(t, d.String(), got, want)
		}
	}
}

// TestMove asserts that floats that were moved have the same bits and nothing to do with the bytes they came from, and that other
// weights stay.
func TestMove(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 9))
	const n, k = 21, 512
	for _, d := range dtypes {
		w, _ := randomMatrix(t, r, d, n, k)
		loaded := slices.Clone(w.Raw())
		w, err := NewMatrix(tensor.Tensor{DType: d, Shape: []int{n, k}, Data: loaded})
		if err != nil {
			t.Fatal(err)
		}
		w.Pack(new(Slab))
		floats := d == tensor.F32 || d == tensor.F16 || d == tensor.BF16
		x := random(r, 3*k)
		got, want := make([]float32, 3*n), make([]float32, 3*n)
		MatMul(want, x, &w)
		wantRow, gotRow := make([]float32, k), make([]float32, k)
		w.Row(wantRow, n-1)
		left := w.Move(new(Slab))
		if floats != (left != nil) || floats && (&left[0] != &loaded[0] || w.InPlace() != 0) {
			t.Errorf("%v: %d bytes left, %d in place", d, len(left), w.InPlace())
		}
		clear(left)
		MatMul(got, x, &w)
		equalBits(t, d.String(), got, want)
		w.Row(gotRow, n-1)
		equalBits(t, d.String(), gotRow, wantRow)
		if w.Move(new(Slab)) != nil {
			t.Errorf("%v: moved twice", d)
		}
	}
}

// TestMatMulAllocatesNothing asserts it of weights in place, rows longer than a tile goes at a time included.
func TestMatMulAllocatesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("short tests run under the race detector, whose pools forget at random")
	}
	r := rand.New(rand.NewPCG(43, 44))
	const n, k = 25, 2*kBlock + 8
	for _, d := range []tensor.DType{tensor.F32, tensor.BF16, tensor.F16} {
		w, _ := randomMatrix(t, r, d, n, k)
		for _, m := range []int{1, 5} {
			dst, x := make([]float32, m*n), random(r, m*k)
			MatMul(dst, x, &w)
			if allocs := testing.AllocsPerRun(20, func() { MatMul(dst, x, &w) }); allocs != 0 {
				t.Errorf("%v, %d rows: %v allocations", d, m, allocs)
			}
		}
	}
	if active.coded == nil {
		return
	}
	w, _ := randomMatrix(t, r, tensor.BF16, 480, kBlock+256)
	w.Code(new(Slab))
	for _, m := range []int{1, 5, active.many.from.coded} {
		dst, x := make([]float32, m*w.N), random(r, m*w.K)
		MatMul(dst, x, &w)
		if allocs := testing.AllocsPerRun(20, func() { MatMul(dst, x, &w) }); allocs != 0 {
			t.Errorf("BF16 in 12 bits, %d rows: %v allocations", m, allocs)
		}
	}
}
