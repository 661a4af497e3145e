package checkpoint

import (
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jamba/format/gguf"
	"jamba/model"
	"jamba/tensor"
)

// config parses a config.json of few words.
func config(t *testing.T, src string) model.Config {
	t.Helper()
	c, err := ParseConfig([]byte(src))
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return c
}

func TestHFSettings(t *testing.T) {
	att := func(c model.Config) *model.Attention { return c.Layers[0].Attention }
	for _, test := range []struct {
		config    string
		got       func(model.Config) any
		want      any
		condition string
	}{
		{`{"model_type":"jamba","num_local_experts":5}`, func(c model.Config) any { return c.Layers[1].MoE.NumExperts }, 5, "the alias of num_experts"},
		{`{"model_type":"jamba","num_local_experts":1}`, func(c model.Config) any { return c.Layers[1].String() }, "mamba + mlp", "one expert is an MLP"},
		{`{"model_type":"jamba","num_experts":6}`, func(c model.Config) any { return c.Layers[1].MoE.NumExperts }, 6, ""},
		{`{"model_type":"mixtral","num_local_experts":3}`, func(c model.Config) any { return c.Layers[0].MoE.NumExperts }, 3, ""},

		{`{"model_type":"llama","sliding_window":99}`, func(c model.Config) any { return att(c).SlidingWindow }, 0, "Llama has none, whatever its file says"},
		{`{"model_type":"mistral","sliding_window":99}`, func(c model.Config) any { return att(c).SlidingWindow }, 99, ""},
		{`{"model_type":"mixtral","sliding_window":99}`, func(c model.Config) any { return att(c).SlidingWindow }, 99, ""},
		{`{"model_type":"mistral"}`, func(c model.Config) any { return att(c).SlidingWindow }, 4096, "Mistral's default"},
		{`{"model_type":"mistral","sliding_window":null}`, func(c model.Config) any { return att(c).SlidingWindow }, 0, ""},
		{`{"model_type":"mixtral"}`, func(c model.Config) any { return att(c).SlidingWindow }, 0, ""},

		{`{"model_type":"jamba","hidden_size":6432,"mamba_dt_rank":"auto"}`, func(c model.Config) any { return c.Layers[0].Mamba.DtRank }, 402, "hidden_size/16"},
		{`{"model_type":"jamba","hidden_size":4128}`, func(c model.Config) any { return c.Layers[0].Mamba.DtRank }, 258, "auto is the default"},
		{`{"model_type":"jamba","mamba_dt_rank":7}`, func(c model.Config) any { return c.Layers[0].Mamba.DtRank }, 7, ""},
		{`{"model_type":"mamba","hidden_size":770,"time_step_rank":"auto"}`, func(c model.Config) any { return c.Layers[0].Mamba.DtRank }, 49, "rounded up"},
		{`{"model_type":"mamba","hidden_size":770,"time_step_rank":5}`, func(c model.Config) any { return c.Layers[0].Mamba.DtRank }, 5, ""},

		{`{"model_type":"llama","head_dim":null}`, func(c model.Config) any { return att(c).HeadDim }, 128, "hidden_size/num_attention_heads"},
		{`{"model_type":"llama","head_dim":64}`, func(c model.Config) any { return att(c).HeadDim }, 64, ""},
		{`{"model_type":"llama","head_dim":64,"hidden_size":100}`, func(c model.Config) any { return att(c).HeadDim }, 64, "given, it need not divide"},
		{`{"model_type":"llama"}`, func(c model.Config) any { return att(c).NumKeyValueHeads }, 32, "one for each head"},
		{`{"model_type":"llama","num_key_value_heads":4}`, func(c model.Config) any { return att(c).NumKeyValueHeads }, 4, ""},
		{`{"model_type":"mistral","num_key_value_heads":null}`, func(c model.Config) any { return att(c).NumKeyValueHeads }, 32, "one for each head"},
		{`{"model_type":"llama","attention_bias":true,"mlp_bias":true}`, func(c model.Config) any { return []bool{att(c).Bias, c.Layers[0].MLP.Bias} }, []bool{true, true}, ""},

		{`{"model_type":"llama","eos_token_id":[3,5,7]}`, func(c model.Config) any { return c.EOSTokenIDs }, []int32{3, 5, 7}, ""},
		{`{"model_type":"llama","eos_token_id":3}`, func(c model.Config) any { return c.EOSTokenIDs }, []int32{3}, ""},
		{`{"model_type":"llama","eos_token_id":null}`, func(c model.Config) any { return len(c.EOSTokenIDs) }, 0, ""},
		{`{"model_type":"llama","bos_token_id":null}`, func(c model.Config) any { return c.BOSTokenID }, -1, ""},
	} {
		if diff := cmp.Diff(test.want, test.got(config(t, test.config))); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", test.config, test.condition, diff)
		}
	}
}

