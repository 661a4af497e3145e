package kernel

import (
	"fmt"
	"sync"

	"jamba/tensor"
)

// Matrix is a weight matrix [N, K], used from the bytes it was loaded from until Pack, Code or Move copy it.
// The zero Matrix is absent.
type Matrix struct {
	N, K    int
	DType   tensor.DType
	size    int  // of the weights in their type
	owned   bool // the weights lie in memory that was made here, not mapped
	weights weights
}

// weights are a matrix [N, K] as it lies in memory. Each way to lie there is an implementation: floats, halves, stored,
// coded, panels, and packed, which are panels with the kernels that multiply by them.
type weights interface {
	// row writes row n, widened to float32 exactly, to dst [K].
	row(dst []float32, n int)
	// enter adds dst [M, N] = x [M, K]·wᵀ, with an M above 0, to a region, or computes it at once. A row of dst has the same
	// bits for any M.
	enter(r *region, dst, x []float32, m int)
	// product computes dst [M, K] = or += x [M, N]·w.
	product(dst, x []float32, add bool)
	// pack returns the weights for those kernels, in memory of s if they move; nil if there are none for them, or if they
	// are such already.
	pack(k *packKernels, s *Slab) *packed
	// integer reports whether products multiply integers.
	integer() bool
	// bytes is how many bytes a product reads.
	bytes() int
	// raw returns the rows as they lie in files; nil if they lie otherwise.
	raw() []byte
}

// NewMatrix returns the matrix over t's bytes, which have to stay valid. It is an error if t is not two-dimensional.
func NewMatrix(t tensor.Tensor) (Matrix, error) {
	if len(t.Shape) != 2 {
		return Matrix{}, fmt.Errorf("%s: shape %v is not that of a matrix", t.Name, t.Shape)
	}
	w := Matrix{N: t.Shape[0], K: t.Shape[1], DType: t.DType, size: len(t.Data)}
	if values, ok := t.Float32s(); ok {
		w.weights = &floats{n: w.N, k: w.K, values: values, data: t.Data}
	} else {
		w.weights = storedAs(t.DType, w.N, w.K, t.Data, t.Scales)
	}
	return w, nil
}

// Bytes returns the number of bytes that the weights take.
func (w *Matrix) Bytes() int { return w.size }

// InPlace returns how many of the bytes products read where the matrix was loaded from. The others lie in memory that was made here.
func (w *Matrix) InPlace() int {
	if p, ok := w.weights.(*packed); w.weights == nil || w.owned || ok && p.exact != weights(p.panels) {
		return 0
	}
	return w.size
}

// Row writes row n, widened to float32, to dst [K].
func (w *Matrix) Row(dst []float32, n int) { w.weights.row(dst, n) }

// Product computes dst = or += x·w, with x [M, N] and dst [M, K]: the gradient of a linear layer's input, with x that of
// its output. Weights that are not float32 are widened a few rows at a time. M is len(x)/N.
func (w *Matrix) Product(dst, x []float32, add bool) { w.weights.product(dst, x, add) }

// Raw returns the bytes of the weights, which are only to be read; nil if they are kept in another layout.
func (w *Matrix) Raw() []byte {
	if w.weights == nil {
		return nil
	}
	return w.weights.raw()
}

// Pack brings w into the layout of the fast kernels, if the active tier has them for its type: products with it then
// round activations to 16 bits, in blocks of 32 with a scale each, or for K formats to 14 bits (Q4_K, Q5_K) or 13
// (Q6_K) in blocks of superHalf, for INT8 to 16 bits in whole rows: a block with nothing above 1e-34 counts as zeroes, one with
// an infinity or a NaN makes its products NaN, and with Q4_0 activations from about 1e36 on overflow. The layout lies in s. It
// takes about as much memory as the weights; those that Quantize made are freed, others are returned, nil if there are none:
// they are needed no more, except by Row.
// Weights of other types stay where they are, but see Code and Move; tile units multiply those of BF16 with activations rounded to 16 or 17
// bits.
// A matrix of FromPanels is not copied: it is used as it is if its panels are as high as the tier's, and else not packed.
func (w *Matrix) Pack(s *Slab) (unpacked []byte) {
	if active.pack == nil || w.weights == nil {
		return nil
	}
	if h, ok := w.weights.(*halves); ok && active.packHalf != nil {
		if tiled := active.packHalf(h); tiled != nil {
			w.weights = tiled
		}
		return nil
	}
	p := w.weights.pack(active.pack, s)
	if p == nil {
		return nil
	}
	w.weights = p
	if w.owned {
		p.exact = p.panels
	}
	return p.raw()
}

// Code brings weights of BF16 into 12 bits, without loss, in memory of s, and returns those that are needed no more: products of few
// rows are bound by reading. They have the same bits. It returns nil if the active tier has no kernels for them, and for matrices that
// were made here, that would not become smaller, or whose rows are no whole blocks of 128 columns (AVX2: 64).
func (w *Matrix) Code(s *Slab) (left []byte) {
	h, ok := w.weights.(*halves)
	if !ok || w.owned || active.coded == nil {
		return nil
	}
	c := active.coded.code(h, s)
	if c == nil {
		return nil
	}
	w.owned, w.weights = true, c
	return h.data
}

// Move copies weights of F32, F16 and BF16 from where they were loaded into s, as they are, and returns those that are needed no
// more; nil if none are. Products have the same bits, and read the weights in larger pages where there are some, see LargePages.
// They are bound by reading, as those of other types that Pack leaves alone are not.
func (w *Matrix) Move(s *Slab) (left []byte) {
	m, ok := w.weights.(interface{ move(*Slab) (left []byte) })
	if !ok || w.owned {
		return nil
	}
	w.owned = true
	return m.move(s)
}

// Integer reports whether products with w multiply integers, as PeakI8 does, and not float32, as PeakF32 does.
func (w *Matrix) Integer() bool { return w.weights != nil && w.weights.integer() }

// ReadBytes returns the bytes that a product with w reads of it: of the packed form, if there is one. It is more than
// Bytes where packing widens integers or fills up the last panel, and less after Code.
func (w *Matrix) ReadBytes() int {
	if w.weights == nil {
		return 0
	}
	return w.weights.bytes()
}

// MatMul computes dst = x·wᵀ with x [M, K] and dst [M, N], which must not overlap. M is len(x)/K.
func MatMul(dst, x []float32, w *Matrix) {
	r := regions.Get().(*region)
	defer r.free()
	w.enter(r, dst, x)
	r.run()
}

// Projection is the product Dst = X·Wᵀ, as MatMul computes it.
type Projection struct {
	Dst, X []float32
	W      *Matrix
}

// Project computes products that do not depend on each other, with the bits of MatMul but as one list of tasks over all
// cores, and rounds an X that neighbours have in common once.
func Project(products []Projection) {
	r := regions.Get().(*region)
	defer r.free()
	for i := range products {
		p := &products[i]
		p.W.enter(r, p.Dst, p.X)
	}
	r.run()
}

func (w *Matrix) enter(r *region, dst, x []float32) {
	m := len(x) / w.K
	if len(x) != m*w.K || len(dst) != m*w.N {
		panic(fmt.Sprintf("kernel: MatMul of %d and %d values with a matrix [%d, %d]", len(dst), len(x), w.N, w.K))
	}
	if m > 0 {
		w.weights.enter(r, dst, x, m)
	}
}

var scratches = sync.Pool{New: func() any { return new([]float32) }}
