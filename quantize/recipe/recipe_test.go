package recipe

import (
	"fmt"
	"maps"
	"testing"

	"jamba/model"
	"jamba/tensor"
)

// matrixRows are the matrices of a model by GGUF's names, with their layers and the lengths of their rows.
type matrixRow struct {
	name     string
	layer, k int
}

func matricesOf(c *model.Config) (list []matrixRow) {
	h := c.HiddenSize
	list = append(list, matrixRow{"token_embd.weight", -1, h})
	if !c.TieWordEmbeddings {
		list = append(list, matrixRow{"output.weight", -1, h})
	}
	for i, l := range c.Layers {
		add := func(part string, k int) {
			list = append(list, matrixRow{fmt.Sprintf("blk.%d.%s.weight", i, part), i, k})
		}
		if l.Attention != nil {
			for _, part := range []string{"attn_q", "attn_k", "attn_v", "attn_output"} {
				add(part, h)
			}
		} else {
			add("ssm_in", h)
			add("ssm_x", 2*h)
			add("ssm_dt", l.Mamba.DtRank)
			add("ssm_out", 2*h)
		}
		suffix, width := "", 0
		if l.MoE != nil {
			suffix, width = "_exps", l.MoE.IntermediateSize
		} else {
			width = l.MLP.IntermediateSize
		}
		add("ffn_gate"+suffix, h)
		add("ffn_up"+suffix, h)
		add("ffn_down"+suffix, width)
	}
	return list
}

