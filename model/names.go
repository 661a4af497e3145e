package model

import (
	"fmt"
	"slices"
	"strings"
)

// naming maps Jamba's tensor names, as Hugging Face writes them, to those of another architecture or format.
type naming struct {
	embed, finalNorm, lmHead string
	layer                    string            // prefix of layer %d
	parts                    map[string]string // by Jamba's name within the layer; a name that is not here is the same

	expert [3]string // gate, up and down projection of expert %d, one tensor each
	stack  [3]string // the same, all experts in one tensor
	gateUp string    // gate and up rows of all experts in one tensor, beside stack[2]

	negA        bool // the tensor named A_log holds A = -exp(A_log)
	looseBiases bool // each bias of an attention, MLP or Mamba that has some is there or not
}

// part returns the name of a tensor of layer i.
func (n *naming) part(i int, part string) string {
	if other, ok := n.parts[part]; ok {
		part = other
	}
	return fmt.Sprintf(n.layer, i) + part
}

// module returns the name of a linear layer by Jamba's name for it.
func (n *naming) module(i int, part string) string {
	if e, which, ok := expertOf(part); ok {
		return strings.TrimSuffix(fmt.Sprintf(n.layer, i)+fmt.Sprintf(n.expert[which], e), ".weight")
	}
	return strings.TrimSuffix(n.part(i, part+".weight"), ".weight")
}

// expertOf returns the number of an expert and which of its projections a part is: gate, up or down.
func expertOf(part string) (expert, which int, ok bool) {
	var kind string
	if n, _ := fmt.Sscanf(part, "feed_forward.experts.%d.%s", &expert, &kind); n != 2 {
		return 0, 0, false
	}
	return expert, slices.Index([]string{"gate_proj", "up_proj", "down_proj"}, kind), true
}

var hfNames = map[string]*naming{
	"jamba": {
		embed: "model.embed_tokens.weight", finalNorm: "model.final_layernorm.weight", lmHead: "lm_head.weight", layer: "model.layers.%d.",
		expert: [3]string{"feed_forward.experts.%d.gate_proj.weight", "feed_forward.experts.%d.up_proj.weight", "feed_forward.experts.%d.down_proj.weight"},
		stack:  [3]string{2: "feed_forward.experts.down_proj"},
		gateUp: "feed_forward.experts.gate_up_proj",
	},
	"llama":   &llamaNames,
	"mistral": &llamaNames,
	"mixtral": {
		embed: "model.embed_tokens.weight", finalNorm: "model.norm.weight", lmHead: "lm_head.weight", layer: "model.layers.%d.",
		parts: map[string]string{
			"pre_ff_layernorm.weight":    "post_attention_layernorm.weight",
			"feed_forward.router.weight": "block_sparse_moe.gate.weight",
		},
		expert: [3]string{"block_sparse_moe.experts.%d.w1.weight", "block_sparse_moe.experts.%d.w3.weight", "block_sparse_moe.experts.%d.w2.weight"},
		stack:  [3]string{2: "mlp.experts.down_proj"},
		gateUp: "mlp.experts.gate_up_proj",
	},
	"mamba": {
		embed: "backbone.embeddings.weight", finalNorm: "backbone.norm_f.weight", lmHead: "lm_head.weight", layer: "backbone.layers.%d.",
		parts: map[string]string{
			"input_layernorm.weight": "norm.weight",
			"mamba.in_proj.weight":   "mixer.in_proj.weight",
			"mamba.in_proj.bias":     "mixer.in_proj.bias",
			"mamba.conv1d.weight":    "mixer.conv1d.weight",
			"mamba.conv1d.bias":      "mixer.conv1d.bias",
			"mamba.x_proj.weight":    "mixer.x_proj.weight",
			"mamba.dt_proj.weight":   "mixer.dt_proj.weight",
			"mamba.dt_proj.bias":     "mixer.dt_proj.bias",
			"mamba.A_log":            "mixer.A_log",
			"mamba.D":                "mixer.D",
			"mamba.out_proj.weight":  "mixer.out_proj.weight",
			"mamba.out_proj.bias":    "mixer.out_proj.bias",
		},
	},
}

var llamaNames = naming{
	embed: "model.embed_tokens.weight", finalNorm: "model.norm.weight", lmHead: "lm_head.weight", layer: "model.layers.%d.",
	parts: map[string]string{
		"pre_ff_layernorm.weight":       "post_attention_layernorm.weight",
		"feed_forward.gate_proj.weight": "mlp.gate_proj.weight",
		"feed_forward.gate_proj.bias":   "mlp.gate_proj.bias",
		"feed_forward.up_proj.weight":   "mlp.up_proj.weight",
		"feed_forward.up_proj.bias":     "mlp.up_proj.bias",
		"feed_forward.down_proj.weight": "mlp.down_proj.weight",
		"feed_forward.down_proj.bias":   "mlp.down_proj.bias",
	},
}

// ggufNames holds for every architecture.
var ggufNames = naming{
	embed: "token_embd.weight", finalNorm: "output_norm.weight", lmHead: "output.weight", layer: "blk.%d.", negA: true, looseBiases: true,
	parts: map[string]string{
		"input_layernorm.weight":        "attn_norm.weight",
		"pre_ff_layernorm.weight":       "ffn_norm.weight",
		"self_attn.q_proj.weight":       "attn_q.weight",
		"self_attn.k_proj.weight":       "attn_k.weight",
		"self_attn.v_proj.weight":       "attn_v.weight",
		"self_attn.o_proj.weight":       "attn_output.weight",
		"self_attn.q_proj.bias":         "attn_q.bias",
		"self_attn.k_proj.bias":         "attn_k.bias",
		"self_attn.v_proj.bias":         "attn_v.bias",
		"self_attn.o_proj.bias":         "attn_output.bias",
		"mamba.in_proj.weight":          "ssm_in.weight",
		"mamba.in_proj.bias":            "ssm_in.bias",
		"mamba.out_proj.bias":           "ssm_out.bias",
		"mamba.conv1d.weight":           "ssm_conv1d.weight",
		"mamba.conv1d.bias":             "ssm_conv1d.bias",
		"mamba.x_proj.weight":           "ssm_x.weight",
		"mamba.dt_layernorm.weight":     "ssm_dt_norm.weight",
		"mamba.b_layernorm.weight":      "ssm_b_norm.weight",
		"mamba.c_layernorm.weight":      "ssm_c_norm.weight",
		"mamba.dt_proj.weight":          "ssm_dt.weight",
		"mamba.dt_proj.bias":            "ssm_dt.bias",
		"mamba.A_log":                   "ssm_a",
		"mamba.D":                       "ssm_d",
		"mamba.out_proj.weight":         "ssm_out.weight",
		"feed_forward.gate_proj.weight": "ffn_gate.weight",
		"feed_forward.up_proj.weight":   "ffn_up.weight",
		"feed_forward.down_proj.weight": "ffn_down.weight",
		"feed_forward.gate_proj.bias":   "ffn_gate.bias",
		"feed_forward.up_proj.bias":     "ffn_up.bias",
		"feed_forward.down_proj.bias":   "ffn_down.bias",
		"feed_forward.router.weight":    "ffn_gate_inp.weight",
	},
	expert: [3]string{"ffn_gate.%d.weight", "ffn_up.%d.weight", "ffn_down.%d.weight"},
	stack:  [3]string{"ffn_gate_exps.weight", "ffn_up_exps.weight", "ffn_down_exps.weight"},
}
