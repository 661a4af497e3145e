package kernel

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestScanCuts asserts that wherever states go, one or several, into the memory of the first or another, past the caches or not,
// they and the outputs are those of the same rows one after the other, each in place.
func TestScanCuts(t *testing.T) {
	r := rand.New(rand.NewPCG(99, 10))
	for _, shape := range [][3]int{{1, 1, 1}, {4, 5, 16}, {30, 130, 8}, {3, 64, 16}, {11, 65, 3}, {70, 48, 16}, {9, 40, 200}} {
		l, e, s := shape[0], shape[1], shape[2]
		stride, n := 2*e, ScanPanels(e)*ScanPanel*s
		all := Scan{
			X: random(r, l*e), Dt: random(r, l*e), Z: random(r, l*stride), ZStride: stride,
			B: random(r, l*s), C: random(r, l*s), A: random(r, n), D: random(r, e), L: l, E: e, S: s,
		}
		for i, v := range all.Dt {
			all.Dt[i] = max(v, -v)
		}
		for i, v := range all.A {
			all.A[i] = min(v, -v)
		}
		for _, first := range [][]float32{random(r, n), nil} {
			h := make([]float32, n)
			copy(h, first)
			y, after := make([]float32, l*e), make([][]float32, l)
			for i := range l {
				row := all
				row.L, row.H, row.Cuts = 1, h, []Cut{{1, h}}
				row.Y, row.X, row.Dt, row.Z = y[i*e:(i+1)*e], all.X[i*e:(i+1)*e], all.Dt[i*e:(i+1)*e], all.Z[i*stride:]
				row.B, row.C = all.B[i*s:(i+1)*s], all.C[i*s:(i+1)*s]
				SelectiveScan([]Scan{row})
				after[i] = slices.Clone(h)
			}
			before := func(row int) []float32 { // the state before a row
				if row > 0 {
					return after[row-1]
				}
				return append(slices.Clone(first), make([]float32, n-len(first))...)
			}
			own := slices.Clone(first)
			aligned := new(Slab).Floats(n)
			for name, scan := range map[string]Scan{
				"one cut":         {H: first, Cuts: []Cut{{l, random(r, n)}}},
				"in place":        {H: own, Cuts: []Cut{{l, own}}},
				"several":         {H: first, Cuts: []Cut{{0, random(r, n)}, {l / 2, random(r, n)}, {l / 2, random(r, n)}, {l, random(r, n)}}},
				"past the caches": {H: first, Cuts: []Cut{{l / 2, random(r, n)}, {l, aligned}}, Stream: true},
			} {
				if name == "in place" && first == nil {
					continue
				}
				sc := all
				sc.H, sc.Cuts, sc.Stream = scan.H, scan.Cuts, scan.Stream
				sc.X = slices.Clone(all.X)
				sc.Y = sc.X
				unchanged := slices.Clone(first)
				SelectiveScan([]Scan{sc})
				if !slices.Equal(sc.Y, y) {
					t.Errorf("%v %s: other outputs", shape, name)
				}
				for _, cut := range sc.Cuts {
					if !slices.Equal(cut.To, before(cut.Row)) {
						t.Errorf("%v %s: another state before row %d", shape, name, cut.Row)
					}
				}
				if !slices.Equal(first, unchanged) {
					t.Errorf("%v %s: the first state has changed", shape, name)
				}
			}
		}
	}
}
