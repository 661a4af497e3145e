package kernel

import (
	"fmt"
	"slices"
	"sync"

	"jamba/kernel/quant"
	"jamba/tensor"
)

// Matrix is a weight matrix [N, K], used from the bytes it was loaded from.
// The zero Matrix is absent.
type Matrix struct {
	N, K   int
	DType  tensor.DType
	size   int       // of data
	data   []byte    // nil if they were made here and are packed now
	f32    []float32 // data as float32 where it is such
	owned  bool      // data was made here, not mapped
	packed *packed   // the weights again in the layout of the fast kernels, see Pack
	panels *packed   // the weights where there are no data, see FromPanels
	scales *tensor.Scales
}

// NewMatrix returns the matrix over t's bytes, which have to stay valid. It is an error if t is not two-dimensional.
func NewMatrix(t tensor.Tensor) (Matrix, error) {
	if len(t.Shape) != 2 {
		return Matrix{}, fmt.Errorf("%s: shape %v is not that of a matrix", t.Name, t.Shape)
	}
	w := Matrix{N: t.Shape[0], K: t.Shape[1], DType: t.DType, size: len(t.Data), data: t.Data, scales: t.Scales}
	w.f32, _ = t.Float32s()
	return w, nil
}

// Bytes returns the number of bytes that the weights take.
func (w *Matrix) Bytes() int { return w.size }

// Row writes row n, widened to float32, to dst [K].
func (w *Matrix) Row(dst []float32, n int) {
	if w.f32 != nil {
		copy(dst, w.f32[n*w.K:(n+1)*w.K])
		return
	}
	if w.panels != nil {
		w.panels.row(dst, n, w.K)
		return
	}
	w.widen(dst[:w.K], n, 0)
}

// widen writes len(dst) values of row n from column at on, both whole blocks, to dst.
func (w *Matrix) widen(dst []float32, n, at int) {
	values, size := w.DType.BlockValues(), w.DType.BlockBytes()
	from := n*(w.size/w.N) + at/values*size
	dequantize(dst, w.DType, w.data[from:from+len(dst)/values*size])
	if w.scales != nil {
		quant.Scale(dst, w.scales, w.N, w.K, n*w.K+at)
	}
}

// dequantize is quant.Dequantize, by a kernel if there is one.
func dequantize(dst []float32, d tensor.DType, src []byte) {
	if active.dequantize == nil || !active.dequantize(dst, d, src) {
		quant.Dequantize(dst, d, src)
	}
}

// rows returns rows [lo, hi) as float32, from w itself or widened into scratch.
func (w *Matrix) rows(scratch []float32, lo, hi int) []float32 {
	if w.f32 != nil {
		return w.f32[lo*w.K : hi*w.K]
	}
	for n := lo; n < hi; n++ {
		w.Row(scratch[(n-lo)*w.K:], n)
	}
	return scratch[:(hi-lo)*w.K]
}

var scratches = sync.Pool{New: func() any { return new([]float32) }}

// MatMul computes dst = x·wᵀ with x [M, K] and dst [M, N], which must not overlap. M is len(x)/K.
func MatMul(dst, x []float32, w *Matrix) {
	m := len(x) / w.K
	if len(x) != m*w.K || len(dst) != m*w.N {
		panic(fmt.Sprintf("kernel: MatMul of %d and %d values with a matrix [%d, %d]", len(dst), len(x), w.N, w.K))
	}
	if w.packed != nil {
		mulPacked(dst, x, w)
		return
	}
	if w.many(m) {
		matMulMany(dst, x, w, m)
		return
	}
	// A thread is worth waking for some ten thousand multiplications.
	panel := active.panel
	matMulLoops.run((w.N+panel-1)/panel, 1+(1<<14)/(panel*w.K*max(1, m)), matMulLoop{dst, x, w})
}

type matMulLoop struct {
	dst, x []float32
	w      *Matrix
}

var matMulLoops loops[matMulLoop, *matMulLoop]

// Range computes the panels [lo, hi) of columns of dst. A panel of rows of w is widened at a time: it stays in the first
// caches while all rows of x pass.
func (l *matMulLoop) Range(lo, hi int) {
	w, m, panel := l.w, len(l.x)/l.w.K, active.panel
	half := active.dotHalf != nil && w.half()
	s := scratches.Get().(*[]float32)
	defer scratches.Put(s)
	if w.f32 == nil {
		*s = slices.Grow((*s)[:0], panel*w.K)[:panel*w.K]
	}
	for n := lo * panel; n < min(hi*panel, w.N); n += panel {
		end := min(n+panel, w.N)
		if half && active.dotHalf(w.DType, l.dst[n:], l.x, w.data[n*w.K*2:end*w.K*2], m, end-n, w.K, w.N) {
			continue
		}
		active.dot(l.dst[n:], l.x, w.rows(*s, n, end), m, end-n, w.K, w.N)
	}
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
			AddScaled(out, v, w[j*n:(j+1)*n])
		}
	}
}

// AddBias adds bias [N] to every row of x [M, N]. A nil bias is none.
func AddBias(x, bias []float32) {
	for n := len(bias); n > 0 && len(x) > 0; x = x[n:] {
		for i, b := range bias {
			x[i] += b
		}
	}
}

// Add adds y to x.
func Add(x, y []float32) {
	for i, v := range y {
		x[i] += v
	}
}

// AddScaled adds a·y to x.
func AddScaled(x []float32, a float32, y []float32) {
	for i, v := range y {
		x[i] += a * v
	}
}
