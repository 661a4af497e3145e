package kernel

import (
	"jamba/internal/kernel/quant"
	"jamba/tensor"
)

// dequantizeAVX2 is quant.Dequantize for the formats that have a kernel; it returns false for the others.
func dequantizeAVX2(dst []float32, d tensor.DType, src []byte) bool {
	if len(dst) == 0 {
		return true
	}
	switch d {
	case tensor.Q8_0:
		dequantizeQ8_0AVX2(&dst[0], &src[0], len(dst)/32)
	case tensor.Q4_0:
		dequantizeQ4_0AVX2(&dst[0], &src[0], len(dst)/32)
	case tensor.Q4_1:
		dequantizeQ4_1AVX2(&dst[0], &src[0], len(dst)/32)
	case tensor.Q4_K:
		for ; len(dst) > 0; dst, src = dst[256:], src[144:] {
			scale, minimum := quant.ScalesQ4K((*[16]byte)(src))
			dequantizeQ4KAVX2(&dst[0], &src[16], &scale[0], &minimum[0])
		}
	case tensor.Q6_K:
		for ; len(dst) > 0; dst, src = dst[256:], src[210:] {
			scale := quant.ScalesQ6K((*[210]byte)(src))
			dequantizeQ6KAVX2(&dst[0], &src[0], &scale[0])
		}
	case tensor.BF16:
		whole := len(dst) &^ 7
		widenBF16AVX2(&dst[0], &src[0], whole/8)
		quant.Dequantize(dst[whole:], d, src[2*whole:])
	default:
		return quant.Split(dst, d, src, widenNumbers)
	}
	return true
}

func widenNumbers(dst []float32, n *quant.Numbers) {
	dequantizeNumbersAVX2(&dst[0], &n.Q[0], &n.Scale[0], &n.Minimum[0], len(dst)/16)
}
