package kernel

// Integer reports whether products with w multiply integers, as PeakI8 does, and not float32, as PeakF32 does.
func (w *Matrix) Integer() bool { return w.packed != nil }

// ReadBytes returns the bytes that a product with w reads of it: of the packed form, if there is one. It is more than
// Bytes where packing widens numbers or fills up the last panel.
func (w *Matrix) ReadBytes() int {
	p := w.packed
	if p == nil {
		return w.size
	}
	return len(p.quants) + len(p.scale) + len(p.least) + len(p.sc) + len(p.mn)
}
