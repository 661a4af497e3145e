// Package recipe says which type each tensor of a model gets when it is rounded, by the names that llama.cpp's
// llama-quantize gives to Mixtures of types.
package recipe

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"jamba/model"
	"jamba/model/param"
	"jamba/tensor"
)

// Recipe says which type each tensor of a model gets: one type for all large matrices, or a mix. "" is none.
type Recipe string

// Recipes of 8 bits with one scale for each output channel. GGUF has no type for it: they are made while loading, or in files
// of native layout.
const (
	Int8 Recipe = "int8"
	// ExpertsInt8 is AI21's ExpertsInt8 (Jamba-1.5, section 3.1): the experts and the MLPs between them so, other large matrices
	// in bfloat16.
	ExpertsInt8 Recipe = "experts-int8"
)

// known is a recipe and what it says.
type known struct {
	name     Recipe
	base     tensor.DType // of most matrices
	fileType uint32       // general.file_type, llama.cpp's number for it
	more     moreBits     // of some
	others   tensor.DType // of matrices that are of no MLP and no expert; Invalid: as those
}

// moreBits are the matrices that get another type than the recipe's; the zero value is none.
type moreBits struct {
	values, down  among        // attn_v among the layers with attention; ffn_down among all
	output        tensor.DType // attn_output; Invalid: as others
	outputBeside8 tensor.DType // the same beside 8 experts
	shared        tensor.DType // attn_v whose heads serve four queries or more each
}

// among returns the type of the matrix of the i-th of n layers; Invalid: as others.
type among func(i, n int) tensor.DType

func all(d tensor.DType) among { return func(int, int) tensor.DType { return d } }

// some picks the first and the last eighth of the layers and every third between.
func some(d tensor.DType) among {
	return func(i, n int) tensor.DType {
		if i < n/8 || i >= 7*n/8 || (i-n/8)%3 == 2 {
			return d
		}
		return tensor.Invalid
	}
}

var recipes = []known{
	{"q8_0", tensor.Q8_0, 7, moreBits{}, tensor.Invalid},
	{"q6_k", tensor.Q6_K, 18, moreBits{}, tensor.Invalid},
	{"q5_k_m", tensor.Q5_K, 17, moreBits{values: some(tensor.Q6_K), down: some(tensor.Q6_K)}, tensor.Invalid},
	{"q4_k_m", tensor.Q4_K, 15, moreBits{values: some(tensor.Q6_K), down: some(tensor.Q6_K), outputBeside8: tensor.Q5_K}, tensor.Invalid},
	{"q3_k_l", tensor.Q3_K, 13, moreBits{values: all(tensor.Q5_K), down: all(tensor.Q5_K), output: tensor.Q5_K}, tensor.Invalid},
	{"q3_k_m", tensor.Q3_K, 12, moreBits{
		values: func(i, _ int) tensor.DType { return fiveBits(i < 2) },
		down:   func(i, n int) tensor.DType { return fiveBits(i < n/16) },
		output: tensor.Q4_K, outputBeside8: tensor.Q5_K,
	}, tensor.Invalid},
	{"q3_k_s", tensor.Q3_K, 11, moreBits{outputBeside8: tensor.Q5_K}, tensor.Invalid},
	{"q2_k", tensor.Q2_K, 10, moreBits{
		values: all(tensor.Q3_K), down: all(tensor.Q3_K), output: tensor.Q3_K, outputBeside8: tensor.Q5_K, shared: tensor.Q4_K,
	}, tensor.Invalid},
	{"q5_1", tensor.Q5_1, 9, moreBits{}, tensor.Invalid},
	{"q5_0", tensor.Q5_0, 8, moreBits{}, tensor.Invalid},
	{"q4_1", tensor.Q4_1, 3, moreBits{}, tensor.Invalid},
	{"q4_0", tensor.Q4_0, 2, moreBits{}, tensor.Invalid},
	{"bf16", tensor.BF16, 32, moreBits{}, tensor.Invalid},
	{"f16", tensor.F16, 1, moreBits{}, tensor.Invalid},
	{"f32", tensor.F32, 0, moreBits{}, tensor.Invalid},
	{Int8, tensor.INT8, 0, moreBits{}, tensor.Invalid},
	{ExpertsInt8, tensor.INT8, 0, moreBits{}, tensor.BF16},
}

func fiveBits(yes bool) tensor.DType {
	if yes {
		return tensor.Q5_K
	}
	return tensor.Q4_K
}

// smaller are the types of 32 values a block for rows that are no multiple of 256.
var smaller = map[tensor.DType]tensor.DType{
	tensor.Q2_K: tensor.Q4_0, tensor.Q3_K: tensor.Q4_0, tensor.Q4_K: tensor.Q5_0, tensor.Q5_K: tensor.Q5_1, tensor.Q6_K: tensor.Q8_0,
}

// FileRecipes are the recipes for files.
func FileRecipes() []Recipe { return those(func(r *known) bool { return r.base != tensor.INT8 }) }

// NativeRecipes are the recipes for files of native layout.
func NativeRecipes() []Recipe { return those(func(*known) bool { return true }) }

// WeightRecipes are the recipes for rounding weights while loading.
func WeightRecipes() []Recipe { return those(func(r *known) bool { return r.base.Quantized() }) }

