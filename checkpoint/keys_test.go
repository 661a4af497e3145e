package checkpoint

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestForeignKeys changes settings so that they make another network.
func TestForeignKeys(t *testing.T) {
	for _, test := range []struct{ arch, keys, want string }{
		{"llama", `"logit_scale":0.0625`, "logit_scale 0.0625 makes another network than that of Llama"},
		{"llama", `"logits_scaling":8`, "logits_scaling 8"},
		{"llama", `"embedding_multiplier":12.0`, "embedding_multiplier 12"},
		{"llama", `"residual_multiplier":0`, "residual_multiplier 0"},
		{"llama", `"attention_multiplier":0.0078125`, "attention_multiplier 0.0078125"},
		{"llama", `"attn_logit_softcapping":50.0`, "attn_logit_softcapping 50"},
		{"llama", `"final_logit_softcapping":30.0`, "final_logit_softcapping 30"},
		{"llama", `"clip_qkv":8`, "clip_qkv 8"},
		{"llama", `"qk_norm":true`, "qk_norm true"},
		{"llama", `"no_rope_layers":[1,1,1,0]`, "no_rope_layers [1,1,1,0]"},
		{"llama", `"per_layer_config":{"1":{"rms_norm_eps":0.5}}`, "per_layer_config"},
		{"llama", `"add_cross_attention":true`, "add_cross_attention true"},
		{"llama", `"pruned_heads":{"1":[0]}`, "pruned_heads"},
		{"llama", `"layer_types":["sliding_attention","full_attention"],"num_hidden_layers":2`, `layer_types: layer 0 is "sliding_attention"`},
		{"llama", `"layer_types":["full_attention"],"num_hidden_layers":2`, "layer_types has 1 entries for 2 layers"},
		{"llama", `"layer_types":["full_attention","conv"],"num_hidden_layers":2`, `layer_types: layer 1 is "conv"`},
		{"mistral", `"layer_types":["sliding_attention","chunked_attention"],"num_hidden_layers":2`, `layer_types: layer 1 is "chunked_attention"`},
		{"mistral", `"layer_types":["sliding_attention","full_attention"],"num_hidden_layers":2,"sliding_window":null`, "layer_types: layer 0"},
		{"mixtral", `"layer_types":["sliding_attention","full_attention"],"num_hidden_layers":2,"sliding_window":8`, "layer_types: layer 1"},
		{"jamba", `"layer_types":["attention","mamba"],"num_hidden_layers":2`, "layer_types: layer 0"},
		{"jamba", `"layers_block_type":["attention","mamba"],"num_hidden_layers":2`, "layers_block_type: layer 0"},
		{"jamba", `"mamba_inner_layernorms":false`, "mamba_inner_layernorms false"},
		{"jamba", `"norm_topk_prob":true`, "norm_topk_prob true"},
		{"mixtral", `"norm_topk_prob":false`, "norm_topk_prob false"},
		{"mixtral", `"sliding_window":[4,8]`, "sliding_window is a JSON array, want an integer"},
		{"mistral", `"sliding_window":0`, "sliding_window is 0"},
		{"mamba", `"rms_norm":false`, "rms_norm false"},
		{"mamba", `"ssm_cfg":{"layer":"Mamba2"}`, "ssm_cfg"},
		{"mamba", `"time_step_limit":[0.0,1.0]`, "time_step_limit"},
		{"mamba", `"rescale_prenorm_residual":true`, "rescale_prenorm_residual true"},
		{"mamba", `"d_model":5`, "d_model 5 is not what hidden_size says"},
		{"llama", `"rope_parameters":{"full_attention":{"rope_type":"linear","factor":2}}`, "rope_parameters: full_attention has settings of its own"},
		{"llama", `"rope_scaling":{"rope_type":"longrope","short_factor":[1],"long_factor":[1]}`, `rope scaling "longrope" is not supported`},
		{"llama", `"rope_scaling":{"rope_type":"proportional"}`, `rope scaling "proportional" is not supported`},
		{"llama", `"quantization_config":{"quant_method":"awq","bits":4}`, "quantization_config: the weights are quantized: AWQ"},
		{"llama", `"quantization_config":{"load_in_8bit":true}`, "bitsandbytes"},
		{"llama", `"quantization_config":{"quant_method":"compressed-tensors"}`, "compressed-tensors"},
		{"llama", `"quantization_config":{"quant_method":"new-one"}`, "new-one"},
		{"llama", `"quantization":{"group_size":64,"bits":4}`, "MLX"},
		{"granite", `"architectures":["LlamaForCausalLM"]`, `architecture "GraniteForCausalLM" is not supported`},
		{"llama", `"architectures":["LlamaForSequenceClassification"]`, `architecture "LlamaForSequenceClassification" is not supported`},
		{"llama", `"hidden_activation":"gelu"`, `hidden_activation "gelu"`},
	} {
		src := fmt.Sprintf(`{"model_type":%q,%s}`, test.arch, test.keys)
		_, err := ParseConfig([]byte(src))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", src, err, test.want)
		}
	}
}

