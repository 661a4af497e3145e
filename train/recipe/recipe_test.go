package recipe

import (
	"fmt"
	"strings"
	"testing"

	"jamba/model"
)

// A preset and its variants are a Jamba with all parts, a Llama and a Mamba of the same size.
func TestPresets(t *testing.T) {
	for _, name := range []string{"nano", "tiny", "small"} {
		size := map[string]int64{}
		for _, variant := range []string{"", "-transformer", "-mamba"} {
			r, err := Open(name + variant)
			if err != nil {
				t.Fatal(err)
			}
			if name == "small" { // parameters without the memory
				size[variant] = parameters(&r.Config)
				continue
			}
			m, err := model.New(r.Config, 1, model.InitializerRange)
			if err != nil {
				t.Fatal(err)
			}
			total := m.Sizes().Total()
			size[variant] = total.Params
			t.Log(name+variant, total.Params, total.ActiveParams)
			if got := parameters(&r.Config); got != total.Params {
				t.Errorf("%s%s: the test counts %d parameters, the model %d", name, variant, got, total.Params)
			}
		}
		for variant, n := range size {
			if d := float64(n)/float64(size[""]) - 1; d < -0.03 || d > 0.03 {
				t.Errorf("%s%s has %d parameters, %s has %d", name, variant, n, name, size[""])
			}
		}
		r, _ := Open(name)
		parts := map[string]bool{}
		for _, l := range r.Config.Layers {
			parts[l.String()] = true
		}
		if !parts["mamba + mlp"] || !parts["mamba + moe"] || !parts["attention + mlp"] && !parts["attention + moe"] {
			t.Errorf("%s has layers %v", name, parts)
		}
	}
	if _, err := Open("huge"); err == nil || !strings.Contains(err.Error(), "presets are nano, nano-mamba, nano-transformer, small") {
		t.Error(err)
	}
}

func parameters(c *model.Config) int64 {
	m := c.HiddenSize
	n := c.VocabSize*m + m
	if !c.TieWordEmbeddings {
		n += c.VocabSize * m
	}
	for _, l := range c.Layers {
		n += m
		if a := l.Attention; a != nil {
			n += 2*m*a.NumAttentionHeads*a.HeadDim + 2*m*a.NumKeyValueHeads*a.HeadDim
		}
		if x := l.Mamba; x != nil {
			n += 3*m*x.DInner + x.DInner*(x.DConv+1) + x.DInner*(x.DtRank+2*x.DState) + x.DInner*(x.DtRank+1) + x.DInner*(x.DState+1)
			if x.InnerNorms {
				n += x.DtRank + 2*x.DState
			}
		}
		if l.MLP != nil {
			n += m + 3*m*l.MLP.IntermediateSize
		}
		if e := l.MoE; e != nil {
			n += m + e.NumExperts*(m+3*m*e.IntermediateSize)
		}
	}
	return int64(n)
}

// bomb is a small file that means a large one.
func bomb() string {
	s := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		s += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 10))
	}
	return s
}

const plain = `
model_type: jamba
hidden_size: 32
num_attention_heads: 4
num_key_value_heads: 2
intermediate_size: 64
num_experts: 4
`

// Listed layers are the same as periods and offsets.
func TestLayers(t *testing.T) {
	r, err := Parse([]byte(plain+"layers: [mamba + mlp, attention + moe, mamba+mlp, attention + moe]\n"), false)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range r.Config.Layers {
		got = append(got, l.String())
	}
	if s := strings.Join(got, ", "); s != "mamba + mlp, attention + moe, mamba + mlp, attention + moe" {
		t.Error(s)
	}
	if r, err = Parse([]byte(plain+"layers: [mamba + mlp]\n"), false); err != nil || r.Config.Layers[0].String() != "mamba + mlp" {
		t.Error(err)
	}
}

func TestInitializerRange(t *testing.T) {
	for word, want := range map[string]float64{"": model.InitializerRange, "initializer_range: null": model.InitializerRange, "initializer_range: 0.125": 0.125, "initializer_range: 1": 1} {
		if r, err := Parse([]byte(plain+"num_hidden_layers: 2\n"+word+"\n"), false); err != nil || r.InitializerRange != want {
			t.Errorf("%s: %v, %v", word, r.InitializerRange, err)
		}
	}
	// Files of others mean other things by it.
	if r, err := Parse([]byte(plain+"num_hidden_layers: 2\ninitializer_range: 0.1\n"), true); err != nil || r.InitializerRange != model.InitializerRange {
		t.Errorf("of a config.json: %v, %v", r.InitializerRange, err)
	}
}

func TestTrainSection(t *testing.T) {
	r, err := Parse([]byte(plain+"num_hidden_layers: 2\ntrain:\n  lr: 1e-3\n  betas: [0.9, 0.95]\n"), false)
	if err != nil || string(r.Train) != `{"betas":[0.9,0.95],"lr":0.001}` {
		t.Error(string(r.Train), err)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ more, want string }{
		{"hiden_size: 3", "hiden_size is no word for a model of type jamba"},
		{"layers: mamba", "layers: want a list such as"},
		{"layers: [mamba + mlp, mamba]", `layers: layer 1 is "mamba", want attention or mamba + mlp or moe`},
		{"layers: [attention + mlp, attention + mlp, mamba + mlp]", "layers: attention comes in layers [0 1]"},
		{"layers: [mamba + mlp, mamba + moe, mamba + moe]", "layers: moe comes in layers [1 2]"},
		{"layers: [mamba + mlp]\nnum_hidden_layers: 1", "layers: say it either so or with num_hidden_layers"},
		{"initializer_range: 2", "initializer_range is 2, want a number above 0, 1 at most"},
		{"initializer_range: wide", "initializer_range is wide"},
		{"train: fast", "train: want words and values below it"},
		{"vocab_size: many", "vocab_size is a JSON string, want an integer"},
		{"vocab_size: 99999999999", "vocab_size"},
		{bomb(), "document contains excessive aliasing"},
		{"\thidden: [", "is no YAML"},
	} {
		if _, err := Parse([]byte(plain+c.more+"\n"), false); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want one with %q", c.more, err, c.want)
		}
	}
	if _, err := Parse([]byte(`{"model_type": "mamba", "transformers_version": "5", "hidden_size": 64}`), true); err != nil {
		t.Error(err)
	}
	if _, err := Parse([]byte("model_type: llama\nlayers: [mamba + mlp]\n"), false); err == nil || !strings.Contains(err.Error(), "a model of type llama has no such list") {
		t.Error(err)
	}
	if _, err := Parse([]byte(`- 1`), false); err == nil {
		t.Error("a list is a recipe")
	}
}
