package kernel

import (
	"testing"

	"jamba/tensor"
)

// TestReadBytes asserts what a block of 8 rows of 256 columns takes in the packed form: the numbers, 8 or 4 bits each,
// scales of 2 bytes for 32 or 256 columns, as many minima for some, and for K formats a byte for each sub-block's.
func TestReadBytes(t *testing.T) {
	for d, want := range map[tensor.DType]int{
		tensor.Q8_0: 256 + 16, tensor.Q4_0: 128 + 16, tensor.Q4_1: 128 + 32, tensor.Q5_0: 256 + 16, tensor.Q5_1: 256 + 32,
		tensor.Q4_K: 148, tensor.Q5_K: 256 + 20, tensor.Q6_K: 256 + 18, tensor.BF16: 512,
	} {
		size, err := d.RowBytes(256)
		if err != nil {
			t.Fatal(err)
		}
		w, err := NewMatrix(tensor.Tensor{DType: d, Shape: []int{8, 256}, Data: make([]byte, 8*size)})
		if err != nil {
			t.Fatal(err)
		}
		if w.ReadBytes() != w.Bytes() || w.Integer() {
			t.Errorf("%v: %d bytes before packing, %d in the file", d, w.ReadBytes(), w.Bytes())
		}
		w.Pack()
		if !w.Integer() {
			want = size
		}
		if w.ReadBytes() != 8*want {
			t.Errorf("%v: %d bytes, want %d", d, w.ReadBytes(), 8*want)
		}
		if integer := d.Quantized() && PeakI8(1<<10) > 0; w.Integer() != integer {
			t.Errorf("%v: whole numbers: %v, want %v", d, w.Integer(), integer)
		}
	}
}
