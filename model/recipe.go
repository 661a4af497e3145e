package model

import (
	"fmt"
	"slices"
	"strings"

	"jamba/tensor"
)

// Recipe says which type each tensor of a model gets: one type for all large matrices, or a mix. "" is none.
type Recipe string

// ExpertsInt8 is AI21's ExpertsInt8: the experts in 8 bits with one scale for each output channel, other large matrices
// in bfloat16. It is made while loading; GGUF has no type for it. Here it is Q8_0 whose blocks all have the scale of
// their row, so that every kernel for Q8_0 computes with it.
const ExpertsInt8 Recipe = "experts-int8"

// fileRecipe is a recipe that a GGUF file can hold.
type fileRecipe struct {
	name     Recipe
	base     tensor.DType // of most matrices
	mixed    bool         // some get more bits
	fileType uint32       // general.file_type, llama.cpp's number for it
}

var recipes = []fileRecipe{
	{"q8_0", tensor.Q8_0, false, 7},
	{"q6_k", tensor.Q6_K, false, 18},
	{"q5_k_m", tensor.Q5_K, true, 17},
	{"q4_k_m", tensor.Q4_K, true, 15},
	{"q5_1", tensor.Q5_1, false, 9},
	{"q5_0", tensor.Q5_0, false, 8},
	{"q4_1", tensor.Q4_1, false, 3},
	{"q4_0", tensor.Q4_0, false, 2},
	{"bf16", tensor.BF16, false, 32},
	{"f16", tensor.F16, false, 1},
	{"f32", tensor.F32, false, 0},
}

// FileRecipes are the recipes for files.
func FileRecipes() []Recipe {
	var names []Recipe
	for _, r := range recipes {
		names = append(names, r.name)
	}
	return names
}

// WeightRecipes are the recipes for rounding weights while loading.
func WeightRecipes() []Recipe {
	var names []Recipe
	for _, r := range recipes {
		if r.base.Quantized() {
			names = append(names, r.name)
		}
	}
	return append(names, ExpertsInt8)
}

// ParseRecipe returns the recipe of that name, in upper or lower case, if it is one of those.
func ParseRecipe(name string, among []Recipe) (Recipe, error) {
	r := Recipe(strings.ToLower(name))
	if !slices.Contains(among, r) {
		return "", fmt.Errorf("type %q is not known; %s are", name, Names(among))
	}
	return r, nil
}

// Names lists recipes in a sentence.
func Names(list []Recipe) string {
	var s []string
	for _, r := range list {
		s = append(s, string(r))
	}
	return strings.Join(s[:len(s)-1], ", ") + " and " + s[len(s)-1]
}

// mixture is a recipe applied to a model. Its rules are those of llama.cpp's llama-quantize, so that a file called
// Q4_K_M is what is known by that name.
type mixture struct {
	fileRecipe
	layers, experts int
	tied            bool  // the embedding is the output, too
	wide            bool  // Llama's 70B, whose values are few beside its queries
	attention       []int // layers
}

func (r Recipe) of(c *Config) (*mixture, error) {
	i := slices.IndexFunc(recipes, func(known fileRecipe) bool { return known.name == r })
	if i < 0 {
		return nil, fmt.Errorf("type %q is not known; %s are", string(r), Names(FileRecipes()))
	}
	m := &mixture{fileRecipe: recipes[i], layers: len(c.Layers), tied: c.TieWordEmbeddings}
	for i, l := range c.Layers {
		if l.Attention != nil {
			m.attention = append(m.attention, i)
			m.wide = (c.Architecture == "llama" || c.Architecture == "mistral") && m.layers == 80 && l.Attention.NumAttentionHeads != l.Attention.NumKeyValueHeads
		}
		if l.MoE != nil {
			m.experts = l.MoE.NumExperts
		}
	}
	return m, nil
}

// keep returns why the tensor of that GGUF name is never rounded, "" if it is.
func keep(name string, shape []int) string {
	switch {
	case strings.HasSuffix(name, "_norm.weight"):
		return "norm"
	case strings.HasSuffix(name, ".bias"):
		return "bias"
	case strings.Contains(name, "ssm_conv1d"):
		return "convolution"
	case strings.HasSuffix(name, "ssm_a"):
		return "A"
	case strings.HasSuffix(name, "ssm_d"):
		return "D"
	case strings.HasSuffix(name, "ffn_gate_inp.weight"):
		return "router"
	case name == ropeFactors:
		return "rotary frequencies"
	case len(shape) < 2 || !strings.HasSuffix(name, "weight"):
		return "vector"
	}
	return ""
}

// choose returns the type of the matrix of that GGUF name, of layer i or -1, whose rows have k values; and, if it is
// not the recipe's, why.
func (m *mixture) choose(name string, i, k int) (d tensor.DType, note string) {
	d = m.base
	if !d.Quantized() {
		return d, ""
	}
	part := name
	if i >= 0 {
		part = strings.TrimPrefix(name, fmt.Sprintf("blk.%d.", i))
	}
	more := func(what string) { d, note = tensor.Q6_K, "more bits for "+what }
	switch {
	case name == ggufNames.lmHead || m.tied && name == ggufNames.embed:
		switch {
		case k%d.BlockValues() != 0:
			d = tensor.Q8_0
			note = fmt.Sprintf("rows of %d are no multiple of %d", k, m.base.BlockValues())
		case d != tensor.Q8_0 && d != tensor.Q6_K:
			more("the output")
		}
	case part == "attn_v.weight":
		if m.mixed && moreBits(slices.Index(m.attention, i), len(m.attention)) {
			more("some values")
		} else if m.wide && d == tensor.Q4_K {
			d, note = tensor.Q5_K, "more bits for few values"
		}
		if m.experts == 8 && d != tensor.Q8_0 {
			d, note = tensor.Q8_0, "more bits for values beside 8 experts"
		}
	case part == "attn_k.weight" && m.experts == 8 && d != tensor.Q8_0:
		d, note = tensor.Q8_0, "more bits for keys beside 8 experts"
	case part == "attn_output.weight" && m.experts == 8 && m.mixed && d == tensor.Q4_K:
		d, note = tensor.Q5_K, "more bits for attention's output beside 8 experts"
	case strings.HasPrefix(part, "ffn_down") && m.mixed && moreBits(i, m.layers):
		more("some down projections")
	}
	if k%d.BlockValues() != 0 {
		note = fmt.Sprintf("rows of %d are no multiple of %d", k, d.BlockValues())
		switch d {
		case tensor.Q4_K:
			d = tensor.Q5_0
		case tensor.Q5_K:
			d = tensor.Q5_1
		case tensor.Q6_K:
			d = tensor.Q8_0
		}
		if k%d.BlockValues() != 0 {
			d, note = tensor.F16, fmt.Sprintf("rows of %d are no multiple of %d", k, d.BlockValues())
		}
	}
	return d, note
}

// moreBits picks the first and the last eighth of n layers and every third between.
func moreBits(i, n int) bool { return i < n/8 || i >= 7*n/8 || (i-n/8)%3 == 2 }
