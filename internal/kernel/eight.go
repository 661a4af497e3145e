//go:build amd64 || arm64

package kernel

import "math"

// What AVX2 and NEON do to slices of floats: kernels of the same names take eight at a time, and what is left is said here.

func rmsNormBy8(dst, x, weight []float32, eps float32) {
	whole := len(x) &^ 7
	var sum float64
	if whole > 0 {
		sum = sumSquares8(&x[0], whole)
	}
	for _, v := range x[whole:] {
		sum += float64(v) * float64(v)
	}
	scale := float32(1 / math.Sqrt(sum/float64(len(x))+float64(eps)))
	if whole > 0 {
		scaleMul8(&dst[0], &x[0], &weight[0], whole, scale)
	}
	for i := whole; i < len(x); i++ {
		dst[i] = weight[i] * (x[i] * scale)
	}
}

func siluMulBy8(gate, up []float32) {
	whole := len(gate) &^ 7
	if whole > 0 {
		siluMul8(&gate[0], &up[0], whole)
	}
	if whole < len(gate) {
		// The same code for the rest: an element's value must not depend on where its slice ends.
		var g, u [8]float32
		copy(g[:], gate[whole:])
		copy(u[:], up[whole:])
		siluMul8(&g[0], &u[0], 8)
		copy(gate[whole:], g[:])
	}
}

func softplusBy8(x []float32) {
	whole := len(x) &^ 7
	if whole > 0 {
		softplus8(&x[0], whole)
	}
	if whole < len(x) {
		var rest [8]float32
		copy(rest[:], x[whole:])
		softplus8(&rest[0], 8)
		copy(x[whole:], rest[:])
	}
}

func maxBy8(x []float32) float32 { return max8(&x[0], len(x)) }

func expSumBy8(x []float32, top float32) float32 { return expSum8(&x[0], len(x), top) }

func convBy8(c *Conv, lo, hi int) {
	whole := lo + (hi-lo)&^7
	if c.W > maxTaps {
		whole = lo
	}
	var in [maxTaps]*float32
	for t := 0; t < c.L && whole > lo; t++ {
		for j := range c.W {
			in[j] = &c.input(t-c.W+1+j, lo, hi)[0]
		}
		conv8(&c.Dst[t*c.E+lo], &c.Bias[lo], &c.Weight[lo], c.E, &in[0], c.W, whole-lo)
	}
	convGeneric(c, whole, hi)
}

func scanBy8(s *Scan, p int, h []float32, first, end int) {
	lo := p * ScanPanel
	if lo+ScanPanel > s.E {
		scanGeneric(s, p, h, first, end)
		return
	}
	a := s.A[lo*s.S : (lo+ScanPanel)*s.S]
	rows := scanRows(s.S)
	for t := first; t < end; t += rows {
		n := min(rows, end-t)
		at := t*s.E + lo
		scan8(&s.Y[at], &s.X[at], &s.Dt[at], s.E, &s.Z[t*s.ZStride+lo], s.ZStride, &s.B[t*s.S], &s.C[t*s.S], s.S, &a[0], &h[0], &s.D[lo], n, s.S)
	}
}
