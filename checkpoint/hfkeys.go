package checkpoint

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"jamba/internal/printable"
)

// A key of config.json is read, indifferent, idle or foreign; all others are unknown. The tables follow the attributes of
// the reference's configuration classes (transformers 5.24) and the keys that published checkpoints carry beside them.

// hfRead are the keys that make the network, by architecture.
var hfRead = func() map[string]map[string]bool {
	const common = "architectures model_type vocab_size hidden_size num_hidden_layers hidden_act tie_word_embeddings pad_token_id bos_token_id eos_token_id max_position_embeddings "
	const attention = "num_attention_heads num_key_value_heads head_dim rms_norm_eps intermediate_size layer_types "
	const rope = "rope_theta rope_scaling rope_parameters partial_rotary_factor original_max_position_embeddings "
	m := map[string]map[string]bool{}
	for arch, keys := range map[string]string{
		"JambaForCausalLM": attention + "layers_block_type num_experts num_local_experts num_experts_per_tok expert_layer_period expert_layer_offset attn_layer_period attn_layer_offset " +
			"mamba_d_state mamba_d_conv mamba_expand mamba_dt_rank mamba_conv_bias mamba_proj_bias",
		"LlamaForCausalLM":   attention + rope + "attention_bias mlp_bias",
		"MistralForCausalLM": attention + rope + "sliding_window",
		"MixtralForCausalLM": attention + rope + "sliding_window num_local_experts num_experts num_experts_per_tok",
		"MambaForCausalLM":   "layer_norm_epsilon layer_types intermediate_size state_size conv_kernel expand time_step_rank use_bias use_conv_bias rescale_prenorm_residual",
	} {
		m[arch] = set(common + keys)
	}
	return m
}()

// hfIndifferent are keys that leave the numbers of a forward pass in float32 as they are, whatever their value: where a
// file comes from, what a program returns, how weights were initialized, defaults of other programs, and what generation
// did with older files, whose place is generation_config.json.
var hfIndifferent = set(`
	transformers_version dtype torch_dtype name_or_path attn_implementation experts_implementation tokenizer_class model_max_length
	output_hidden_states output_attentions output_router_logits return_dict use_cache torchscript use_bfloat16 tf_legacy_loss
	chunk_size_feed_forward is_decoder tie_encoder_decoder tie_last_hidden_states cross_attention_hidden_size
	id2label label2id num_labels problem_type finetuning_task task_specific_params prefix sep_token_id decoder_start_token_id unk_token_id
	initializer_range router_aux_loss_coef pretraining_tp rescale_prenorm_residual residual_in_fp32 fused_add_norm
	time_step_scale time_step_min time_step_max time_step_init_scheme time_step_floor pad_vocab_size_multiple
	use_mamba_kernels use_mambapy use_associative_scan num_logits_to_keep calc_logits_for_entire_prompt n_ctx max_sequence_length
	is_llama_config unsloth_version unsloth_fixed transformers.js_config model_name gradient_checkpointing use_flash_attention use_flash_attn
	assistant_confidence_threshold assistant_lookbehind bad_words_ids begin_suppress_tokens diversity_penalty do_sample early_stopping
	encoder_no_repeat_ngram_size encoder_repetition_penalty epsilon_cutoff eta_cutoff exponential_decay_length_penalty
	forced_bos_token_id forced_eos_token_id length_penalty max_length max_new_tokens min_length no_repeat_ngram_size num_assistant_tokens
	num_assistant_tokens_schedule num_beam_groups num_beams num_return_sequences output_scores remove_invalid_values repetition_penalty
	return_dict_in_generate suppress_tokens target_lookbehind temperature top_k top_p typical_p`)

// hfIdle are keys that the reference passes over in a forward pass, although somebody may mean something by them: with
// another value than none, a warning says what becomes of them.
var hfIdle = map[string]string{
	"attention_dropout":        "dropout is for training, which has none here",
	"attn_pdrop":               "dropout is for training, which has none here",
	"embd_pdrop":               "dropout is for training, which has none here",
	"resid_pdrop":              "dropout is for training, which has none here",
	"hidden_dropout":           "dropout is for training, which has none here",
	"router_jitter_noise":      "noise is for training, which has none here",
	"num_nextn_predict_layers": "layers that guess further tokens are not used",
	"num_mtp_layers":           "layers that guess further tokens are not used",
	"sliding_window":           "this architecture has no window, every token sees all before it",
	"use_sliding_window":       "this architecture does not ask for it, sliding_window alone counts where there is one",
	"max_window_layers":        "this architecture does not ask for it, sliding_window alone counts where there is one",
	"attention_bias":           "this architecture adds no biases to its attention",
	"mlp_bias":                 "this architecture adds no biases to its MLP",
	"auto_map":                 "code that comes with a model is not run, the network is that of the architecture's name",
	"rope_theta":               noRoPE,
	"rope_scaling":             noRoPE,
	"rope_parameters":          noRoPE,
	"num_local_experts":        "this architecture has no experts",
	"num_experts":              "this architecture has no experts",
	"num_experts_per_tok":      "this architecture has no experts",
	"classifier_dropout":       "dropout is for training, which has none here",
}

