package param

// JambaNames are those of Jamba in Hugging Face's classes.
var JambaNames = Names{
	Embed: "model.embed_tokens.weight", FinalNorm: "model.final_layernorm.weight", Head: "lm_head.weight", Layer: "model.layers.%d.",
	Expert: map[Part]string{GateProj: "feed_forward.experts.%d.gate_proj", UpProj: "feed_forward.experts.%d.up_proj", DownProj: "feed_forward.experts.%d.down_proj"},
	Stack:  map[Part]string{DownProj: "feed_forward.experts.down_proj"},
	GateUp: "feed_forward.experts.gate_up_proj",
}

// MixtralNames are those of Mixtral in Hugging Face's classes.
var MixtralNames = Names{
	Embed: "model.embed_tokens.weight", FinalNorm: "model.norm.weight", Head: "lm_head.weight", Layer: "model.layers.%d.",
	Parts: map[Part]string{
		FeedForwardNorm: "post_attention_layernorm",
		Router:          "block_sparse_moe.gate",
	},
	Expert: map[Part]string{GateProj: "block_sparse_moe.experts.%d.w1", UpProj: "block_sparse_moe.experts.%d.w3", DownProj: "block_sparse_moe.experts.%d.w2"},
	Stack:  map[Part]string{DownProj: "mlp.experts.down_proj"},
	GateUp: "mlp.experts.gate_up_proj",
}

// MambaNames are those of Mamba in Hugging Face's classes.
var MambaNames = Names{
	Embed: "backbone.embeddings.weight", FinalNorm: "backbone.norm_f.weight", Head: "lm_head.weight", Layer: "backbone.layers.%d.",
	Parts: map[Part]string{
		InputNorm: "norm",
		InProj:    "mixer.in_proj",
		Conv:      "mixer.conv1d",
		XProj:     "mixer.x_proj",
		DtProj:    "mixer.dt_proj",
		ALog:      "mixer.A_log",
		D:         "mixer.D",
		OutProj:   "mixer.out_proj",
	},
}

// LlamaNames are those of Llama and Mistral in Hugging Face's classes.
var LlamaNames = Names{
	Embed: "model.embed_tokens.weight", FinalNorm: "model.norm.weight", Head: "lm_head.weight", Layer: "model.layers.%d.",
	Parts: map[Part]string{
		FeedForwardNorm: "post_attention_layernorm",
		GateProj:        "mlp.gate_proj",
		UpProj:          "mlp.up_proj",
		DownProj:        "mlp.down_proj",
	},
}

// GGUFNames are those of GGUF, for every architecture.
var GGUFNames = Names{
	Embed: "token_embd.weight", FinalNorm: "output_norm.weight", Head: "output.weight", Layer: "blk.%d.",
	Parts: map[Part]string{
		InputNorm:       "attn_norm",
		FeedForwardNorm: "ffn_norm",
		QProj:           "attn_q",
		KProj:           "attn_k",
		VProj:           "attn_v",
		OProj:           "attn_output",
		InProj:          "ssm_in",
		OutProj:         "ssm_out",
		Conv:            "ssm_conv1d",
		XProj:           "ssm_x",
		DtNorm:          "ssm_dt_norm",
		BNorm:           "ssm_b_norm",
		CNorm:           "ssm_c_norm",
		DtProj:          "ssm_dt",
		ALog:            "ssm_a",
		D:               "ssm_d",
		GateProj:        "ffn_gate",
		UpProj:          "ffn_up",
		DownProj:        "ffn_down",
		Router:          "ffn_gate_inp",
	},
	Expert: map[Part]string{GateProj: "ffn_gate.%d", UpProj: "ffn_up.%d", DownProj: "ffn_down.%d"},
	Stack:  map[Part]string{GateProj: "ffn_gate_exps.weight", UpProj: "ffn_up_exps.weight", DownProj: "ffn_down_exps.weight"},
}

// RopeFactors is the name of GGUF's tensor of divisors of the rotary frequencies, which is a setting rather than a parameter.
const RopeFactors = "rope_freqs.weight"
