package kernel

import "unsafe"

// floats are weights of type F32, used as they lie.
type floats struct {
	n, k   int
	values []float32
	data   []byte // of values
}

func (w *floats) row(dst []float32, n int) { copy(dst, w.values[n*w.k:(n+1)*w.k]) }

func (w *floats) enter(r *region, dst, x []float32, m int) { enterFloats(r, dst, x, w, m) }

func (w *floats) product(dst, x []float32, add bool) { Product(dst, x, w.values, w.k, w.n, add) }

func (*floats) pack(*packKernels, *Slab) *packed { return nil }

func (*floats) integer() bool { return false }

func (w *floats) bytes() int { return len(w.data) }

func (w *floats) raw() []byte { return w.data }

func (w *floats) from(n int) (rows []byte, size int) {
	size = len(w.data) / w.n
	return w.data[n*size:], size
}

func (w *floats) shape() (n, k int) { return w.n, w.k }

func (w *floats) dot(dst, x []float32, m, lo, hi int, _ *[]float32) {
	active.dot(dst, x, w.values[lo*w.k:hi*w.k], m, hi-lo, w.k, w.n)
}

func (w *floats) move(s *Slab) (left []byte) {
	left, w.data = w.data, s.copy(w.data)
	w.values = unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(w.data))), len(w.values))
	return left
}

func (w *floats) manyRows() int {
	if w.n <= fewOutputs {
		return never
	}
	return active.many.from.floats
}

func (w *floats) panel(to []float32, n, rows, at, k int, _ []float32) {
	active.many.pack(to, 0, w.values[n*w.k+at:(n+rows)*w.k], w.k, rows, k)
}
