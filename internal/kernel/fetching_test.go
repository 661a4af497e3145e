package kernel

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"jamba/tensor"
)

// TestAhead expects what comes after panels: the next of them, those of the next product, nothing.
func TestAhead(t *testing.T) {
	first, second := fetchedPanels(t, tensor.Q8_0, 100, 2048), fetchedPanels(t, tensor.Q4_K, 20, 256)
	for _, c := range []struct {
		next          *packed
		panel, at     int
		p             *packed
		from, last, k int
	}{
		{second, 2, 1024, first, 2, 4, 1024},
		{second, first.count - 1, 0, first, first.count - 1, first.count, 1024},
		{second, first.count, 1024, second, 0, 2, 256},
		{nil, first.count, 0, first, 0, 0, 0},
	} {
		l := packedLoop{p: first, next: c.next}
		f := l.ahead(c.panel, 2, c.at, 1024)
		at := c.at
		if c.p != first || c.k == 0 {
			at = 0
		}
		if f.p != c.p || f.panel != c.from || f.last != c.last || f.k != c.k || f.at != at {
			t.Errorf("after panel %d, column %d: %+v", c.panel, c.at, f)
		}
	}
}

// TestFetching asserts that all bytes are fetched, in as many steps as were said, and none if there are none.
func TestFetching(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	p := fetchedPanels(t, tensor.Q4_K, 130, 1536)
	size := p.quantBytes(p.k)
	for range 200 {
		f := fetching{p: p, panel: r.IntN(p.count), k: p.k}
		f.last = f.panel + r.IntN(p.count-f.panel+1)
		begin, end := f.panel*size, f.last*size
		each, calls := 1+r.IntN(40), 1+r.IntN(30)
		f.spread(each*calls, 1<<20)
		fetched := make([]bool, len(p.quants))
		for range calls {
			from := int(uintptr(unsafe.Pointer(f.next(each))) - uintptr(unsafe.Pointer(&p.quants[0])))
			for i := from; i < min(from+each*f.step, len(fetched)); i++ {
				fetched[i] = true
			}
		}
		for i := begin; i < end; i++ {
			if !fetched[i] {
				t.Fatalf("byte %d of [%d, %d) is not fetched in %d times %d steps of %d bytes", i, begin, end, calls, each, f.step)
			}
		}
		if begin == end && f.step != 0 {
			t.Fatalf("%d bytes are fetched of nothing", f.step)
		}
	}
}

// fetchedPanels returns a matrix in the panels of the tier in use.
func fetchedPanels(t *testing.T, d tensor.DType, n, k int) *packed {
	t.Helper()
	w, _ := randomMatrix(t, rand.New(rand.NewPCG(5, 1)), d, n, k)
	w.Pack(new(Slab))
	p, ok := w.weights.(*packed)
	if !ok {
		t.Skip("these kernels do not multiply such weights in panels")
	}
	return p
}
