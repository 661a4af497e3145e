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
// INT8 is this project's own: a row is its scale and then its values, so no file of another's holds it.
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
	INT8
)

// dtypes gives, for each DType, its name, the number of values a block holds and the number of bytes a block takes, and how
// many bytes a row begins with that are of no block. The plain types are blocks of one value.
var dtypes = [...]struct {
	name          string
	values, bytes int
	before        int
}{
	Invalid: {"invalid", 1, 0, 0},
	F32:     {"F32", 1, 4, 0},
	F16:     {"F16", 1, 2, 0},
	BF16:    {"BF16", 1, 2, 0},
	Q8_0:    {"Q8_0", 32, 34, 0},
	Q4_0:    {"Q4_0", 32, 18, 0},
	Q4_1:    {"Q4_1", 32, 20, 0},
	Q5_0:    {"Q5_0", 32, 22, 0},
	Q5_1:    {"Q5_1", 32, 24, 0},
	Q4_K:    {"Q4_K", 256, 144, 0},
	Q5_K:    {"Q5_K", 256, 176, 0},
	Q6_K:    {"Q6_K", 256, 210, 0},
	Q2_K:    {"Q2_K", 256, 84, 0},
	Q3_K:    {"Q3_K", 256, 110, 0},
	IQ4_NL:  {"IQ4_NL", 32, 18, 0},
	IQ4_XS:  {"IQ4_XS", 256, 136, 0},
	IQ3_XXS: {"IQ3_XXS", 256, 98, 0},
	IQ3_S:   {"IQ3_S", 256, 110, 0},
	IQ2_XXS: {"IQ2_XXS", 256, 66, 0},
	IQ2_XS:  {"IQ2_XS", 256, 74, 0},
	IQ2_S:   {"IQ2_S", 256, 82, 0},
	IQ1_S:   {"IQ1_S", 256, 50, 0},
	IQ1_M:   {"IQ1_M", 256, 56, 0},
	MXFP4:   {"MXFP4", 32, 17, 0},
	TQ1_0:   {"TQ1_0", 256, 54, 0},
	TQ2_0:   {"TQ2_0", 256, 66, 0},
	F8_E4M3: {"F8_E4M3", 1, 1, 0},
	F8_E5M2: {"F8_E5M2", 1, 1, 0},
	INT8:    {"INT8", 1, 1, 2},
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

// Quantized reports whether values of d are integers that share scales: those of a block or of a row.
func (d DType) Quantized() bool { return d.BlockValues() > 1 || d.RowScaled() }

// RowScaled reports whether a row of d begins with a scale, an F16, that all of its values share.
func (d DType) RowScaled() bool { return dtypes[d].before > 0 }

// RowBytes returns the bytes of a row of n values.
// It is an error if n is negative, no multiple of the block or so large that the size overflows.
func (d DType) RowBytes(n int) (int, error) {
	if d == Invalid || int(d) >= len(dtypes) {
		return 0, fmt.Errorf("no size for dtype %v", d)
	}
	v, b, before := dtypes[d].values, dtypes[d].bytes, dtypes[d].before
	if n < 0 || n%v != 0 {
		return 0, fmt.Errorf("a row of %d values is no multiple of the %v block of %d", n, d, v)
	}
	if n/v > (math.MaxInt-before)/b {
		return 0, fmt.Errorf("a row of %d values overflows", n)
	}
	return before + n/v*b, nil
}