// TestIndifferentKeys has keys with values that change nothing, and the settings of published checkpoints.
func TestIndifferentKeys(t *testing.T) {
	for _, src := range []string{
		`{"model_type":"llama","logit_scale":1.0,"attn_logit_softcapping":null,"clip_qkv":null,"qk_norm":false,"no_rope_layers":[],"layer_types":null,
			"use_sliding_window":false,"sliding_window":null,"residual_multiplier":1,"is_decoder":true,"chunk_size_feed_forward":3,"_attn_implementation":"eager",
			"id2label":{"0":"LABEL_0"},"torch_dtype":"bfloat16","transformers_version":"4.1","rope_interleaved":false,"is_llama_config":true,"pretraining_tp":4,
			"partial_rotary_factor":1.0,"quantization_config":null,"pruned_heads":{},"temperature":0.6,"architectures":["LLaMAForCausalLM"]}`,
		`{"architectures":["JambaForCausalLM"],"attention_dropout":0.0,"calc_logits_for_entire_prompt":false,"hidden_act":"silu","initializer_range":0.02,
			"mamba_inner_layernorms":true,"mamba_proj_bias":false,"model_type":"jamba","n_ctx":262144,"num_logits_to_keep":1,"output_router_logits":false,
			"router_aux_loss_coef":0.001,"sliding_window":null,"use_cache":true,"use_mamba_kernels":true,"num_hidden_layers":2,"layers_block_type":["mamba","mamba"]}`,
		`{"architectures":["MambaForCausalLM"],"d_inner":1536,"d_model":768,"hidden_size":768,"fused_add_norm":true,"intermediate_size":1536,"model_type":"mamba","n_layer":24,
			"num_hidden_layers":24,"pad_vocab_size_multiple":8,"residual_in_fp32":true,"rescale_prenorm_residual":false,"rms_norm":true,"ssm_cfg":{},
			"time_step_floor":0.0001,"time_step_init_scheme":"random","time_step_max":0.1,"time_step_min":0.001,"time_step_rank":48,"time_step_scale":1.0,"use_bias":false}`,
		`{"model_type":"mixtral","norm_topk_prob":true,"output_router_logits":false,"router_jitter_noise":0.0,"num_experts":4}`,
	} {
		if _, warnings, err := parseConfig([]byte(src)); err != nil || len(warnings) > 0 {
			t.Errorf("%s: error %v, warnings %q", src, err, warnings)
		}
	}
}

