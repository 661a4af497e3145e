package kernel

// table holds the kernels of one tier.
type table struct {
	name string

	// dot writes the products of rows of x with rows of w: dst[m*ldd+n] = x[m]·w[n] for m < M, n < N.
	// x is [M, K], w is [N, K] and f32.
	dot func(dst, x, w []float32, m, n, k, ldd int)
	// rmsNorm is the row form of RMSNorm.
	rmsNorm func(dst, x, weight []float32, eps float32)
	// siluMul is SiLUMul on one range.
	siluMul func(gate, up []float32)
	// softplus is Softplus on one range.
	softplus func(x []float32)
	// conv is CausalConv on the channels [lo, hi).
	conv func(c *Conv, lo, hi int)
	// scan is SelectiveScan on the channels [lo, hi).
	scan func(s *Scan, lo, hi int)
	// attend is Attention for the query heads of one group and one row.
	attend func(a *Attention, row, group int, scores []float32)
}

var generic = table{
	name:     "generic",
	dot:      dotGeneric,
	rmsNorm:  rmsNormGeneric,
	siluMul:  siluMulGeneric,
	softplus: softplusGeneric,
	conv:     convGeneric,
	scan:     scanGeneric,
	attend:   attendGeneric,
}

// active is the tier in use.
var active = &generic

// Tier names the tier of kernels in use.
func Tier() string { return active.name }
