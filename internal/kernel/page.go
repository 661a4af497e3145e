package kernel

import (
	"encoding/binary"
	"slices"

	"jamba/internal/kernel/quant"
	"jamba/tensor"
)

// PageLen is the number of positions in one page of a K/V cache, and the length of the tiles that attention walks:
// tiles lie at absolute positions, so that the order of sums does not depend on how a sequence came in.
const PageLen = 256

// Page is PageLen positions of keys and values of one layer, each [G, PageLen, D], as float32 or, raw, as F16 or Q8_0.
type Page struct {
	K, V       []float32
	RawK, RawV []byte
}

// PageRow returns how many values and bytes a row of dim values takes in pages of type d: it has blocks of its own, the
// last of which is filled up with zeroes.
func PageRow(d tensor.DType, dim int) (values, bytes int) {
	blocks := (dim + d.BlockValues() - 1) / d.BlockValues()
	return blocks * d.BlockValues(), blocks * d.BlockBytes()
}

// Narrow rounds src, a row of a raw page, to type d, F16 or Q8_0, each value to the nearest. dst has the bytes that
// PageRow tells. What is too large becomes infinite in F16; in Q8_0 it is an error, as are infinities and NaN.
func Narrow(dst []byte, d tensor.DType, src []float32) error {
	if d == tensor.F16 {
		NarrowF16(dst, src)
		return nil
	}
	whole := len(src) - len(src)%d.BlockValues()
	_, bytes := PageRow(d, whole)
	err := narrowQ8(dst[:bytes], src[:whole])
	if whole < len(src) && err == nil {
		s := scratches.Get().(*[]float32)
		defer scratches.Put(s)
		*s = slices.Grow((*s)[:0], d.BlockValues())[:d.BlockValues()]
		clear((*s)[copy(*s, src[whole:]):])
		err = narrowQ8(dst[bytes:], *s)
	}
	return err
}

func narrowQ8(dst []byte, src []float32) error {
	if active.narrowQ8 != nil && active.narrowQ8(dst, src) {
		return nil
	}
	return quant.Quantize(dst, tensor.Q8_0, src)
}

// NarrowF16 rounds src to fp16, to the nearest; what is too large becomes infinite.
func NarrowF16(dst []byte, src []float32) {
	whole := 0
	if active.narrow != nil && len(src) >= 8 {
		whole = len(src) &^ 7
		active.narrow(dst[:2*whole], src[:whole])
	}
	for i, v := range src[whole:] {
		binary.LittleEndian.PutUint16(dst[2*(whole+i):], quant.F32ToF16(v))
	}
}
