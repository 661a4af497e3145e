package kernel

import (
	"math"
	"sync/atomic"
)

// RMSNorm normalises every row of x [M, n] by its root mean square and multiplies it by weight [n]:
// dst = weight * x / sqrt(mean(x²) + eps). dst may be x. (Zhang and Sennrich 2019, eq. 4.)
func RMSNorm(dst, x, weight []float32, eps float32) {
	n := len(weight)
	normLoops.run(len(x)/n, 1+(1<<14)/n, normLoop{dst, x, weight, eps})
}

type normLoop struct {
	dst, x, weight []float32
	eps            float32
}

var normLoops loops[normLoop, *normLoop]

// Range normalises the rows [lo, hi).
func (l *normLoop) Range(lo, hi int) {
	n := len(l.weight)
	for i := lo; i < hi; i++ {
		active.rmsNorm(l.dst[i*n:(i+1)*n], l.x[i*n:(i+1)*n], l.weight, l.eps)
	}
}

func rmsNormGeneric(dst, x, weight []float32, eps float32) {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	scale := float32(1 / math.Sqrt(sum/float64(len(x))+float64(eps)))
	for i, v := range x {
		dst[i] = weight[i] * (v * scale)
	}
}

// Softmax replaces x by exp(x)/Σexp(x).
func Softmax(x []float32) {
	top := float32(math.Inf(-1))
	for _, v := range x {
		top = max(top, v)
	}
	var sum float32
	for i, v := range x {
		x[i] = exp(v - top)
		sum += x[i]
	}
	for i := range x {
		x[i] /= sum
	}
}

// MaxAbs returns the largest absolute value of x, at least 0; a NaN counts for nothing.
func MaxAbs(x []float32) float32 {
	var largest float32
	for _, v := range x {
		if v < 0 {
			v = -v
		}
		if v > largest {
			largest = v
		}
	}
	return largest
}

// Finite reports whether x holds neither infinities nor NaN. What is long it reads on all threads.
func Finite(x []float32) bool {
	if len(x) < 2*moveGrain {
		return finite(x)
	}
	var bad atomic.Bool
	finiteLoops.run(len(x), moveGrain, finiteLoop{x, &bad})
	return !bad.Load()
}

type finiteLoop struct {
	x   []float32
	bad *atomic.Bool // set if a value is none
}

var finiteLoops loops[finiteLoop, *finiteLoop]

// Range reads the values [lo, hi).
func (l *finiteLoop) Range(lo, hi int) {
	if !finite(l.x[lo:hi]) {
		l.bad.Store(true)
	}
}

func finite(x []float32) bool {
	// v-v is 0 for finite numbers and NaN for all others.
	var a, b, c, d float32 // sums that do not wait for each other
	for ; len(x) >= 4; x = x[4:] {
		a += x[0] - x[0]
		b += x[1] - x[1]
		c += x[2] - x[2]
		d += x[3] - x[3]
	}
	for _, v := range x {
		a += v - v
	}
	return a+b+c+d == 0
}
