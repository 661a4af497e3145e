package checkpoint

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"jamba/format/gguf"
	"jamba/internal/printable"
	"jamba/model"
	"jamba/model/param"
)

// Keys of a GGUF file under its architecture's name are read, indifferent, idle or foreign; all others are unknown. The
// tables follow llama.cpp's list of keys, most of which belong to other architectures' networks.

// ggufIndifferent are keys that leave the network as it is, whatever their value, and those that are read only beside others.
var ggufIndifferent = set(`
	context_length vocab_size tensor_data_layout pooling_type attention.layer_norm_epsilon rope.scaling.finetuned
	rope.scaling.type rope.scaling.factor rope.scale_linear rope.scaling.original_context_length rope.scaling.yarn_beta_fast rope.scaling.yarn_beta_slow
	rope.dimension_count expert_used_count feed_forward_length attention.head_count attention.head_count_kv attention.key_length
	attention.sliding_window source.url source.huggingface.repository`)

// ggufForeign are keys that make another network, with their values beside 0, false, "" and empty arrays that do not.
var ggufForeign = func() map[string][]any {
	m := map[string][]any{}
	for key := range set(`
		final_logit_softcapping attn_logit_softcapping router_logit_softcapping attention.clamp_kqv attention.max_alibi_bias
		attention.output_scale attention.value_scale attention.temperature_length attention.temperature_scale
		attention.sliding_window_pattern attention.rope_pattern attention.q_lora_rank attention.kv_lora_rank attention.decay_lora_rank attention.gate_lora_rank
		attention.relative_buckets_count attention.key_length_mla attention.value_length_mla attention.key_length_swa attention.value_length_swa
		attention.indexer.head_count attention.indexer.key_length attention.indexer.top_k attention.indexer.types attention.shared_kv_layers
		attention.recurrent_layers attention.group_norm_epsilon attention.group_norm_groups attention.compress_ratios attention.output_lora_rank
		use_parallel_residual leading_dense_block_count expert_shared_count expert_shared_feed_forward_length expert_chunk_feed_forward_length
		expert_group_scale experts_per_group expert_latent_length moe_latent_size n_deepstack_layers deepstack_mapping full_attention_interval
		swin_norm rescale_every_n_layers token_shift_count embedding_length_per_layer_input features_length altup.num_inputs activation_sparsity_scale
		swiglu_clamp_exp swiglu_clamp_shexp num_loops hash_layer_count shortconv.l_cache dense_2_feat_in dense_3_feat_in classifier.output_labels
		rope.dimension_sections rope.dimension_count_swa rope.freq_base_swa rope.scaling.alpha rope.scaling.yarn_log_multiplier
		ssm.group_count wkv.head_size kda.head_dim ple.layers hyper_connection.count time_decay_extra_dim time_mix_extra_dim`) {
		m[key] = nil
	}
	for key, values := range map[string][]any{
		"logit_scale": {1.0}, "residual_scale": {1.0}, "embedding_scale": {1.0}, "expert_weights_scale": {1.0}, "expert_gating_func": {1.0}, // softmax
		"expert_group_count": {1.0}, "expert_group_used_count": {1.0}, "moe_every_n_layers": {1.0}, "interleave_moe_layer_step": {1.0},
		"rope.scaling.yarn_ext_factor": {1.0, -1.0}, "rope.scaling.yarn_attn_factor": {1.0}, "hidden_activation": {"silu", "swish"},
	} {
		m[key] = values
	}
	return m
}()

// unread looks at the keys of the architecture that nobody asked for. It is an error if one makes another network.
func (r *ggufReader) unread(c *model.Config) (warnings []string, err error) {
	var unknown []string
	for _, kv := range r.Metadata {
		key, own := strings.CutPrefix(kv.Key, r.arch+".")
		if !own || r.asked[kv.Key] || ggufIndifferent[key] || r.native != nil && strings.HasPrefix(kv.Key, NativePrefix) {
			continue
		}
		foreign, isForeign := ggufForeign[key]
		same, said := r.follows(c, key, kv.Value)
		switch {
		case said:
			if !same {
				return nil, fmt.Errorf("%s %s makes another network than this architecture has, and is not supported", kv.Key, shownValue(kv.Value))
			}
		case isForeign:
			if !neutralValue(kv.Value, foreign) {
				return nil, fmt.Errorf("%s %s makes another network than this architecture has, and is not supported", kv.Key, shownValue(kv.Value))
			}
		default:
			unknown = append(unknown, kv.Key)
		}
	}
	return named(unknown, "not known here; if one of them makes another network, the numbers are not that network's"), nil
}

