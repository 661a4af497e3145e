package gguf

import (
	"fmt"
	"strings"

	"jamba/tensor"
)

// Type is an element type by its number in GGUF files, ggml's enum ggml_type.
type Type uint32

// types gives, for each Type, its name, the values and bytes of a block and the DType that this module computes with,
// if it does. Types without one are listed so that a file's layout can be checked and its types named.
var types = map[Type]struct {
	name          string
	values, bytes int
	dtype         tensor.DType
}{
	0:  {"F32", 1, 4, tensor.F32},
	1:  {"F16", 1, 2, tensor.F16},
	2:  {"Q4_0", 32, 18, tensor.Q4_0},
	3:  {"Q4_1", 32, 20, tensor.Q4_1},
	6:  {"Q5_0", 32, 22, tensor.Q5_0},
	7:  {"Q5_1", 32, 24, tensor.Q5_1},
	8:  {"Q8_0", 32, 34, tensor.Q8_0},
	9:  {"Q8_1", 32, 36, tensor.Invalid},
	10: {"Q2_K", 256, 84, tensor.Q2_K},
	11: {"Q3_K", 256, 110, tensor.Q3_K},
	12: {"Q4_K", 256, 144, tensor.Q4_K},
	13: {"Q5_K", 256, 176, tensor.Q5_K},
	14: {"Q6_K", 256, 210, tensor.Q6_K},
	15: {"Q8_K", 256, 292, tensor.Invalid},
	16: {"IQ2_XXS", 256, 66, tensor.IQ2_XXS},
	17: {"IQ2_XS", 256, 74, tensor.IQ2_XS},
	18: {"IQ3_XXS", 256, 98, tensor.IQ3_XXS},
	19: {"IQ1_S", 256, 50, tensor.IQ1_S},
	20: {"IQ4_NL", 32, 18, tensor.IQ4_NL},
	21: {"IQ3_S", 256, 110, tensor.IQ3_S},
	22: {"IQ2_S", 256, 82, tensor.IQ2_S},
	23: {"IQ4_XS", 256, 136, tensor.IQ4_XS},
	24: {"I8", 1, 1, tensor.Invalid},
	25: {"I16", 1, 2, tensor.Invalid},
	26: {"I32", 1, 4, tensor.Invalid},
	27: {"I64", 1, 8, tensor.Invalid},
	28: {"F64", 1, 8, tensor.Invalid},
	29: {"IQ1_M", 256, 56, tensor.IQ1_M},
	30: {"BF16", 1, 2, tensor.BF16},
	34: {"TQ1_0", 256, 54, tensor.TQ1_0},
	35: {"TQ2_0", 256, 66, tensor.TQ2_0},
	39: {"MXFP4", 32, 17, tensor.MXFP4},
	40: {"NVFP4", 64, 36, tensor.Invalid},
	41: {"Q1_0", 128, 18, tensor.Invalid},
}

// I8 is the type of bytes, which mean what the file's writer says.
const I8 Type = 24

// maxType is the largest number in types.
const maxType = 41

// String returns the type's name, such as "Q4_K", or "type 99" for a number that has none.
func (t Type) String() string {
	if info, ok := types[t]; ok {
		return info.name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// DType returns the type as the rest of this module knows it, and false if it does not.
func (t Type) DType() (tensor.DType, bool) {
	d := types[t].dtype
	return d, d != tensor.Invalid
}

// typeOf returns the number that d has in GGUF files.
func typeOf(d tensor.DType) (Type, bool) {
	for t := range Type(maxType + 1) {
		if got, ok := t.DType(); ok && got == d {
			return t, true
		}
	}
	return 0, false
}

// supported lists the names of the types that have a DType, for error messages.
func supported() string {
	var names []string
	for t := range Type(maxType + 1) {
		if _, ok := t.DType(); ok {
			names = append(names, t.String())
		}
	}
	return strings.Join(names, ", ")
}

// size returns the bytes that a tensor of type t and the row-major shape takes: 0 if the type is not known.
func (t Type) size(shape []int) (int, error) {
	info, ok := types[t]
	if !ok {
		return 0, nil
	}
	n, err := tensor.Numel(shape)
	if err != nil {
		return 0, err
	}
	last := 1
	if len(shape) > 0 {
		last = shape[len(shape)-1]
	}
	if last%info.values != 0 {
		return 0, fmt.Errorf("a row of %d values is no multiple of the %v block of %d", last, t, info.values)
	}
	// Multiplying the block count by the block's bytes as a shape checks for overflow once more.
	size, err := tensor.Numel([]int{n / info.values, info.bytes})
	if err != nil {
		return 0, fmt.Errorf("shape %v overflows", shape)
	}
	return size, nil
}
