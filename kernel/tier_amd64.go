package kernel

import (
	"math"

	"golang.org/x/sys/cpu"

	"jamba/tensor"
)

func platformTiers() []*table {
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		return []*table{&avx2}
	}
	return nil
}

// avx2 is the tier of processors with AVX2 and FMA. Its functions split slices into what the assembly takes, vectors of
// eight. Where the rest is left to the generic twins, which part an element falls in depends on the shape of the model
// alone, never on the number of rows or threads.
//
// A loop that does nothing but call assembly could not be stopped for the garbage collector: each call is made by an
// ordinary Go function, and takes a few microseconds.
var avx2 = table{
	name:       "avx2",
	panel:      12,
	dot:        dotAVX2Rows,
	dotHalf:    dotHalfAVX2,
	gemmHalf:   gemmHalfAVX2,
	narrow:     narrowAVX2,
	dequantize: dequantizeAVX2,
	mulPacked:  mulPackedAVX2,
	gemm:       gemmAVX2Rows,
	rmsNorm:    rmsNormAVX2,
	siluMul:    siluMulAVX2Slice,
	softplus:   softplusAVX2Slice,
	most:       mostAVX2Slice,
	expSum:     expSumAVX2Slice,
	conv:       convAVX2Rows,
	scan:       scanAVX2Panel,
	limits: limits{
		read: func(b []byte) {
			// Some at a time: a call has to end soon.
			for ; len(b) > 0; b = b[min(len(b), 1<<18):] {
				readAVX2(&b[0], min(len(b), 1<<18))
			}
		},
		f32: func(n int) int { return rounds(n, 12*8, peakF32AVX2) },
		i8:  func(n int) int { return rounds(n, 12*16, peakI8AVX2) },
	},
}

// rounds runs a loop of n multiply-adds, each round of which does per.
func rounds(n, per int, loop func(rounds int)) int {
	const most = 1 << 15 // a call has to end soon
	for done := 0; ; done += most {
		if left := n/per - done; left > most {
			loop(most)
		} else {
			loop(max(1, left))
			return (done + max(1, left)) * per
		}
	}
}

// kBlock is how far a product runs along k before the next rows: four rows of x and three of w fit the first cache.
const kBlock = 1024

// dotTiles are the kernels of products with both operands contiguous in k: by rows of x, for one, three or six rows of
// w at once.
type dotTiles[W any] struct {
	one, three [5]func(dst *float32, ldd int, x *float32, ldx int, w *W, ldw, k int)
	six        func(dst *float32, ldd int, x *float32, ldx int, w *W, ldw, k int)
}

var (
	tilesF32 = dotTiles[float32]{
		[5]dotTile[float32]{1: dotF32x1x1, 2: dotF32x2x1, 3: dotF32x3x1, 4: dotF32x4x1},
		[5]dotTile[float32]{1: dotF32x1x3, 2: dotF32x2x3, 3: dotF32x3x3, 4: dotF32x4x3},
		dotF32x1x6,
	}
	tilesBF16 = dotTiles[byte]{
		[5]dotTile[byte]{1: dotBF16x1x1, 2: dotBF16x2x1, 3: dotBF16x3x1, 4: dotBF16x4x1},
		[5]dotTile[byte]{1: dotBF16x1x3, 2: dotBF16x2x3, 3: dotBF16x3x3, 4: dotBF16x4x3},
		dotBF16x1x6,
	}
	tilesF16 = dotTiles[byte]{
		[5]dotTile[byte]{1: dotF16x1x1, 2: dotF16x2x1, 3: dotF16x3x1, 4: dotF16x4x1},
		[5]dotTile[byte]{1: dotF16x1x3, 2: dotF16x2x3, 3: dotF16x3x3, 4: dotF16x4x3},
		dotF16x1x6,
	}
)

type dotTile[W any] = func(dst *float32, ldd int, x *float32, ldx int, w *W, ldw, k int)

func dotAVX2Rows(dst, x, w []float32, m, n, k, ldd int) { tilesF32.rows(dst, x, w, m, n, k, ldd, 1) }

// dotHalfAVX2 is dotAVX2Rows with weights of 16 bits, BF16 or F16, if k is a multiple of 8.
func dotHalfAVX2(d tensor.DType, dst, x []float32, w []byte, m, n, k, ldd int) bool {
	if k%8 != 0 {
		return false
	}
	if d == tensor.BF16 {
		tilesBF16.rows(dst, x, w, m, n, k, ldd, 2)
	} else {
		tilesF16.rows(dst, x, w, m, n, k, ldd, 2)
	}
	return true
}

// rows runs the tiles; an element of w, as the tiles count them, takes size elements of the slice.
func (t *dotTiles[W]) rows(dst, x []float32, w []W, m, n, k, ldd, size int) {
	for at := 0; at < k; at += kBlock {
		kb := min(kBlock, k-at)
		for i := 0; i < m; i += 4 {
			rows := min(4, m-i)
			for j := 0; j < n; {
				columns, f := 1, t.one[rows]
				switch {
				case rows == 1 && n-j >= 6:
					columns, f = 6, t.six
				case n-j >= 3:
					columns, f = 3, t.three[rows]
				}
				out, src, weights := dst[i*ldd+j:(i+rows-1)*ldd+j+columns], x[i*k+at:(i+rows)*k], w[(j*k+at)*size:(j+columns)*k*size]
				if at == 0 {
					f(&out[0], ldd, &src[0], k, &weights[0], k, kb)
				} else {
					var part [4 * 6]float32
					f(&part[0], columns, &src[0], k, &weights[0], k, kb)
					for r := range rows {
						Add(out[r*ldd:r*ldd+columns], part[r*columns:(r+1)*columns])
					}
				}
				j += columns
			}
		}
	}
}