func those(are func(r *known) bool) []Recipe {
	var names []Recipe
	for i := range recipes {
		if are(&recipes[i]) {
			names = append(names, recipes[i].name)
		}
	}
	return names
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

// Mixture is a recipe applied to a model. Its rules are those of llama.cpp's llama-quantize, so that a file called
// Q4_K_M is what is known by that name.
type Mixture struct {
	known
	layers, experts int
	tied            bool  // the embedding is the output, too
	wide            bool  // Llama's 70B, whose values are few beside its queries
	shared          bool  // layer 0 has four queries or more to a head of keys and values
	attention       []int // layers
}

// Of applies a recipe to a model.
func (r Recipe) Of(c *model.Config) (*Mixture, error) {
	i := slices.IndexFunc(recipes, func(k known) bool { return k.name == r })
	if i < 0 {
		return nil, fmt.Errorf("type %q is not known; %s are", string(r), Names(NativeRecipes()))
	}
	m := &Mixture{known: recipes[i], layers: len(c.Layers), tied: c.TieWordEmbeddings}
	for i, l := range c.Layers {
		if a := l.Attention; a != nil {
			m.shared = m.shared || i == 0 && a.NumAttentionHeads >= 4*a.NumKeyValueHeads
			m.attention = append(m.attention, i)
			m.wide = c.Architecture != "jamba" && l.MoE == nil && m.layers == 80 && l.Attention.NumAttentionHeads != l.Attention.NumKeyValueHeads
		}
		if l.MoE != nil {
			m.experts = l.MoE.NumExperts
		}
	}
	return m, nil
}

// FileType returns llama.cpp's number for the recipe, general.file_type; false: it has none.
func (m *Mixture) FileType() (uint32, bool) { return m.fileType, m.base != tensor.INT8 }

// Choice returns what the recipe, one of WeightRecipes, does with each matrix of a network while it is loaded.
func (r Recipe) Choice(c *model.Config) (model.Choice, error) {
	if !slices.Contains(WeightRecipes(), r) {
		return nil, fmt.Errorf("weights to %q: %s are possible", string(r), Names(WeightRecipes()))
	}
	mix, err := r.Of(c)
	if err != nil {
		return nil, err
	}
	return mix.matrix, nil
}

// matrix returns the type for a matrix, or Invalid if its rows are no whole blocks, and why it is not the recipe's.
func (m *Mixture) matrix(id param.ID, k int) (d tensor.DType, note string) {
	d, note = m.Choose(param.GGUFNames.Matrix(id), id.Layer, k)
	if !d.Quantized() && d != m.others {
		d = tensor.Invalid
	}
	return d, note
}

// Keep returns why the tensor of that GGUF name is never rounded, "" if it is.
func Keep(name string, shape []int) string {
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
	case name == param.RopeFactors:
		return "rotary frequencies"
	case len(shape) < 2 || !strings.HasSuffix(name, "weight"):
		return "vector"
	}
	return ""
}

// Choose returns the type of the matrix of that GGUF name, of layer i or -1, whose rows have k values; and, if it is
// not the recipe's, why.
func (m *Mixture) Choose(name string, i, k int) (d tensor.DType, note string) {
	d = m.base
	if !d.Quantized() {
		return d, ""
	}
	part := name
	if i >= 0 {
		part = strings.TrimPrefix(name, fmt.Sprintf("blk.%d.", i))
	}
	take := func(to tensor.DType, what string) {
		if to != tensor.Invalid && to != d {
			d, note = to, "more bits for "+what
		}
	}
	switch {
	case m.others != tensor.Invalid && !strings.HasPrefix(part, "ffn_"):
		return m.others, "no MLP"
	case d == tensor.INT8:
		if name == param.GGUFNames.Head || name == param.GGUFNames.Embed {
			take(tensor.Q8_0, "the output and the embedding")
		}
	case name == param.GGUFNames.Head || m.tied && name == param.GGUFNames.Embed:
		if k%d.BlockValues() != 0 {
			d = tensor.Q8_0
			note = fmt.Sprintf("rows of %d are no multiple of %d", k, m.base.BlockValues())
		} else if d != tensor.Q8_0 {
			take(tensor.Q6_K, "the output")
		}
	case part == "attn_v.weight":
		take(m.more.values.of(slices.Index(m.attention, i), len(m.attention)), "some values")
		if m.shared {
			take(m.more.shared, "values of several queries")
		}
		if m.wide && (d == tensor.Q3_K || d == tensor.Q4_K) {
			take(tensor.Q5_K, "few values")
		}
		if m.experts == 8 {
			take(tensor.Q8_0, "values beside 8 experts")
		}
	case part == "attn_k.weight" && m.experts == 8:
		take(tensor.Q8_0, "keys beside 8 experts")
	case part == "attn_output.weight" && m.experts == 8:
		take(m.more.outputBeside8, "attention's output beside 8 experts")
	case part == "attn_output.weight":
		take(m.more.output, "attention's output")
	case strings.HasPrefix(part, "ffn_down"):
		take(m.more.down.of(i, m.layers), "some down projections")
	}
	if why := misfit(d, k); why != "" {
		note = why
		if less, ok := smaller[d]; ok {
			d = less
		}
		if why := misfit(d, k); why != "" {
			d, note = cmp.Or(m.others, tensor.F16), why
		}
	}
	return d, note
}

// misfit says why rows of k values cannot have a type, "" if they can.
func misfit(d tensor.DType, k int) string {
	unit := d.BlockValues()
	if d == tensor.INT8 {
		const longest = 1 << 16 // that the fast kernels take
		if unit = 32; k > longest {
			return fmt.Sprintf("rows of %d are longer than %d", k, longest)
		}
	}
	if k%unit != 0 {
		return fmt.Sprintf("rows of %d are no multiple of %d", k, unit)
	}
	return ""
}

// of is the type of the i-th of n layers, Invalid if nothing is said.
func (f among) of(i, n int) tensor.DType {
	if f == nil {
		return tensor.Invalid
	}
	return f(i, n)
}