const noRoPE = "this architecture has no rotary embedding"

// hfForeign are keys that make another network than any of the architectures has, with their values in JSON that do not.
// Absent, null, false, 0, "", [] and {} do not either, unless the key is one of nonzero.
var hfForeign = func() map[string][]string {
	m := map[string][]string{}
	for key := range set(`
		per_layer_config pruned_heads is_encoder_decoder add_cross_attention
		logit_soft_cap logits_soft_cap attn_logit_softcapping final_logit_softcapping attn_logit_softcap clip_qkv use_clip_qkv
		qk_norm use_qk_norm qk_layernorm qk_layer_norms use_qk_layernorm no_rope_layers no_rope_layer_interval nope_layer_interval
		num_kv_shared_layers cross_layer_attention share_kv attention_sinks attention_sink attn_sinks num_sink_tokens
		attention_chunk_size attention_window_size sliding_window_pattern window_size layer_windows global_attn_every_n_layers
		alibi use_alibi parallel_attn use_parallel_residual parallel_residual rope_interleaved rope_interleave rope_local_base_freq local_rope_theta
		rope_layer_pattern mrope_section use_mrope attn_temperature_tuning attention_temperature_scale floor_scale
		bias qkv_bias use_qkv_bias attention_in_bias attention_out_bias attention_output_bias lm_head_bias use_lm_head_bias head_bias output_bias
		n_shared_experts num_shared_experts shared_expert_intermediate_size first_k_dense_replace mlp_only_layers n_group topk_group
		use_shared_expert norm_after post_norm use_post_norm use_layernorm layernorm_bias norm_bias
		use_mup mup mup_enabled scale_emb normalize_embedding embedding_norm use_embedding_norm
		attn_layer_idx attn_cfg ssm_cfg mamba_chunk_size mamba_n_groups mamba_n_heads n_groups time_step_limit mixer_rms_eps use_falcon_mamba
		q_lora_rank kv_lora_rank qk_rope_head_dim qk_nope_head_dim v_head_dim altup_num_inputs laurel_rank activation_sparsity_pattern
		vision_config text_config audio_config expert_bias use_expert_bias tie_experts layer_skip skip_layers dt_layernorm`) {
		m[key] = nil
	}
	for key, values := range map[string][]string{
		"logit_scale": one, "logits_scale": one, "logits_scaling": one, "lm_head_multiplier": one, "output_multiplier_scale": one, "output_multiplier": one,
		"embedding_multiplier": one, "embedding_multiplier_scale": one, "embedding_scale": one, "embed_scale": one, "residual_multiplier": one,
		"residual_scale": one, "residual_multiplier_scale": one, "hidden_states_shrink": one, "key_multiplier": one, "scale_depth": one,
		"mup_width_scale": one, "mup_scale_emb": one, "mup_width_multiplier": one, "routed_scaling_factor": one, "rotary_pct": one, "rope_pct": one, "rope_percent": one,
		"attention_in_multiplier": one, "attention_out_multiplier": one, "ssm_in_multiplier": one, "ssm_out_multiplier": one,
		"attention_multiplier": nothing, "query_pre_attn_scalar": nothing, "attn_scale": nothing, "softmax_scale": nothing, "attention_scale": nothing, "dim_model_base": nothing,
		"moe_intermediate_size": nothing, "moe_layer_freq": one, "interleave_moe_layer_step": one, "moe_every_n_layers": one,
		"norm_topk_prob": nothing, "scoring_func": {`"softmax"`}, "router_activation": {`"softmax"`}, "topk_method": {`"greedy"`},
		"position_embedding_type": {`"rope"`, `"rotary"`, `"absolute"`}, "rotary_dim": nothing, "rotary_emb_base": nothing,
		"hidden_activation": {`"silu"`, `"swish"`}, "activation_function": {`"silu"`, `"swish"`}, "activation": {`"silu"`, `"swish"`}, "mlp_hidden_act": {`"silu"`, `"swish"`},
		"norm_type": {`"rms_norm"`, `"rmsnorm"`, `"rms"`}, "normalization_type": {`"rms_norm"`, `"rmsnorm"`, `"rms"`},
		"rms_norm": {"true"}, "mamba_inner_layernorms": {"true"}, "is_causal": {"true"}, "causal": {"true"}, "use_rope": {"true"},
	} {
		m[key] = values
	}
	return m
}()