func TestHFRoPE(t *testing.T) {
	// YaRN's factor of cosines and sines for m (Peng et al. 2023, equation 22; m is DeepSeek's addition).
	scale := func(factor, m float64) float64 { return 0.1*m*math.Log(factor) + 1 }
	yarn := func(change func(*model.RoPE)) model.RoPE {
		r := model.RoPE{Theta: 10000, Scaling: "yarn", Factor: 4, OriginalMax: 1024, BetaFast: 32, BetaSlow: 1}
		if change != nil {
			change(&r)
		}
		return r
	}
	for _, test := range []struct {
		keys string // beside model_type and max_position_embeddings
		want model.RoPE
	}{
		{``, model.RoPE{Theta: 10000}},
		{`"rope_theta":5e5`, model.RoPE{Theta: 5e5}},
		{`"rope_theta":5e5,"rope_scaling":null`, model.RoPE{Theta: 5e5}},
		{`"rope_theta":5e5,"partial_rotary_factor":1.0`, model.RoPE{Theta: 5e5}},
		{`"rope_parameters":{"rope_type":"default","rope_theta":7e5,"partial_rotary_factor":1}`, model.RoPE{Theta: 7e5}},
		{`"rope_theta":5e5,"rope_parameters":{"rope_theta":7e5}`, model.RoPE{Theta: 7e5}},
		{`"rope_theta":5e5,"rope_parameters":{"rope_type":"default","factor":8}`, model.RoPE{Theta: 5e5}},
		{`"rope_parameters":{"rope_type":"linear","factor":2},"rope_scaling":{"type":"linear","factor":8}`, model.RoPE{Theta: 10000, Scaling: "linear", Factor: 8}},
		{`"rope_scaling":{"type":"linear","factor":2}`, model.RoPE{Theta: 10000, Scaling: "linear", Factor: 2}},
		{`"rope_scaling":{"rope_type":"linear","type":"yarn","factor":2}`, model.RoPE{Theta: 10000, Scaling: "linear", Factor: 2}},
		{
			`"rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,"original_max_position_embeddings":512}`,
			model.RoPE{Theta: 10000, Scaling: "llama3", Factor: 8, LowFreq: 1, HighFreq: 4, OriginalMax: 512},
		},
		{`"rope_scaling":{"rope_type":"yarn","factor":4,"original_max_position_embeddings":1024}`, yarn(nil)},
		{`"rope_scaling":{"rope_type":"yarn","factor":4}`, yarn(func(r *model.RoPE) { r.OriginalMax = 4096 })},
		{`"rope_scaling":{"rope_type":"yarn","original_max_position_embeddings":512}`, yarn(func(r *model.RoPE) { r.OriginalMax, r.Factor = 512, 8 })},
		{`"rope_scaling":{"rope_type":"yarn","factor":3,"original_max_position_embeddings":512}`, yarn(func(r *model.RoPE) { r.OriginalMax, r.Factor = 512, 3 })},
		{
			`"rope_scaling":{"rope_type":"yarn","factor":4,"original_max_position_embeddings":1024,"beta_fast":20,"beta_slow":2}`,
			yarn(func(r *model.RoPE) { r.BetaFast, r.BetaSlow = 20, 2 }),
		},
		{
			`"rope_scaling":{"rope_type":"yarn","factor":4,"original_max_position_embeddings":1024,"attention_factor":0.7}`,
			yarn(func(r *model.RoPE) { r.AttnFactor = 0.7 }),
		},
		{
			`"rope_scaling":{"rope_type":"yarn","factor":4,"original_max_position_embeddings":1024,"mscale":0.8,"mscale_all_dim":0.5}`,
			yarn(func(r *model.RoPE) { r.AttnFactor = scale(4, 0.8) / scale(4, 0.5) }),
		},
		{
			`"rope_scaling":{"rope_type":"yarn","factor":4,"original_max_position_embeddings":1024,"mscale":0.8,"mscale_all_dim":0.5,"attention_factor":0.7}`,
			yarn(func(r *model.RoPE) { r.AttnFactor = 0.7 }),
		},
		{`"rope_scaling":{"rope_type":"yarn","factor":4,"original_max_position_embeddings":1024,"mscale":0.8}`, yarn(nil)},
		{`"rope_scaling":{"rope_type":"yarn","factor":4,"original_max_position_embeddings":1024,"truncate":false}`, yarn(func(r *model.RoPE) { r.Fractional = true })},
		{`"rope_scaling":{"rope_type":"yarn","factor":4,"original_max_position_embeddings":1024,"truncate":true}`, yarn(nil)},
	} {
		src := `{"model_type":"llama","max_position_embeddings":4096`
		if test.keys != "" {
			src += "," + test.keys
		}
		if diff := cmp.Diff(&test.want, config(t, src+"}").Layers[0].Attention.RoPE); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.keys, diff)
		}
	}
	for _, keys := range []string{
		`"partial_rotary_factor":0.5`, `"rope_scaling":{"rope_type":"linear","factor":2,"partial_rotary_factor":0.5}`,
		`"rope_parameters":{"rope_theta":10000,"partial_rotary_factor":0.5}`,
	} {
		if _, err := ParseConfig([]byte(`{"model_type":"llama",` + keys + `}`)); err == nil || !strings.Contains(err.Error(), "partial_rotary_factor 0.5 is not supported") {
			t.Errorf("%s: error %v", keys, err)
		}
	}
	c := config(t, `{"model_type":"jamba","rope_theta":5e5}`)
	if c.Layers[4].Attention.RoPE != nil {
		t.Error("Jamba has no positional encoding")
	}
	// All layers share one, so that its table is computed once.
	if c = config(t, `{"model_type":"llama"}`); c.Layers[0].Attention.RoPE != c.Layers[31].Attention.RoPE {
		t.Error("each layer has a rotary embedding of its own")
	}
}

