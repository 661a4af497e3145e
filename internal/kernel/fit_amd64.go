package kernel

import "jamba/internal/kernel/quant"

// fitAVX2Loops take slices of the lengths that package quant promises.
var fitAVX2Loops = quant.Loops{
	Peak: func(x []float32) uint32 { return peakBitsAVX2(&x[0], len(x)) },
	Interleave: func(dst, src []float32) {
		dst = dst[:len(src)]
		interleaveAVX2(&dst[0], 8, &src[0], len(src)/8, len(src)/64)
	},
	Fit: func(d, m *quant.Lanes, x, work []float32, r *quant.Range) {
		work = work[:len(x)]
		fitAVX2(&d[0], &m[0], &x[0], &work[0], len(x)/8, &r.Steps[0], len(r.Steps), r.Most)
	},
	Number: func(q []byte, sums *quant.Sums, x []float32, low, inverse *quant.Lanes, most float32) {
		q = q[:len(x)]
		numberAVX2(&q[0], &sums.X[0], &sums.Q[0], &x[0], len(x)/8, &low[0], &inverse[0], int32(most))
	},
	FitSigned: func(d *quant.Lanes, x []float32, r *quant.Range) {
		fitSignedAVX2(&d[0], &x[0], len(x)/8, &r.Steps[0], len(r.Steps), r.Least, r.Most, r.Offset)
	},
	NumberSigned: func(q []byte, x []float32, inverse *quant.Lanes, r *quant.Range) {
		q = q[:len(x)]
		numberSignedAVX2(&q[0], &x[0], len(x)/8, &inverse[0], r.Least, r.Most, r.Offset)
	},
	Error: func(e *quant.Lanes, q []byte, x []float32, step, low *quant.Lanes, zero float32) {
		q = q[:len(x)]
		fitErrorAVX2(&e[0], &q[0], &x[0], len(x)/8, &step[0], &low[0], zero)
	},
}
