package kernel

import "slices"

// floatWeights are weights that products take as float32: in place, or widened a few rows at a time.
type floatWeights interface {
	weights
	shape() (n, k int)
	// from returns the memory that products read from row n on, and how many bytes of it a row takes, about.
	from(n int) (rows []byte, size int)
	// dot writes the products of m rows of x with the rows [lo, hi) to dst, whose rows lie N apart. Rows are widened into
	// scratch where they have to be.
	dot(dst, x []float32, m, lo, hi int, scratch *[]float32)
	// manyRows is from how many rows of x on it is worth it to bring operands into another order, see mulMany.
	manyRows() int
	// panel brings columns [at, at+k) of rows [n, n+rows) into a panel of mulMany. wide is memory for them as float32.
	panel(to []float32, n, rows, at, k int, wide []float32)
}

// enterFloats is weights.enter in float32. Products of many rows are computed at once: they bring x into another order first.
func enterFloats(r *region, dst, x []float32, w floatWeights, m int) {
	if active.many != nil && m >= w.manyRows() {
		mulMany(dst, x, w, m)
		return
	}
	r.floating(dst, x, w, m)
}

type matMulLoop struct {
	dst, x []float32
	w      floatWeights
	m, n   int
}

// floatBlock is how many rows of x pass a panel before the next panel: they stay in the second cache, and products of few
// outputs are work for several threads.
const floatBlock = 192

// pieces is how many panels of columns of dst there are, for each block of rows.
func (l *matMulLoop) pieces() int { return l.panels() * ((l.m + floatBlock - 1) / floatBlock) }

func (l *matMulLoop) panels() int { return (l.n + active.panel - 1) / active.panel }

// Range computes the pieces [lo, hi). A panel of rows of w is widened at a time: it stays in the first caches while a block of
// rows of x passes.
func (l *matMulLoop) Range(lo, hi int) {
	s := scratches.Get().(*[]float32)
	defer scratches.Put(s)
	panels, k := l.panels(), len(l.x)/l.m
	for i := lo; i < hi; i++ {
		row, n := i/panels*floatBlock, i%panels*active.panel
		m := min(floatBlock, l.m-row)
		l.w.dot(l.dst[row*l.n+n:], l.x[row*k:(row+m)*k], m, n, min(n+active.panel, l.n), s)
	}
}

// dotRows is floatWeights.dot of rows widened into scratch.
func dotRows(dst, x []float32, w floatWeights, m, lo, hi int, scratch *[]float32) {
	n, k := w.shape()
	*scratch = slices.Grow((*scratch)[:0], (hi-lo)*k)[:(hi-lo)*k]
	for i := lo; i < hi; i++ {
		w.row((*scratch)[(i-lo)*k:(i-lo+1)*k], i)
	}
	active.dot(dst, x, *scratch, m, hi-lo, k, n)
}

func dotGeneric(dst, x, w []float32, m, n, k, ldd int) {
	for i := range m {
		for j := range n {
			dst[i*ldd+j] = dot(x[i*k:(i+1)*k], w[j*k:(j+1)*k])
		}
	}
}

// dot returns x·w as four interleaved sums, s_j over k ≡ j (mod 4), added as (s0+s1)+(s2+s3): independent chains keep
// the processor's adders busy.
func dot(x, w []float32) float32 {
	const step = 16 // values at a time, for one bounds check
	var s0, s1, s2, s3 float32
	for len(w) >= step {
		a, b := (*[step]float32)(x), (*[step]float32)(w)
		for i := 0; i < step; i += 4 {
			s0 += a[i] * b[i]
			s1 += a[i+1] * b[i+1]
			s2 += a[i+2] * b[i+2]
			s3 += a[i+3] * b[i+3]
		}
		x, w = x[step:], w[step:]
	}
	for i, v := range w {
		s0 += x[i] * v
	}
	return (s0 + s1) + (s2 + s3)
}

func gemmGeneric(dst, x, w []float32, m, n, k, ldx int, add bool) {
	for i := range m {
		out := dst[i*n : (i+1)*n]
		if !add {
			clear(out)
		}
		for j, v := range x[i*ldx : i*ldx+k] {
			addScaledGeneric(out, v, w[j*n:(j+1)*n])
		}
	}
}