// TestRecipes compares with the types that llama-quantize (llama.cpp of llama-cpp-python 0.3.36) gave the matrices of
// synthetic models of these shapes; those of two and three bits, and all of the last two shapes, are what its function
// llama_tensor_get_type_impl, compiled by itself, answers for them.
func TestRecipes(t *testing.T) {
	jamba := func(layers, period, offset, experts, rank int, tied bool) *model.Config {
		c := &model.Config{Architecture: "jamba", HiddenSize: 256, TieWordEmbeddings: tied}
		for i := range layers {
			l := model.Layer{Mamba: &model.Mamba{DtRank: rank}, MLP: &model.MLP{IntermediateSize: 512}}
			if i%period == offset {
				l.Mamba, l.Attention = nil, &model.Attention{NumAttentionHeads: 8, NumKeyValueHeads: 2}
			}
			if experts > 1 && i%2 == 1 {
				l.MLP, l.MoE = nil, &model.MoE{IntermediateSize: 512, NumExperts: experts}
			}
			c.Layers = append(c.Layers, l)
		}
		return c
	}
	llama := func(layers, kv, experts, width int, tied bool) *model.Config {
		c := &model.Config{Architecture: "llama", HiddenSize: 256, TieWordEmbeddings: tied}
		for range layers {
			l := model.Layer{Attention: &model.Attention{NumAttentionHeads: 8, NumKeyValueHeads: kv}, MLP: &model.MLP{IntermediateSize: width}}
			if experts > 1 {
				c.Architecture = "mixtral"
				l.MLP, l.MoE = nil, &model.MoE{IntermediateSize: width, NumExperts: experts}
			}
			c.Layers = append(c.Layers, l)
		}
		return c
	}
	type counts = map[tensor.DType]int
	const f16, q2k, q3k, q40, q50, q51, q80, q4k, q5k, q6k = tensor.F16, tensor.Q2_K, tensor.Q3_K, tensor.Q4_0, tensor.Q5_0, tensor.Q5_1, tensor.Q8_0, tensor.Q4_K, tensor.Q5_K, tensor.Q6_K
	for name, c := range map[string]struct {
		config *model.Config
		want   map[Recipe]counts
	}{
		"jamba, 4 experts": {jamba(16, 8, 4, 4, 16, false), map[Recipe]counts{
			"q2_k": {f16: 14, q2k: 79, q3k: 20, q6k: 1}, "q3_k_s": {f16: 14, q3k: 99, q6k: 1},
			"q3_k_m": {f16: 14, q3k: 79, q4k: 17, q5k: 3, q6k: 1}, "q3_k_l": {f16: 14, q3k: 79, q5k: 20, q6k: 1},
			"q4_k_m": {q4k: 90, f16: 14, q6k: 10}, "q5_k_m": {q5k: 90, f16: 14, q6k: 10}, "q6_k": {q6k: 100, f16: 14},
			"q8_0": {q80: 100, f16: 14}, "q4_0": {q40: 99, f16: 14, q6k: 1}, "f16": {f16: 114},
		}},
		"jamba, dense, tied": {jamba(28, 14, 7, 1, 160, true), map[Recipe]counts{
			"q2_k": {q2k: 138, q3k: 32, q40: 26, q6k: 1}, "q3_k_s": {q3k: 170, q40: 26, q6k: 1},
			"q3_k_m": {q3k: 138, q40: 26, q4k: 29, q5k: 3, q6k: 1}, "q3_k_l": {q3k: 138, q40: 26, q5k: 32, q6k: 1},
			"q4_k_m": {q4k: 155, q6k: 16, q50: 26}, "q5_k_m": {q5k: 155, q6k: 16, q51: 26}, "q6_k": {q6k: 171, q80: 26},
			"q8_0": {q80: 197}, "q4_0": {q40: 196, q6k: 1},
		}},
		"8 experts": {llama(16, 2, 8, 512, false), map[Recipe]counts{
			"q2_k": {q2k: 49, q3k: 16, q5k: 16, q6k: 1, q80: 32}, "q3_k_s": {q3k: 65, q5k: 16, q6k: 1, q80: 32},
			"q3_k_m": {q3k: 49, q4k: 15, q5k: 17, q6k: 1, q80: 32}, "q3_k_l": {q3k: 65, q5k: 16, q6k: 1, q80: 32},
			"q4_k_m": {q4k: 57, q80: 32, q5k: 16, q6k: 9}, "q5_k_m": {q5k: 73, q80: 32, q6k: 9}, "q6_k": {q6k: 82, q80: 32},
			"q8_0": {q80: 114}, "q4_0": {q40: 81, q80: 32, q6k: 1},
		}},
		"4 experts": {llama(13, 2, 4, 512, false), map[Recipe]counts{
			"q2_k": {q2k: 53, q3k: 26, q4k: 13, q6k: 1}, "q3_k_s": {q3k: 92, q6k: 1},
			"q3_k_m": {q3k: 53, q4k: 37, q5k: 2, q6k: 1}, "q3_k_l": {q3k: 53, q5k: 39, q6k: 1},
			"q4_k_m": {q4k: 80, q6k: 13}, "q5_k_m": {q5k: 80, q6k: 13}, "q6_k": {q6k: 93}, "q4_0": {q40: 92, q6k: 1},
		}},
		"dense, tied": {llama(28, 8, 1, 512, true), map[Recipe]counts{
			"q2_k": {q2k: 112, q3k: 84, q6k: 1}, "q3_k_s": {q3k: 196, q6k: 1},
			"q3_k_m": {q3k: 112, q4k: 81, q5k: 3, q6k: 1}, "q3_k_l": {q3k: 112, q5k: 84, q6k: 1},
			"q4_k_m": {q4k: 168, q6k: 29}, "q5_k_m": {q5k: 168, q6k: 29}, "q6_k": {q6k: 197}, "q4_0": {q40: 196, q6k: 1},
		}},
		"80 layers": {llama(80, 2, 1, 320, false), map[Recipe]counts{
			"q2_k": {q2k: 321, q3k: 80, q40: 80, q5k: 80, q6k: 1}, "q3_k_s": {q3k: 401, q40: 80, q5k: 80, q6k: 1},
			"q3_k_m": {q3k: 321, q4k: 80, q50: 75, q51: 5, q5k: 80, q6k: 1}, "q3_k_l": {q3k: 321, q51: 80, q5k: 160, q6k: 1},
			"q4_k_m": {q4k: 401, q6k: 41, q80: 40, q5k: 40, q50: 40}, "q5_k_m": {q5k: 441, q6k: 41, q80: 40, q51: 40},
			"q6_k": {q6k: 482, q80: 80}, "q8_0": {q80: 562}, "q4_0": {q40: 561, q6k: 1},
		}},
		"jamba, 8 experts": {jamba(16, 8, 4, 8, 16, false), map[Recipe]counts{
			"q2_k": {f16: 14, q2k: 77, q3k: 16, q5k: 2, q6k: 1, q80: 4}, "q3_k_s": {f16: 14, q3k: 93, q5k: 2, q6k: 1, q80: 4},
			"q3_k_m": {f16: 14, q3k: 77, q4k: 15, q5k: 3, q6k: 1, q80: 4}, "q3_k_l": {f16: 14, q3k: 79, q5k: 16, q6k: 1, q80: 4}, "q4_k_m": {f16: 14, q4k: 85, q5k: 2, q6k: 9, q80: 4},
		}},
		"dense, few values": {llama(17, 2, 1, 512, false), map[Recipe]counts{
			"q2_k": {q2k: 69, q3k: 34, q4k: 17, q6k: 1}, "q3_k_s": {q3k: 120, q6k: 1},
			"q3_k_m": {q3k: 69, q4k: 48, q5k: 3, q6k: 1}, "q3_k_l": {q3k: 69, q5k: 51, q6k: 1}, "q4_k_m": {q4k: 102, q6k: 19},
		}},
	} {
		for recipe, want := range c.want {
			m, err := recipe.Of(c.config)
			if err != nil {
				t.Fatal(err)
			}
			got := counts{}
			for _, x := range matricesOf(c.config) {
				d, note := m.Choose(x.name, x.layer, x.k)
				if got[d]++; (note == "") != (d == m.base) {
					t.Errorf("%s: %s: %s is %v, because %q", name, recipe, x.name, d, note)
				}
			}
			if !maps.Equal(got, want) {
				t.Errorf("%s: %s: %v, want %v", name, recipe, got, want)
			}
		}
	}
	// Which layers get more bits, on SmolLM2 (30 layers; Q4_K_M).
	m, _ := Recipe("q4_k_m").Of(llama(30, 3, 1, 1536, true))
	more := ""
	for i := range 30 {
		if d, _ := m.Choose(fmt.Sprintf("blk.%d.ffn_down.weight", i), i, 1536); d == q6k {
			more += fmt.Sprint(i, " ")
		}
	}
	if want := "0 1 2 5 8 11 14 17 20 23 26 27 28 29 "; more != want {
		t.Errorf("down projections of layers %sget more bits, want %s", more, want)
	}
}

