package kernel

import (
	"math"
	"slices"
	"testing"
)

// nans have all kinds of bits that a NaN may have: either sign, quiet or not, and low bits that look like exponents once they are shifted.
var nans = []uint32{0x7FC00000, 0xFFC00000, 0x7F800001, 0xFF800001, 0x7FC000FF, 0xFFC00081, 0x7FC00100, 0x7FC001FF, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FABCDEF}

// TestNaN expects of everything that computes e^x that a NaN comes out where one goes in, whatever its bits, and nowhere else.
func TestNaN(t *testing.T) {
	const n, s = 2 * ScanPanel, 3
	for _, bits := range nans {
		nan := math.Float32frombits(bits)
		for at := range n {
			only := func(what string, x []float32) {
				t.Helper()
				for i, v := range x {
					if (v != v) != (i%n == at) {
						t.Fatalf("%s: with NaN %08x at %d, value %d is %v", what, bits, at, i, v)
					}
				}
			}
			with := func() []float32 {
				x := slices.Repeat([]float32{0.5}, n)
				x[at] = nan
				return x
			}
			ones := slices.Repeat([]float32{1}, n)

			x := with()
			SiLUMul(x, ones)
			only("SiLUMul", x)
			x = with()
			Softplus(x)
			only("Softplus", x)
			x = with()
			if sum := active.expSum(x, 1); sum == sum {
				t.Errorf("with NaN %08x at %d, the sum of exponentials is %v", bits, at, sum)
			}
			only("expSum", x)

			// A NaN among a channel's decays e^(dt·A) reaches its output.
			decay := slices.Repeat([]float32{-1}, n*s)
			for i := range s {
				decay[(at/ScanPanel*s+i)*ScanPanel+at%ScanPanel] = nan
			}
			sc := Scan{
				Y: make([]float32, n), X: ones, Dt: ones, Z: ones, ZStride: n,
				B: ones[:s], C: ones[:s], A: decay, D: ones, H: slices.Repeat([]float32{1}, n*s), L: 1, E: n, S: s,
			}
			sc.Cuts = []Cut{{1, sc.H}}
			SelectiveScan([]Scan{sc})
			only("SelectiveScan", sc.Y)

			c := Conv{Dst: make([]float32, n), X: with(), XStride: n, Weight: slices.Repeat([]float32{1}, n), L: 1, E: n, W: 1}
			CausalConv([]Conv{c})
			only("CausalConv", c.Dst)
		}
	}
}
