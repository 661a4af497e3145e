// Package tensor says what a tensor is: an element type, a shape and the bytes that hold it.
// It does no arithmetic; see package kernel for that and package kernel/quant for the block formats.
package tensor

import (
	"fmt"
	"math"
	"strings"
)

// DType is the type of a tensor's elements as they are stored. The zero value is invalid.
type DType uint8

// The element types that checkpoints use. The names of the block formats are GGUF's, those of eight-bit floats safetensors'.
const (
	Invalid DType = iota
	F32
	F16
	BF16
	Q8_0
	Q4_0
	Q4_1
	Q5_0
	Q5_1
	Q4_K
	Q5_K
	Q6_K
	Q2_K
	Q3_K
	IQ4_NL
	IQ4_XS
	IQ3_XXS
	IQ3_S
	IQ2_XXS
	IQ2_XS
	IQ2_S
	IQ1_S
	IQ1_M
	MXFP4
	TQ1_0
	TQ2_0
	F8_E4M3
	F8_E5M2
)

// dtypes gives, for each DType, its name, the number of values a block holds and the number of bytes a block takes.
// The plain types are blocks of one value.
var dtypes = [...]struct {
	name          string
	values, bytes int
}{
	Invalid: {"invalid", 1, 0},
	F32:     {"F32", 1, 4},
	F16:     {"F16", 1, 2},
	BF16:    {"BF16", 1, 2},
	Q8_0:    {"Q8_0", 32, 34},
	Q4_0:    {"Q4_0", 32, 18},
	Q4_1:    {"Q4_1", 32, 20},
	Q5_0:    {"Q5_0", 32, 22},
	Q5_1:    {"Q5_1", 32, 24},
	Q4_K:    {"Q4_K", 256, 144},
	Q5_K:    {"Q5_K", 256, 176},
	Q6_K:    {"Q6_K", 256, 210},
	Q2_K:    {"Q2_K", 256, 84},
	Q3_K:    {"Q3_K", 256, 110},
	IQ4_NL:  {"IQ4_NL", 32, 18},
	IQ4_XS:  {"IQ4_XS", 256, 136},
	IQ3_XXS: {"IQ3_XXS", 256, 98},
	IQ3_S:   {"IQ3_S", 256, 110},
	IQ2_XXS: {"IQ2_XXS", 256, 66},
	IQ2_XS:  {"IQ2_XS", 256, 74},
	IQ2_S:   {"IQ2_S", 256, 82},
	IQ1_S:   {"IQ1_S", 256, 50},
	IQ1_M:   {"IQ1_M", 256, 56},
	MXFP4:   {"MXFP4", 32, 17},
	TQ1_0:   {"TQ1_0", 256, 54},
	TQ2_0:   {"TQ2_0", 256, 66},
	F8_E4M3: {"F8_E4M3", 1, 1},
	F8_E5M2: {"F8_E5M2", 1, 1},
}

// String returns the type's name as checkpoints spell it, such as "BF16" or "Q4_K".
func (d DType) String() string {
	if int(d) >= len(dtypes) {
		return fmt.Sprintf("DType(%d)", uint8(d))
	}
	return dtypes[d].name
}

// UnmarshalText reads a type's name in upper or lower case.
func (d *DType) UnmarshalText(b []byte) error {
	for i, t := range dtypes {
		if i != int(Invalid) && strings.EqualFold(string(b), t.name) {
			*d = DType(i)
			return nil
		}
	}
	return fmt.Errorf("type %q is not known", b)
}

// BlockValues returns the number of values that one block holds: 1 for the plain types.
func (d DType) BlockValues() int { return dtypes[d].values }

// BlockBytes returns the number of bytes that one block takes.
func (d DType) BlockBytes() int { return dtypes[d].bytes }

// Quantized reports whether d is a block format.
func (d DType) Quantized() bool { return d.BlockValues() > 1 }

// RowBytes returns the bytes of a row of n values.
// It is an error if n is negative, no multiple of the block or so large that the size overflows.
func (d DType) RowBytes(n int) (int, error) {
	if d == Invalid || int(d) >= len(dtypes) {
		return 0, fmt.Errorf("no size for dtype %v", d)
	}
	v, b := dtypes[d].values, dtypes[d].bytes
	if n < 0 || n%v != 0 {
		return 0, fmt.Errorf("a row of %d values is no multiple of the %v block of %d", n, d, v)
	}
	if n/v > math.MaxInt/b {
		return 0, fmt.Errorf("a row of %d values overflows", n)
	}
	return n / v * b, nil
}
