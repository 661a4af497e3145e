package kernel

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"jamba/internal/kernel/quant"
	"jamba/tensor"
)

// table holds the kernels of one tier.
type table struct {
	// name is that of the tier, and after a plus what it makes use of in addition.
	name string
	// needs is what the processor has to have.
	needs []need

	// panel is how many rows of a matrix dot likes at a time.
	panel int
	// dot writes the products of rows of x with rows of w: dst[i*ldd+j] = x[i]·w[j] for i < m, j < n. x is [m, k], w [n, k].
	dot func(dst, x, w []float32, m, n, k, ldd int)
	// dotHalf is dot with weights of type F16 or BF16; it returns false if it has no way for this k, and is nil if the
	// tier has none.
	dotHalf func(d tensor.DType, dst, x []float32, w []byte, m, n, k, ldd int) bool
	// packHalf returns the weights for products that round activations, nil for those that it has no way for; it is nil if the
	// tier has none.
	packHalf func(w *halves) *tiledHalves
	// coded are the kernels of weights of BF16 in 12 bits; nil if the tier has none.
	coded *codedKernels
	// gemmHalf is gemm with w of type F16 and n a multiple of 16; nil if the tier has none.
	gemmHalf func(dst, x []float32, w []byte, m, n, k, ldx int, add bool)
	// pages are the kernels of attention for raw pages; where there are none, rows go by dotHalf and gemmHalf or are widened.
	pages map[tensor.DType]*pageTiles
	// narrow is NarrowF16 of a multiple of 8 values; nil if the tier has none.
	narrow func(dst []byte, src []float32)
	// narrowQ8 is quant.Quantize to Q8_0; it returns false if that is an error, and is nil if the tier has none.
	narrowQ8 func(dst []byte, src []float32) bool
	// fit are the loops of rounding to K formats, with the bits of plain Go; nil: those.
	fit *quant.Loops
	// dequantize is quant.Dequantize; it returns false for types that it has no way for, and is nil if the tier has none.
	dequantize func(dst []float32, d tensor.DType, src []byte) bool
	// pack are the kernels of packed matrices; nil: the tier packs none.
	pack *packKernels
	// gemm computes dst [m, n] = or += x·w with rows of x ldx apart and w [k, n], summing over ascending k.
	gemm func(dst, x, w []float32, m, n, k, ldx int, add bool)
	// rmsNorm is RMSNorm of one row.
	rmsNorm func(dst, x, weight []float32, eps float32)
	// addScaled adds a·y to x of the same length, at least 1.
	addScaled func(x []float32, a float32, y []float32)
	// siluMul is SiLUMul of a range.
	siluMul func(gate, up []float32)
	// softplus is Softplus of a range.
	softplus func(x []float32)
	// max returns the largest of x; len(x) is a positive multiple of 8.
	max func(x []float32) float32
	// expSum replaces x by exp(x-top), exactly 0 where that is below the smallest normal number, and returns the sum.
	// len(x) is a positive multiple of 8.
	expSum func(x []float32, top float32) float32
	// conv is CausalConv of the channels [lo, hi), without the cuts.
	conv func(c *Conv, lo, hi int)
	// scan is SelectiveScan of the rows [first, end), at least one, of panel p, whose state h [S, ScanPanel] it updates.
	scan func(s *Scan, p int, h []float32, first, end int)
	// stream copies lines of 64 bytes to dst, which begins with one, past the caches; fence orders them before what is stored
	// later. nil if the tier has none.
	stream func(dst, src []float32)
	fence  func()
	// fetch brings lines of 64 bytes into the second cache; nil if the tier has no way for it.
	fetch  func(x []float32)
	limits limits

	// many are the tiles of products of many rows, with the sums of dot; nil if the tier has none.
	many *manyTiles

	backward // what only the backward pass needs
}

var generic = table{
	name:      "generic",
	panel:     8,
	dot:       dotGeneric,
	gemm:      gemmGeneric,
	rmsNorm:   rmsNormGeneric,
	addScaled: addScaledGeneric,
	siluMul:   siluMulGeneric,
	softplus:  softplusGeneric,
	max:       slices.Max[[]float32],
	expSum:    expSumGeneric,
	conv:      convGeneric,
	scan:      scanGeneric,
	limits:    genericLimits,
	backward:  genericBackward,
}

// need is something that a processor may have.
type need struct {
	name string
	has  bool
}

// lacks names what the processor lacks for the tier.
func (t *table) lacks() []string {
	var names []string
	for _, n := range t.needs {
		if !n.has {
			names = append(names, n.name)
		}
	}
	return names
}

// named reports whether name means t: with or without what it makes use of in addition, or "".
func (t *table) named(name string) bool {
	return name == "" || name == t.name || strings.HasPrefix(t.name, name+"+")
}

// tiers are those that this processor can run, the best last.
var tiers = func() []*table {
	can := []*table{&generic}
	for _, t := range platformTiers {
		if t.lacks() == nil {
			can = append(can, t)
		}
	}
	return can
}()

// active is the tier in use: the best, unless the environment variable JAMBA_CPU names another.
var active = tiers[len(tiers)-1]

// Tier names the tier of kernels in use: generic, avx2, avx512, amx or neon, and after a plus what they make use of in
// addition: avx2+vnni.
func Tier() string { return active.name }

// BestTier reports whether the tier in use is the best that the processor has.
func BestTier() bool { return active == tiers[len(tiers)-1] }

// SetTier chooses a tier by its name, such as generic or avx2, "" for the best. It is for the start of a program and for
// tests, not to be called while kernels run. Matrices that are packed stay with the tier they were packed for. It is an
// error if there is no such tier or this processor cannot run it.
func SetTier(name string) error {
	var known []string
	for _, t := range slices.Backward(tiers) {
		if t.named(name) {
			active = t
			return nil
		}
		if !strings.Contains(t.name, "+") {
			known = slices.Insert(known, 0, t.name)
		}
	}
	why := ""
	for _, t := range platformTiers {
		if t.name == name {
			why = " (it lacks " + strings.Join(t.lacks(), ", ") + ")"
		}
	}
	return fmt.Errorf("there are no kernels %q for this processor%s; it can run %s", name, why, strings.Join(known, " and "))
}

var errTier error

func init() {
	if err := SetTier(os.Getenv("JAMBA_CPU")); err != nil {
		errTier = fmt.Errorf("environment variable JAMBA_CPU: %w", err)
	}
}

// Check returns an error if the environment variable JAMBA_CPU names kernels that this processor cannot run.
func Check() error { return errTier }
