package kernel

import (
	"jamba/internal/kernel/quant"
	"jamba/tensor"
)

// stored are weights as they lie in files, of any type, which products widen to float32 a few rows at a time.
type stored struct {
	dtype  tensor.DType
	n, k   int
	data   []byte
	scales *tensor.Scales
}

// storedAs returns the weights over data.
func storedAs(d tensor.DType, n, k int, data []byte, scales *tensor.Scales) weights {
	b := stored{dtype: d, n: n, k: k, data: data, scales: scales}
	if (d == tensor.F16 || d == tensor.BF16) && scales == nil {
		return &halves{b}
	}
	return &b
}

func (w *stored) row(dst []float32, n int) { w.widen(dst[:w.k], n, 0) }

// widen writes len(dst) values of row n from column at on, both whole blocks, to dst.
func (w *stored) widen(dst []float32, n, at int) {
	row := w.data[n*(len(w.data)/w.n):]
	if w.dtype.RowScaled() {
		quant.DequantizeInt8(dst, row, at)
		return
	}
	values, size := w.dtype.BlockValues(), w.dtype.BlockBytes()
	dequantize(dst, w.dtype, row[at/values*size:(at+len(dst))/values*size])
	if w.scales != nil {
		quant.Scale(dst, w.scales, w.n, w.k, n*w.k+at)
	}
}

// dequantize is quant.Dequantize, by a kernel if there is one.
func dequantize(dst []float32, d tensor.DType, src []byte) {
	if active.dequantize == nil || !active.dequantize(dst, d, src) {
		quant.Dequantize(dst, d, src)
	}
}

func (w *stored) enter(r *region, dst, x []float32, m int) { enterFloats(r, dst, x, w, m) }

func (w *stored) product(dst, x []float32, add bool) { widenedProduct(dst, x, w, w.n, w.k, add) }

func (w *stored) pack(k *packKernels, s *Slab) *packed {
	p, err := newPanels(w.dtype, k.rows, w.n, w.k)
	if err != nil {
		return nil // a type without panels; sizes of weights that are there do not overflow
	}
	kernels := k.of(p.layout)
	if kernels == nil {
		return nil
	}
	p.place(s.Bytes(p.size()))
	p.fill(0, w.data)
	return newPacked(p, k, kernels, w)
}

func (*stored) integer() bool { return false }

func (w *stored) bytes() int { return len(w.data) }

func (w *stored) raw() []byte { return w.data }

func (w *stored) from(n int) (rows []byte, size int) {
	size = len(w.data) / w.n
	return w.data[n*size:], size
}

func (w *stored) shape() (n, k int) { return w.n, w.k }

func (w *stored) dot(dst, x []float32, m, lo, hi int, scratch *[]float32) {
	dotRows(dst, x, w, m, lo, hi, scratch)
}

func (*stored) manyRows() int { return active.many.from.blocks }

func (w *stored) panel(to []float32, n, rows, at, k int, wide []float32) {
	for r := range rows {
		w.widen(wide[r*k:(r+1)*k], n+r, at)
	}
	active.many.pack(to, 0, wide[:rows*k], k, rows, k)
}

// halves are weights of type F16 or BF16, which some kernels read straight into registers.
type halves struct{ stored }

func (w *halves) enter(r *region, dst, x []float32, m int) { enterFloats(r, dst, x, w, m) }

func (*halves) pack(*packKernels, *Slab) *packed { return nil }

func (w *halves) dot(dst, x []float32, m, lo, hi int, scratch *[]float32) {
	if active.dotHalf == nil || !active.dotHalf(w.dtype, dst, x, w.data[lo*w.k*2:hi*w.k*2], m, hi-lo, w.k, w.n) {
		dotRows(dst, x, w, m, lo, hi, scratch)
	}
}

func (w *halves) move(s *Slab) (left []byte) {
	left, w.data = w.data, s.copy(w.data)
	return left
}

func (*halves) manyRows() int { return active.many.from.halves }

func (w *halves) panel(to []float32, n, rows, at, k int, wide []float32) {
	if !active.many.packHalf(to, w.dtype, w.data[2*(n*w.k+at):2*((n+rows)*w.k)], w.k, rows, k) {
		w.stored.panel(to, n, rows, at, k, wide)
	}
}

// tiledHalves are halves that products multiply on tile units, with activations as two numbers of 16 bits.
type tiledHalves struct {
	halves
	multiply func(dst, x []float32, w *halves, m int)
}

func (w *tiledHalves) enter(_ *region, dst, x []float32, m int) { w.multiply(dst, x, &w.halves, m) }