var (
	gemmTiles = [7]func(dst *float32, ldd int, x *float32, ldx int, w *float32, ldw, k int, add bool){
		1: gemmF32x1, 2: gemmF32x2, 3: gemmF32x3, 4: gemmF32x4, 5: gemmF32x5, 6: gemmF32x6,
	}
	gemmHalfTiles = [7]func(dst *float32, ldd int, x *float32, ldx int, w *byte, ldw, k int, add bool){
		1: gemmF16x1, 2: gemmF16x2, 3: gemmF16x3, 4: gemmF16x4, 5: gemmF16x5, 6: gemmF16x6,
	}
)

// gemmColumns computes the columns from first on, less than 16, as gemmGeneric does.
func gemmColumns(dst, x, w []float32, m, first, n, k, ldx int, add bool) {
	for i := 0; i < m && first < n; i++ {
		out := dst[i*n+first : (i+1)*n]
		if !add {
			clear(out)
		}
		for j, v := range x[i*ldx : i*ldx+k] {
			AddScaled(out, v, w[j*n+first:(j+1)*n])
		}
	}
}

func gemmAVX2Rows(dst, x, w []float32, m, n, k, ldx int, add bool) {
	whole := n &^ 15
	for i := 0; i < m; i += 6 {
		rows := min(6, m-i)
		out, src := dst[i*n:(i+rows)*n], x[i*ldx:(i+rows-1)*ldx+k]
		for j := 0; j < whole; j += 16 {
			gemmTiles[rows](&out[j], n, &src[0], ldx, &w[j], n, k, add)
		}
		gemmColumns(out, src, w, rows, whole, n, k, ldx, add)
	}
}

// gemmHalfAVX2 is gemmAVX2Rows with w in F16, if n is a multiple of 16.
func gemmHalfAVX2(dst, x []float32, w []byte, m, n, k, ldx int, add bool) {
	for i := 0; i < m; i += 6 {
		rows := min(6, m-i)
		out, src := dst[i*n:(i+rows)*n], x[i*ldx:(i+rows-1)*ldx+k]
		for j := 0; j < n; j += 16 {
			gemmHalfTiles[rows](&out[j], n, &src[0], ldx, &w[2*j], n, k, add)
		}
	}
}

// narrowAVX2 is NarrowF16 of whole vectors.
func narrowAVX2(dst []byte, src []float32) { narrowF16AVX2(&dst[0], &src[0], len(src)/8) }

func rmsNormAVX2(dst, x, weight []float32, eps float32) {
	whole := len(x) &^ 7
	var sum float64
	if whole > 0 {
		sum = sumSquaresAVX2(&x[0], whole)
	}
	for _, v := range x[whole:] {
		sum += float64(v) * float64(v)
	}
	scale := float32(1 / math.Sqrt(sum/float64(len(x))+float64(eps)))
	if whole > 0 {
		scaleMulAVX2(&dst[0], &x[0], &weight[0], whole, scale)
	}
	for i := whole; i < len(x); i++ {
		dst[i] = weight[i] * (x[i] * scale)
	}
}

func siluMulAVX2Slice(gate, up []float32) {
	whole := len(gate) &^ 7
	if whole > 0 {
		siluMulAVX2(&gate[0], &up[0], whole)
	}
	if whole < len(gate) {
		// The same code for the rest: an element's value must not depend on where its slice ends.
		var g, u [8]float32
		copy(g[:], gate[whole:])
		copy(u[:], up[whole:])
		siluMulAVX2(&g[0], &u[0], 8)
		copy(gate[whole:], g[:])
	}
}

func softplusAVX2Slice(x []float32) {
	whole := len(x) &^ 7
	if whole > 0 {
		softplusAVX2(&x[0], whole)
	}
	if whole < len(x) {
		var rest [8]float32
		copy(rest[:], x[whole:])
		softplusAVX2(&rest[0], 8)
		copy(x[whole:], rest[:])
	}
}

func mostAVX2Slice(x []float32) float32 { return maxAVX2(&x[0], len(x)) }

func expSumAVX2Slice(x []float32, top float32) float32 { return expSumAVX2(&x[0], len(x), top) }

// maxTaps is the widest convolution that convAVX2Rows takes.
const maxTaps = 8

func convAVX2Rows(c *Conv, lo, hi int) {
	whole := lo + (hi-lo)&^7
	if c.W > maxTaps {
		whole = lo
	}
	bias := c.Bias
	if bias == nil {
		bias = make([]float32, c.E)
	}
	var in [maxTaps]*float32
	for t := 0; t < c.L && whole > lo; t++ {
		for j := range c.W {
			in[j] = &c.input(t-c.W+1+j, lo, hi)[0]
		}
		convAVX2(&c.Dst[t*c.E+lo], &bias[lo], &c.Weight[lo], c.E, &in[0], c.W, whole-lo)
	}
	convSum(c, whole, hi)
	c.keep(lo, hi)
}

func scanAVX2Panel(s *Scan, p int) {
	lo := p * ScanPanel
	if lo+ScanPanel > s.E || s.L == 0 {
		scanGeneric(s, p)
		return
	}
	h, a := s.H[lo*s.S:(lo+ScanPanel)*s.S], s.A[lo*s.S:(lo+ScanPanel)*s.S]
	// Some rows at a time: a call has to end soon.
	const rows = 64
	for t := 0; t < s.L; t += rows {
		n := min(rows, s.L-t)
		at := t*s.E + lo
		scanAVX2(&s.Y[at], &s.X[at], &s.Dt[at], s.E, &s.Z[t*s.ZStride+lo], s.ZStride, &s.B[t*s.S], &s.C[t*s.S], s.S, &a[0], &h[0], &s.D[lo], n, s.S)
	}
}