// follows reports whether a key says what the network is by its other keys, if it is one of those that repeat it.
func (r *ggufReader) follows(c *model.Config, key string, v any) (same, said bool) {
	number := func(want int) (bool, bool) { return neutralNumber(v, float64(want)), true }
	switch key {
	case "attention.causal":
		return v == true, true
	case "attention.value_length":
		for _, l := range c.Layers {
			if l.Attention != nil {
				return number(l.Attention.HeadDim)
			}
		}
		return true, true
	case "embedding_length_out":
		return number(c.HiddenSize)
	case "expert_feed_forward_length":
		for _, l := range c.Layers {
			if l.MoE != nil {
				return number(l.MoE.IntermediateSize)
			}
		}
		return true, true
	case "expert_weights_norm":
		some := slices.ContainsFunc(c.Layers, func(l model.Layer) bool { return l.MoE != nil })
		return !some || v == (r.arch == "llama"), true
	case "attention.scale":
		for _, l := range c.Layers {
			if f, ok := v.(float32); ok && l.Attention != nil {
				usual := 1 / math.Sqrt(float64(l.Attention.HeadDim))
				return f == 0 || math.Abs(float64(f)/usual-1) < 1e-6, true
			}
		}
	case "rope.scaling.attn_factor": // read for yarn
		return neutralNumber(v, 1), true
	}
	return false, false
}

func neutralNumber(v any, want float64) bool {
	x := reflect.ValueOf(v)
	switch {
	case x.CanInt():
		return float64(x.Int()) == want
	case x.CanUint():
		return float64(x.Uint()) == want
	case x.CanFloat():
		return x.Float() == want
	}
	return false
}

func neutralValue(v any, also []any) bool {
	if v == false || v == "" || neutralNumber(v, 0) || slices.Contains(also, v) {
		return true
	}
	for _, a := range also {
		if n, ok := a.(float64); ok && neutralNumber(v, n) {
			return true
		}
	}
	if x := reflect.ValueOf(v); x.Kind() == reflect.Slice {
		for i := range x.Len() {
			if e := x.Index(i); !e.IsZero() {
				return false
			}
		}
		return true
	}
	return false
}

func shownValue(v any) string {
	if x := reflect.ValueOf(v); x.Kind() == reflect.Slice && x.Len() > 8 {
		v = x.Slice(0, 8).Interface()
		return printable.Cut(fmt.Sprint(v), 80) + "…"
	}
	if s, ok := v.(string); ok {
		return printable.Cut(s, 80)
	}
	return printable.Cut(fmt.Sprint(v), 80)
}

// foreignTensors returns the error for a file with tensors in the network's layers, or outside of them, that this network
// would not compute with, although they are there to change its numbers: biases, scales, norms, factors.
func foreignTensors(unused []string, layers int) error {
	for _, name := range unused {
		if param.GGUFNames.LayerOf(name) >= layers {
			continue // those that guess further tokens
		}
		for _, part := range []string{".bias", ".scale", "_norm.weight", "_norm_2.weight", "_sinks.weight", "rope_factors_long.weight", "rope_factors_short.weight", "_shexp.weight", "_gate.weight"} {
			if strings.HasSuffix(name, part) {
				return fmt.Errorf("tensor %s: this architecture's network has no place for it, and without it the numbers would be others; llama.cpp does not open such a file either", name)
			}
		}
	}
	return nil
}

// notAModel returns the error for a GGUF file that holds something else.
func notAModel(m gguf.Metadata) error {
	kind, err := gguf.GetOr(m, "general.type", "model")
	switch {
	case err != nil || kind == "model":
		return nil
	case kind == "adapter":
		return fmt.Errorf("general.type is adapter: an adapter in GGUF is not supported; take the one in PEFT's layout, with --adapter")
	case kind == "mmproj":
		return fmt.Errorf("general.type is mmproj: this is a projector for pictures or sound, not a language model; those are not supported")
	}
	return fmt.Errorf("general.type is %s, want model", printable.Cut(kind, 60))
}
