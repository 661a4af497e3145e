package kernel

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"jamba/tensor"
)

// TestLayouts asserts that layouts fit their types: kernels have their arithmetic, parts of a row are whole, and what the
// integers of a block leave in a panel is what they were.
func TestLayouts(t *testing.T) {
	for d, l := range layouts {
		if d.RowScaled() {
			// A row is a block, of any length.
		} else if d.BlockValues()%32 != 0 || d.BlockValues()%l.sub != 0 || twoPanels.columns%d.BlockValues() != 0 || fourPanels.columns%d.BlockValues() != 0 || d.BlockValues()%min(l.scaling.unit(), 256) != 0 {
			t.Errorf("%v: blocks of %d with scales for %d and activations' for %d", d, d.BlockValues(), l.sub, l.scaling.unit())
		}
		if packs(d) && active.pack.of(l) == nil {
			t.Errorf("%v: %s has no kernels", d, active.name)
		}
		for rows, integers := range map[int]integers{8: l.pairs, maxPackRows: l.fours} {
			block, got := make([]byte, 32*rows*integers.bits()/8), make([]float32, 32)
			for r := range rows {
				integers.put(block, rows, r, integersOf(d, r))
			}
			for r := range rows {
				integers.get(got, block, rows, r)
				for i, q := range integersOf(d, r) {
					if got[i] != float32(q) {
						t.Fatalf("%v: integer %d of row %d is %v, want %d", d, i, r, got[i], q)
					}
				}
			}
		}
	}
}

// integersOf are 32 integers of as many bits as those of the type have.
func integersOf(d tensor.DType, row int) []int8 {
	bits, sign := 4, 0
	switch d {
	case tensor.Q5_1, tensor.Q5_K:
		bits = 5
	case tensor.Q6_K:
		bits, sign = 6, 32
	case tensor.Q5_0:
		bits, sign = 5, 16
	case tensor.Q8_0, tensor.INT8:
		bits, sign = 8, 128
	}
	q := make([]int8, 32)
	for i := range q {
		q[i] = int8((i*71+row*5+i/9)&(1<<bits-1) - sign)
	}
	return q
}

// TestTierWithoutArithmetic asserts that types of an arithmetic that a tier has no kernels for stay as they are in it, and
// the others are packed.
func TestTierWithoutArithmetic(t *testing.T) {
	if active.pack == nil {
		t.Skip("these kernels pack nothing")
	}
	defer func(old *table) { active = old }(active)
	tier, pack := *active, *active.pack
	pack.arithmetic[i8m], pack.arithmetic[k5] = integerKernels{}, integerKernels{}
	tier.pack, active = &pack, &tier
	r := rand.New(rand.NewPCG(5, 12))
	for d := range layouts {
		w, _ := randomMatrix(t, r, d, 20, 512)
		plain := w
		x := random(r, 3*w.K)
		if unpacked := w.Pack(new(Slab)); w.Integer() != (packs(d) && d != tensor.Q5_1 && d != tensor.Q5_K) || (unpacked != nil) != w.Integer() {
			t.Errorf("%v: packed: %v", d, w.Integer())
		}
		if !w.Integer() {
			equalProducts(t, d.String(), x, &w, &plain)
		}
	}
}

// countedWay is a way of its own that counts products.
type countedWay struct {
	few
	rounded, panels atomic.Int32
}

func (*countedWay) String() string { return "counted" }

func (*countedWay) from() int { return 3 }

func (w *countedWay) round(r *rounded, x []float32, i, m int, p *packed) {
	w.rounded.Add(1)
	w.few.round(r, x, i, m, p)
}

func (w *countedWay) mul(l *packedLoop, lo, hi int) {
	w.panels.Add(int32(hi - lo))
	w.few.mul(l, lo, hi)
}

// TestFurtherWay asserts that a tier's way for many rows is all that products from its number of rows on go by.
func TestFurtherWay(t *testing.T) {
	if active.pack == nil {
		t.Skip("these kernels pack nothing")
	}
	r := rand.New(rand.NewPCG(6, 12))
	w, _ := randomMatrix(t, r, tensor.Q4_K, 33, 512)
	pack, own := *active.pack, countedWay{}
	pack.arithmetic[k4].many = &own
	p := w.weights.pack(&pack, new(Slab))
	w.weights = p
	for m := 1; m <= 5; m++ {
		x, got, want := random(r, m*w.K), make([]float32, m*w.N), make([]float32, m*w.N)
		own.rounded.Store(0)
		own.panels.Store(0)
		MatMul(got, x, &w)
		if rounded, panels := int(own.rounded.Load()), int(own.panels.Load()); m >= 3 && (rounded != m || panels != p.count) || m < 3 && rounded+panels != 0 {
			t.Errorf("%d rows: %d rounded and %d panels by the way for three rows and more", m, rounded, panels)
		}
		for i := range m {
			MatMul(want[i*w.N:(i+1)*w.N], x[i*w.K:(i+1)*w.K], &w)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d rows: other bits than row by row", m)
		}
	}
}
