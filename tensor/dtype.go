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

// The element types that checkpoints use. The names of the block formats are GGUF's.
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