// nonzero are hfForeign's keys that say something even with a false or a zero.
var nonzero = set(`rms_norm mamba_inner_layernorms is_causal causal use_rope norm_topk_prob logit_scale logits_scale logits_scaling
	lm_head_multiplier output_multiplier_scale output_multiplier embedding_multiplier embedding_multiplier_scale embedding_scale embed_scale
	residual_multiplier residual_scale residual_multiplier_scale scale_depth rotary_pct rope_pct rope_percent`)

var (
	one     = []string{"1"}
	nothing = []string{}
)

// hfSame are other names of settings that some converters write beside the usual ones; they have to say the same.
var hfSame = map[string]string{"d_model": "hidden_size", "n_layer": "num_hidden_layers", "n_layers": "num_hidden_layers", "n_embd": "hidden_size", "n_head": "num_attention_heads"}

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// sortKeys returns those keys of config.json that the architecture reads, and what a user should know of the others. It
// is an error if one makes another network.
func sortKeys(arch string, all map[string]json.RawMessage) (read map[string]json.RawMessage, warnings []string, err error) {
	name := strings.TrimSuffix(arch, "ForCausalLM")
	read = map[string]json.RawMessage{}
	var unknown []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		value := all[key]
		foreign, isForeign := hfForeign[key]
		why, isIdle := hfIdle[key]
		shown := printable.Cut(key, 60) + " " + printable.Cut(string(value), 60)
		switch {
		case hfRead[arch][key]:
			read[key] = value
		case hfIndifferent[key] || strings.HasPrefix(key, "_"):
		case key == "quantization_config" || key == "quantization" || key == "compression_config":
			err = quantizedConfig(key, value)
		case key == "norm_topk_prob" && equalJSON(value, fmt.Sprint(name == "Mixtral")):
		case key == "mamba_inner_layernorms" && name != "Jamba":
			unknown = append(unknown, key)
		case isForeign:
			if !neutral(value, foreign, nonzero[key]) {
				err = fmt.Errorf("%s makes another network than that of %s, and is not supported", shown, name)
			}
		case isIdle:
			if !neutral(value, nil, false) {
				warnings = append(warnings, fmt.Sprintf("%s is passed over: %s", shown, why))
			}
		case hfSame[key] != "":
			if other, ok := all[hfSame[key]]; !ok || !equalJSON(value, string(other)) {
				err = fmt.Errorf("%s is not what %s says, %s", shown, hfSame[key], printable.Cut(cmp.Or(string(other), "nothing"), 60))
			}
		case key == "d_inner": // follows from expand and hidden_size, as the tensors do
		default:
			unknown = append(unknown, key)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return read, append(warnings, named(unknown, "not known here; if one of them makes another network, the numbers are not that network's")...), nil
}

// neutral reports whether a value says nothing.
func neutral(value json.RawMessage, also []string, strict bool) bool {
	if equalJSON(value, "null") {
		return true
	}
	for _, v := range also {
		if equalJSON(value, v) {
			return true
		}
	}
	if strict {
		return false
	}
	for _, v := range []string{"false", "0", `""`, "[]", "{}"} {
		if equalJSON(value, v) {
			return true
		}
	}
	return false
}

// equalJSON compares numbers by value, and other JSON by its text without spaces.
func equalJSON(a json.RawMessage, b string) bool {
	const longest = 100 // of what it is compared with here
	if len(a) > longest {
		return false
	}
	var x, y float64
	if json.Unmarshal(a, &x) == nil && json.Unmarshal([]byte(b), &y) == nil && string(a) != "null" && b != "null" {
		return x == y
	}
	space := strings.NewReplacer(" ", "", "\t", "", "\n", "", "\r", "")
	return space.Replace(string(a)) == space.Replace(b)
}

// named returns warnings that name all keys, as many in one as a line has room for.
func named(keys []string, what string) []string {
	const room = printable.MaxLine / 2
	var all []string
	for len(keys) > 0 {
		list, n := printable.Cut(keys[0], 60), 1
		for n < len(keys) && len(list) < room {
			list += ", " + printable.Cut(keys[n], 60)
			n++
		}
		keys = keys[n:]
		all = append(all, list+": "+what)
	}
	return all
}