// kv are keys and values, dims the shapes of tensors by name.
type (
	kv   = map[string]any
	dims = map[string][]int
)

// ggufConfig writes a file of zeros and reads its configuration. keys are of the architecture unless they have a dot at
// the beginning, and nil takes one away.
func ggufConfig(t *testing.T, arch string, keys kv, tensors dims) (model.Config, error) {
	t.Helper()
	all := kv{
		".general.architecture": arch, "embedding_length": uint32(8), "block_count": uint32(2), "context_length": uint32(64),
		"attention.layer_norm_rms_epsilon": float32(1e-5), "attention.head_count": uint32(2), "feed_forward_length": uint32(16),
	}
	if arch != "llama" {
		maps.Copy(all, kv{
			"attention.head_count_kv": []int32{0, 1}, "ssm.inner_size": uint32(16), "ssm.state_size": uint32(4), "ssm.conv_kernel": uint32(3), "ssm.time_step_rank": uint32(2),
		})
	}
	maps.Copy(all, keys)
	var meta gguf.Metadata
	for key, v := range all {
		name, plain := strings.CutPrefix(key, ".")
		if !plain {
			name = arch + "." + key
		}
		if v != nil {
			meta = append(meta, gguf.KV{Key: name, Value: v})
		}
	}
	shapes := dims{"token_embd.weight": {32, 8}}
	maps.Copy(shapes, tensors)
	var sources []gguf.Source
	for name, shape := range shapes {
		n := 1
		for _, d := range shape {
			n *= d
		}
		sources = append(sources, gguf.FromTensor(tensor.FromFloat32s(name, slices.Repeat([]float32{2}, n), shape...)))
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := gguf.WriteFile(path, meta, sources); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	src := ggufSource{File: f, infos: map[string]gguf.Info{}}
	for _, info := range f.Tensors() {
		src.infos[info.Name] = info
	}
	c, _, err := settingsFromGGUF(src)
	return c, err
}

func TestGGUFSettings(t *testing.T) {
	att := func(c model.Config) *model.Attention { return c.Layers[0].Attention }
	rope := func(c model.Config) any { return *att(c).RoPE }
	plain := model.RoPE{Theta: 10000, Interleaved: true}
	linear := model.RoPE{Theta: 10000, Scaling: "linear", Factor: 4, OriginalMax: 64, BetaFast: 32, BetaSlow: 1, Interleaved: true}
	yarn := func(change func(*model.RoPE)) model.RoPE {
		r := linear
		r.Scaling = "yarn"
		change(&r)
		return r
	}
	f := func(x float64) float32 { return float32(x) }
	for _, test := range []struct {
		name, arch string
		keys       kv
		tensors    dims
		got        func(model.Config) any
		want       any
	}{
		{"no scaling", "llama", nil, nil, rope, plain},
		{"theta", "llama", kv{"rope.freq_base": f(5e5)}, nil, rope, model.RoPE{Theta: 5e5, Interleaved: true}},
		{"a factor alone is linear", "llama", kv{"rope.scaling.factor": f(4)}, nil, rope, linear},
		{"its older name", "llama", kv{"rope.scale_linear": f(4)}, nil, rope, linear},
		{"the newer name goes first", "llama", kv{"rope.scaling.factor": f(4), "rope.scale_linear": f(2)}, nil, rope, linear},
		{"linear", "llama", kv{"rope.scaling.type": "linear", "rope.scaling.factor": f(4)}, nil, rope, linear},
		{"type none", "llama", kv{"rope.scaling.type": "none", "rope.scaling.factor": f(4)}, nil, func(c model.Config) any { return att(c).RoPE.Scaling }, ""},
		{
			"yarn", "llama",
			kv{"rope.scaling.type": "yarn", "rope.scaling.factor": f(4), "rope.scaling.original_context_length": uint32(16)},
			nil, rope,
			yarn(func(r *model.RoPE) { r.OriginalMax = 16 }),
		},
		{
			"yarn's betas", "llama",
			kv{
				"rope.scaling.type": "yarn", "rope.scaling.factor": f(4), "rope.scaling.yarn_beta_fast": f(20), "rope.scaling.yarn_beta_slow": f(2),
			},
			nil, rope,
			yarn(func(r *model.RoPE) { r.BetaFast, r.BetaSlow = 20, 2 }),
		},
		{
			// llama.cpp multiplies the key's factor by 0.1 ln(factor) + 1.
			"yarn's attention factor", "llama",
			kv{"rope.scaling.type": "yarn", "rope.scaling.factor": f(4), "rope.scaling.attn_factor": f(0.75)},
			nil, rope,
			yarn(func(r *model.RoPE) { r.AttnFactor = 0.75 * (0.1*math.Log(4) + 1) }),
		},
		{"yarn's attention factor of 1", "llama", kv{"rope.scaling.type": "yarn", "rope.scaling.factor": f(4), "rope.scaling.attn_factor": f(1)}, nil, rope, yarn(func(*model.RoPE) {})},
		{
			"divisors", "llama", nil,
			dims{"rope_freqs.weight": {2}},
			rope,
			model.RoPE{Theta: 10000, FreqFactors: []float32{2, 2}, Interleaved: true},
		},

		{"no bias", "llama", nil, nil, func(c model.Config) any { return att(c).Bias }, false},
		{"bias", "llama", nil, dims{"blk.0.attn_q.bias": {8}, "blk.1.attn_q.bias": {8}}, func(c model.Config) any { return att(c).Bias }, true},
		{"bias of another layer", "llama", nil, dims{"blk.1.attn_q.bias": {8}}, func(c model.Config) any { return []bool{att(c).Bias, c.Layers[1].Attention.Bias} }, []bool{false, true}},
		{"mlp bias", "llama", nil, dims{"blk.0.ffn_gate.bias": {16}}, func(c model.Config) any { return c.Layers[0].MLP.Bias }, true},

		{"head dim", "llama", nil, nil, func(c model.Config) any { return att(c).HeadDim }, 4},
		{"key length", "llama", kv{"attention.key_length": uint32(6)}, nil, func(c model.Config) any { return att(c).HeadDim }, 6},
		{"key length in Jamba", "jamba", kv{"attention.key_length": uint32(6)}, nil, func(c model.Config) any { return c.Layers[1].Attention.HeadDim }, 6},
		{"a key/value head for each", "llama", nil, nil, func(c model.Config) any { return att(c).NumKeyValueHeads }, 2},
		{"key/value heads", "llama", kv{"attention.head_count_kv": uint32(1)}, nil, func(c model.Config) any { return att(c).NumKeyValueHeads }, 1},

		{"no end token", "llama", nil, nil, func(c model.Config) any { return len(c.EOSTokenIDs) }, 0},
		{"eos", "llama", kv{".tokenizer.ggml.eos_token_id": uint32(3)}, nil, func(c model.Config) any { return c.EOSTokenIDs }, []int32{3}},
		{
			"eos, eot and eom", "llama", kv{
				".tokenizer.ggml.eos_token_id": uint32(3), ".tokenizer.ggml.eot_token_id": uint32(5), ".tokenizer.ggml.eom_token_id": uint32(0),
			}, nil, func(c model.Config) any { return c.EOSTokenIDs }, []int32{3, 5, 0},
		},

		{"tied", "llama", nil, nil, func(c model.Config) any { return c.TieWordEmbeddings }, true},
		{"not tied", "llama", nil, dims{"output.weight": {32, 8}}, func(c model.Config) any { return c.TieWordEmbeddings }, false},
		{"vocabulary", "jamba", nil, dims{"token_embd.weight": {40, 8}}, func(c model.Config) any { return c.VocabSize }, 40},
		{"schedule", "jamba", nil, nil, func(c model.Config) any { return fmt.Sprint(c.Layers) }, "[mamba + mlp attention + mlp]"},
		{
			"experts", "jamba",
			kv{"expert_count": uint32(4), "expert_used_count": uint32(2)},
			dims{"blk.1.ffn_gate_inp.weight": {4, 8}},
			func(c model.Config) any { return []any{c.Layers[0].String(), *c.Layers[1].MoE} },
			[]any{"mamba + mlp", model.MoE{IntermediateSize: 16, NumExperts: 4, NumExpertsPerTok: 2, NormTopKProb: false}},
		},
		{
			"mixtral", "llama",
			kv{"expert_count": uint32(4), "expert_used_count": uint32(2)},
			nil,
			func(c model.Config) any { return []any{c.Architecture, *c.Layers[0].MoE} },
			[]any{"mixtral", model.MoE{IntermediateSize: 16, NumExperts: 4, NumExpertsPerTok: 2, NormTopKProb: true}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := ggufConfig(t, test.arch, test.keys, test.tensors)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, test.got(c)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestBadGGUFSettings(t *testing.T) {
	for _, test := range []struct {
		name, arch string
		keys       kv
		tensors    dims
		want       string
	}{
		{"falcon", "mamba", kv{"ssm.dt_b_c_rms": true}, nil, "mamba.ssm.dt_b_c_rms (Falcon-Mamba) is not supported"},
		{"router without experts", "jamba", nil, dims{"blk.1.ffn_gate_inp.weight": {4, 8}}, "jamba.expert_count is missing or 1, but layer 1 has a router"},
		{
			"router with one expert", "jamba",
			kv{"expert_count": uint32(1)},
			dims{"blk.0.ffn_gate_inp.weight": {1, 8}},
			"jamba.expert_count is missing or 1, but layer 0 has a router",
		},
		{"experts without how many are used", "jamba", kv{"expert_count": uint32(4)}, nil, "jamba.expert_used_count"},
		{"embedding of 1 dimension", "llama", nil, dims{"token_embd.weight": {8}}, "token_embd.weight: shape [8], want [vocabulary, 8]"},
		{"embedding of 3 dimensions", "llama", nil, dims{"token_embd.weight": {2, 32, 8}}, "token_embd.weight: shape [2 32 8], want [vocabulary, 8]"},
		{"key/value heads", "jamba", kv{"attention.head_count_kv": []int32{0, 1, 1}}, nil, "jamba.attention.head_count_kv has 3 values for 2 layers"},
		{"partial rotation", "llama", kv{"rope.dimension_count": uint32(2)}, nil, "llama.rope.dimension_count 2 is not the head's dimension 4"},
		{"divisors", "llama", nil, dims{"rope_freqs.weight": {3}}, "rope_freqs.weight: shape [3], want [2]"},
		{"heads", "llama", kv{"attention.head_count": nil}, nil, "llama.attention.head_count"},
		{"scaling", "llama", kv{"rope.scaling.type": "longrope", "rope.scaling.factor": float32(4)}, nil, `rope scaling "longrope" is not supported`},
		{"type", "llama", kv{"rope.scaling.factor": "four"}, nil, "llama.rope.scaling.factor"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := ggufConfig(t, test.arch, test.keys, test.tensors); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
	if _, err := ggufConfig(t, "mamba", kv{"ssm.dt_b_c_rms": false, "attention.head_count_kv": nil}, nil); err != nil {
		t.Errorf("Mamba without Falcon's norms: %v", err)
	}
}
