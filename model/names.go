package model

import (
	"fmt"
	"strconv"
	"strings"

	"jamba/model/param"
)

// naming maps parameters to the names of tensors in an architecture or format. Its names of parts are without the ends for
// weight and bias.
type naming struct {
	embed, finalNorm, lmHead string                // names of tensors
	layer                    string                // prefix of layer %d
	parts                    map[param.Part]string // a part that is not here has its own name

	expert map[param.Part]string // projections of expert %d, each a tensor
	stack  map[param.Part]string // tensors with a projection of all experts
	gateUp string                // tensor with the rows of gate and up of all experts, beside the stack of down

	negA        bool // the tensor of A_log holds A = -exp(A_log)
	looseBiases bool // each bias of an attention, MLP or Mamba that has some is there or not
}

// tensor returns the name of one of a part's tensors; that of an expert which is only in stacks has its number behind.
func (n *naming) tensor(id param.ID, t param.Tensor) string {
	switch id.Part {
	case param.Embed:
		return n.embed
	case param.FinalNorm:
		return n.finalNorm
	case param.Head:
		return n.lmHead
	}
	if id.Expert >= 0 && n.expert[id.Part] == "" {
		return fmt.Sprintf("%s [%d]", n.stackOf(id.Layer, id.Part), id.Expert)
	}
	return n.module(id) + string(t)
}

// module returns the name of a part, which those of its tensors begin with.
func (n *naming) module(id param.ID) string {
	if id.Layer < 0 {
		return strings.TrimSuffix(n.tensor(id, param.Weight), string(param.Weight))
	}
	name, ok := n.parts[id.Part]
	switch {
	case id.Expert >= 0:
		name = fmt.Sprintf(n.expert[id.Part], id.Expert)
	case !ok:
		name = string(id.Part)
	}
	return fmt.Sprintf(n.layer, id.Layer) + name
}

// stackOf returns the name of the tensor with a projection of all experts of a layer, "" if there is none.
func (n *naming) stackOf(layer int, part param.Part) string { return n.inLayer(layer, n.stack[part]) }

// matrix returns the name of the tensor of weights with a part in it: for an expert, if its projections are stacked one by
// one, the stack.
func (n *naming) matrix(id param.ID) string {
	if id.Expert >= 0 && n.stack[param.GateProj] != "" {
		return n.stackOf(id.Layer, id.Part)
	}
	return n.tensor(id, param.Weight)
}

// gateUpOf returns the name of the tensor with the gates and ups of all experts of a layer, "" if there is none.
func (n *naming) gateUpOf(layer int) string { return n.inLayer(layer, n.gateUp) }

func (n *naming) inLayer(layer int, name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf(n.layer, layer) + name
}

// layerOf returns the layer of the tensor of that name, -1 if it is in none.
func (n *naming) layerOf(name string) int {
	before, after, _ := strings.Cut(n.layer, "%d")
	rest, ok := strings.CutPrefix(name, before)
	number, _, found := strings.Cut(rest, after)
	if i, err := strconv.Atoi(number); ok && found && err == nil {
		return max(i, -1)
	}
	return -1
}

var jambaNames = naming{
	embed: "model.embed_tokens.weight", finalNorm: "model.final_layernorm.weight", lmHead: "lm_head.weight", layer: "model.layers.%d.",
	expert: map[param.Part]string{param.GateProj: "feed_forward.experts.%d.gate_proj", param.UpProj: "feed_forward.experts.%d.up_proj", param.DownProj: "feed_forward.experts.%d.down_proj"},
	stack:  map[param.Part]string{param.DownProj: "feed_forward.experts.down_proj"},
	gateUp: "feed_forward.experts.gate_up_proj",
}

var mixtralNames = naming{
	embed: "model.embed_tokens.weight", finalNorm: "model.norm.weight", lmHead: "lm_head.weight", layer: "model.layers.%d.",
	parts: map[param.Part]string{
		param.FeedForwardNorm: "post_attention_layernorm",
		param.Router:          "block_sparse_moe.gate",
	},
	expert: map[param.Part]string{param.GateProj: "block_sparse_moe.experts.%d.w1", param.UpProj: "block_sparse_moe.experts.%d.w3", param.DownProj: "block_sparse_moe.experts.%d.w2"},
	stack:  map[param.Part]string{param.DownProj: "mlp.experts.down_proj"},
	gateUp: "mlp.experts.gate_up_proj",
}

var mambaNames = naming{
	embed: "backbone.embeddings.weight", finalNorm: "backbone.norm_f.weight", lmHead: "lm_head.weight", layer: "backbone.layers.%d.",
	parts: map[param.Part]string{
		param.InputNorm: "norm",
		param.InProj:    "mixer.in_proj",
		param.Conv:      "mixer.conv1d",
		param.XProj:     "mixer.x_proj",
		param.DtProj:    "mixer.dt_proj",
		param.ALog:      "mixer.A_log",
		param.D:         "mixer.D",
		param.OutProj:   "mixer.out_proj",
	},
}

var llamaNames = naming{
	embed: "model.embed_tokens.weight", finalNorm: "model.norm.weight", lmHead: "lm_head.weight", layer: "model.layers.%d.",
	parts: map[param.Part]string{
		param.FeedForwardNorm: "post_attention_layernorm",
		param.GateProj:        "mlp.gate_proj",
		param.UpProj:          "mlp.up_proj",
		param.DownProj:        "mlp.down_proj",
	},
}

// ggufNames holds for every architecture.
var ggufNames = naming{
	embed: "token_embd.weight", finalNorm: "output_norm.weight", lmHead: "output.weight", layer: "blk.%d.", negA: true, looseBiases: true,
	parts: map[param.Part]string{
		param.InputNorm:       "attn_norm",
		param.FeedForwardNorm: "ffn_norm",
		param.QProj:           "attn_q",
		param.KProj:           "attn_k",
		param.VProj:           "attn_v",
		param.OProj:           "attn_output",
		param.InProj:          "ssm_in",
		param.OutProj:         "ssm_out",
		param.Conv:            "ssm_conv1d",
		param.XProj:           "ssm_x",
		param.DtNorm:          "ssm_dt_norm",
		param.BNorm:           "ssm_b_norm",
		param.CNorm:           "ssm_c_norm",
		param.DtProj:          "ssm_dt",
		param.ALog:            "ssm_a",
		param.D:               "ssm_d",
		param.GateProj:        "ffn_gate",
		param.UpProj:          "ffn_up",
		param.DownProj:        "ffn_down",
		param.Router:          "ffn_gate_inp",
	},
	expert: map[param.Part]string{param.GateProj: "ffn_gate.%d", param.UpProj: "ffn_up.%d", param.DownProj: "ffn_down.%d"},
	stack:  map[param.Part]string{param.GateProj: "ffn_gate_exps.weight", param.UpProj: "ffn_up_exps.weight", param.DownProj: "ffn_down_exps.weight"},
}
