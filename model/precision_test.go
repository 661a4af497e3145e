package model

import (
	"testing"

	"jamba/internal/kernel"
	"jamba/tensor"
)

// TestMovable asserts that weights are copied only where that leaves as much memory free as they take, and never beside panels.
func TestMovable(t *testing.T) {
	w, err := kernel.NewMatrix(tensor.Tensor{Name: "w", DType: tensor.BF16, Shape: []int{4, 32}, Data: make([]byte, 256)})
	if err != nil {
		t.Fatal(err)
	}
	plain, panels := []large{{Matrix: &w}}, []large{{Matrix: &w}, {Matrix: new(kernel.Matrix)}} // which has no rows as files have them
	for _, c := range []struct {
		all         []large
		bytes, free int64
		want        bool
	}{
		{plain, 256, 512, true},
		{plain, 256, 511, false},
		{plain, 256, 0, false}, // not known
		{panels, 256, 1 << 40, false},
	} {
		if got := movable(c.all, c.bytes, c.free); got != c.want {
			t.Errorf("%d matrices of %d bytes, %d free: %v", len(c.all), c.bytes, c.free, got)
		}
	}
}
