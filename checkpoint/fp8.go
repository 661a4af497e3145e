package checkpoint

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"jamba/format/safetensors"
	"jamba/internal/kernel/quant"
	"jamba/tensor"
)

// scaledSource is a folder's tensors. A matrix of eight-bit floats that has scales beside it is given with them.
//
// NAME.weight_scale_inv is what fine-grained FP8 stores, NAME.weight_scale what compressed-tensors does. Both are factors
// (the first, too, whatever its name says) of the whole matrix, of its rows, or of blocks; a block's size follows from how
// many there are. The reference multiplies in float32; compressed-tensors in the scale's type, but for experts.
type scaledSource struct {
	*safetensors.Set
	block [2]int // rows and columns of a block by the settings; 0: they do not say
}

// weightBlock returns the size of blocks that a config.json gives for scales.
func weightBlock(config []byte) (block [2]int) {
	var c struct {
		Quantization struct {
			Block []int `json:"weight_block_size"`
		} `json:"quantization_config"`
	}
	if json.Unmarshal(config, &c) == nil && len(c.Quantization.Block) == 2 {
		copy(block[:], c.Quantization.Block)
	}
	return block
}

const (
	fineScale       = "_scale_inv"
	compressedScale = "_scale"
)

// scaleOf returns the name of the scales of the tensor name; "": it has none, or is none of eight bits.
func (s scaledSource) scaleOf(name string) string {
	if !strings.HasSuffix(name, ".weight") || !eightBits(s.Type(name)) {
		return ""
	}
	for _, suffix := range []string{fineScale, compressedScale} {
		if s.Has(name + suffix) {
			return name + suffix
		}
	}
	return ""
}

func eightBits(dtype string) bool {
	return dtype == tensor.F8_E4M3.String() || dtype == tensor.F8_E5M2.String()
}

// Names returns the names of the tensors but for scales, which belong to their matrices, and those of activations, which
// are not rounded here.
func (s scaledSource) Names() []string {
	return slices.DeleteFunc(s.Set.Names(), func(name string) bool {
		for _, suffix := range []string{fineScale, compressedScale} {
			if base, ok := strings.CutSuffix(name, suffix); ok && s.scaleOf(base) == name {
				return true
			}
		}
		for _, suffix := range []string{"input_scale", "activation_scale"} {
			if base, ok := strings.CutSuffix(name, "."+suffix); ok && eightBits(s.Type(base+".weight")) {
				return true
			}
		}
		return false
	})
}

// Rename is Set.Rename, for the scales, too.
func (s scaledSource) Rename(from, to string) {
	scale := s.scaleOf(from)
	s.Set.Rename(from, to)
	if scale != "" {
		s.Set.Rename(scale, to+strings.TrimPrefix(scale, from))
	}
}

// Tensor returns the tensor of that name, with its scales if there are some. It is an error if they are no grid that
// divides the matrix.
func (s scaledSource) Tensor(name string) (tensor.Tensor, error) {
	t, err := s.Set.Tensor(name)
	scale := s.scaleOf(name)
	if err != nil || scale == "" {
		return t, err
	}
	if other := name + "_zero_point"; s.Has(other) {
		return t, fmt.Errorf("%s: a zero point beside %v is not supported", other, t.DType)
	}
	f, err := s.Set.Tensor(scale)
	if err != nil {
		return t, err
	}
	if f.DType != tensor.F32 && f.DType != tensor.F16 && f.DType != tensor.BF16 {
		return t, fmt.Errorf("%s: scales of type %v are not supported; F32, F16 and BF16 are", scale, f.DType)
	}
	rows, columns, ok := grid(f.Shape)
	// With blocks of 128, 192 rows have two scales, which is no two halves: blocks follow from how many scales there are
	// only if they are all whole.
	for i, n := range [2]int{rows, columns} {
		if b := s.block[i]; ok && len(t.Shape) == 2 && b > 0 && n > 1 && t.Shape[i]%b != 0 && n == t.Shape[i]/b+1 {
			return t, fmt.Errorf("%s: blocks of %v, as weight_block_size says, do not divide %s %v evenly, which is not supported", scale, s.block, name, t.Shape)
		}
	}
	if len(t.Shape) != 2 || !ok || rows == 0 || columns == 0 || t.Shape[0]%rows != 0 || t.Shape[1]%columns != 0 {
		return t, fmt.Errorf("%s: scales %v are no grid that divides %s %v evenly", scale, f.Shape, name, t.Shape)
	}
	t.Scales = &tensor.Scales{Rows: rows, Columns: columns, Values: make([]float32, rows*columns)}
	if strings.HasSuffix(scale, compressedScale) && !strings.Contains(name, ".experts.") {
		t.Scales.Rounded = f.DType
	}
	quant.Values(t.Scales.Values, f, 0)
	return t, nil
}

// grid returns the rows and columns of scales: one, one for each row, or of blocks.
func grid(shape []int) (rows, columns int, ok bool) {
	switch len(shape) {
	case 0:
		return 1, 1, true
	case 1:
		return shape[0], 1, true
	case 2:
		return shape[0], shape[1], true
	}
	return 0, 0, false
}

// readsFP8 reports whether a quantization_config says no more than that matrices are eight-bit floats with scales, which
// scaledSource reads: FP8, or compressed-tensors with nothing but such weights. What else they say, of activations, is for
// programs that round those.
func readsFP8(config json.RawMessage) bool {
	type scheme struct {
		Weights *struct {
			Bits int    `json:"num_bits"`
			Type string `json:"type"`
		} `json:"weights"`
		Format *string `json:"format"`
	}
	var q struct {
		Method   string            `json:"quant_method"`
		Format   string            `json:"format"`
		Groups   map[string]scheme `json:"config_groups"`
		KV       any               `json:"kv_cache_scheme"`
		Sparsity struct {
			Format string `json:"format"`
		} `json:"sparsity_config"`
		Transform map[string]any `json:"transform_config"`
	}
	if json.Unmarshal(config, &q) != nil {
		return false
	}
	switch strings.ToLower(q.Method) {
	case "fp8":
		return true
	case "compressed-tensors":
		const floats = "float-quantized"
		for _, g := range q.Groups {
			if g.Weights == nil || g.Weights.Bits != 8 || g.Weights.Type != "float" || g.Format != nil && *g.Format != floats {
				return false
			}
		}
		return q.Format == floats && len(q.Groups) > 0 && q.KV == nil && (q.Sparsity.Format == "" || q.Sparsity.Format == "dense") && len(q.Transform) == 0
	}
	return false
}