// TestParseRecipe reads names in either case.
func TestParseRecipe(t *testing.T) {
	for _, name := range []string{"q4_k_m", "Q4_K_M", "f32"} {
		if _, err := ParseRecipe(name, FileRecipes()); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"int8", "experts-int8"} {
		if _, err := ParseRecipe(name, FileRecipes()); err == nil {
			t.Errorf("a standard file in %s", name)
		}
		if _, err := ParseRecipe(name, NativeRecipes()); err != nil {
			t.Error(err)
		}
	}
	if r, err := ParseRecipe("Experts-Int8", WeightRecipes()); err != nil || r != ExpertsInt8 {
		t.Error(r, err)
	}
	if _, err := ParseRecipe("bf16", WeightRecipes()); err == nil {
		t.Error("weights rounded to bf16")
	}
}

// TestInt8 expects which matrices have one scale a row.
func TestInt8(t *testing.T) {
	c := &model.Config{Architecture: "mixtral", Layers: []model.Layer{{MoE: &model.MoE{NumExperts: 8}}}}
	for _, x := range []struct {
		recipe Recipe
		name   string
		k      int
		want   tensor.DType
		note   string
	}{
		{Int8, "blk.0.attn_q.weight", 512, tensor.INT8, ""},
		{Int8, "blk.0.ffn_down_exps.weight", 512, tensor.INT8, ""},
		{Int8, "output.weight", 512, tensor.Q8_0, "more bits for the output and the embedding"},
		{Int8, "token_embd.weight", 512, tensor.Q8_0, "more bits for the output and the embedding"},
		{Int8, "blk.0.attn_q.weight", 48, tensor.F16, "rows of 48 are no multiple of 32"},
		{Int8, "blk.0.attn_q.weight", 1<<16 + 32, tensor.F16, "rows of 65568 are longer than 65536"},
		{ExpertsInt8, "blk.0.attn_q.weight", 512, tensor.BF16, "no MLP"},
		{ExpertsInt8, "blk.0.ffn_down_exps.weight", 512, tensor.INT8, ""},
		{ExpertsInt8, "blk.0.ffn_down.weight", 512, tensor.INT8, ""},
		{ExpertsInt8, "blk.0.ffn_down_exps.weight", 48, tensor.BF16, "rows of 48 are no multiple of 32"},
		{ExpertsInt8, "token_embd.weight", 512, tensor.BF16, "no MLP"},
	} {
		m, err := x.recipe.Of(c)
		if err != nil {
			t.Fatal(err)
		}
		if d, note := m.Choose(x.name, 0, x.k); d != x.want || note != x.note {
			t.Errorf("%s: %s with rows of %d is %v, because %q", x.recipe, x.name, x.k, d, note)
		}
		if _, ok := m.FileType(); ok {
			t.Errorf("%s has a number of llama.cpp's", x.recipe)
		}
	}
}