func TestUnknownKeys(t *testing.T) {
	keys := map[string]any{"model_type": "llama", "Hidden_Size": 8, "rope_parameters": map[string]any{"rope_type": "linear", "factor": 2, "inner_surprise": 1}}
	for i := range 60 {
		keys[fmt.Sprintf("surprise_%02d", i)] = i
	}
	b, err := json.Marshal(keys)
	if err != nil {
		t.Fatal(err)
	}
	c, warnings, err := parseConfig(b)
	if err != nil || c.HiddenSize != 4096 {
		t.Fatalf("%v, hidden size %d", err, c.HiddenSize)
	}
	said := strings.Join(warnings, "\n")
	for _, key := range []string{"surprise_00", "surprise_59", "Hidden_Size", "rope_parameters.inner_surprise"} {
		if !strings.Contains(said, key) {
			t.Errorf("%s is not named in %s", key, said)
		}
	}
	for _, w := range warnings {
		if len(w) > 450 {
			t.Errorf("a warning of %d bytes", len(w))
		}
	}
}

// TestForeignGGUF has keys and tensors that make another network than architecture llama's, jamba's or mamba's.
func TestForeignGGUF(t *testing.T) {
	f := func(x float64) float32 { return float32(x) }
	for _, test := range []struct {
		arch, key string
		value     any
		want      string // "": nothing is said
	}{
		{"llama", "logit_scale", f(0.5), "llama.logit_scale 0.5 makes another network"},
		{"llama", "logit_scale", f(1), ""},
		{"llama", "residual_scale", f(0.2), "residual_scale"},
		{"llama", "embedding_scale", f(12), "embedding_scale"},
		{"llama", "attention.scale", f(0.1), "attention.scale"},
		{"llama", "attention.clamp_kqv", f(8), "attention.clamp_kqv"},
		{"llama", "attention.clamp_kqv", f(0), ""},
		{"llama", "attention.causal", false, "attention.causal false"},
		{"llama", "attention.causal", true, ""},
		{"llama", "attention.sliding_window_pattern", uint32(2), "sliding_window_pattern"},
		{"llama", "attention.sliding_window_pattern", []bool{true, false}, "sliding_window_pattern"},
		{"llama", "attention.value_length", uint32(8), "value_length"},
		{"llama", "attention.value_length", uint32(4), ""},
		{"llama", "attn_logit_softcapping", f(50), "attn_logit_softcapping"},
		{"llama", "expert_weights_scale", f(2.5), "expert_weights_scale"},
		{"llama", "expert_weights_norm", false, ""}, // there are no experts
		{"llama", "attention.scale", f(0.5), ""},    // of heads of 4
		{"llama", "expert_gating_func", uint32(2), "expert_gating_func"},
		{"llama", "expert_gating_func", uint32(1), ""},
		{"llama", "rope.scaling.attn_factor", f(0.5), "rope.scaling.attn_factor"},
		{"llama", "rope.scaling.yarn_log_multiplier", f(0.1), "yarn_log_multiplier"},
		{"llama", "rope.dimension_sections", []int32{1, 1, 0, 0}, "rope.dimension_sections"},
		{"llama", "rope.scaling.finetuned", true, ""},
		{"llama", "use_parallel_residual", true, "use_parallel_residual"},
		{"llama", "tensor_data_layout", "Meta AI original pth", ""},
		{"jamba", "ssm.group_count", uint32(2), "ssm.group_count"},
		{"mamba", "leading_dense_block_count", uint32(1), "leading_dense_block_count"},
	} {
		_, err := ggufConfig(t, test.arch, kv{test.key: test.value}, nil)
		if said := fmt.Sprint(err); test.want == "" && err != nil || !strings.Contains(said, test.want) {
			t.Errorf("%s %v: error %v, want %q", test.key, test.value, err, test.want)
		}
	}
	for name, ok := range map[string]bool{
		"blk.0.ffn_gate_exps.bias": false, "blk.1.attn_q_norm.weight": false, "blk.0.attn_q.scale": false, "output.bias": false, "rope_factors_long.weight": false,
		"blk.0.attn_rot_embd": true, "blk.2.eh_proj.bias": true, "surprise.weight": true,
	} {
		if err := foreignTensors([]string{name}, 2); (err == nil) != ok {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
