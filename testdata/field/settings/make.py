"""Writes the checkpoints and the logits of settings.json: configurations that make another network of the same tensors,
as transformers computes them.

    python make.py     (transformers 5.24.0, torch, safetensors; float32 on a CPU)

A case is a base checkpoint with keys of config.json changed (null in "without" takes one away) and tensors renamed,
left out or put in from the same file, where the spare ones are named "spare.*". Kept are the logits of the last token
and of the third.
"""

import json
import os
import shutil
import tempfile

import torch
import transformers
from safetensors.torch import load_file, save_file

transformers.utils.logging.set_verbosity_error()
HERE = os.path.dirname(os.path.abspath(__file__))
IDS = [1, 5, 9, 3, 6, 2, 14, 11, 7, 7, 12, 18, 3, 19, 21, 12]
BASE = dict(vocab_size=24, hidden_size=16, intermediate_size=12, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, head_dim=4, max_position_embeddings=64, rms_norm_eps=1e-6,
            bos_token_id=None, eos_token_id=None, pad_token_id=None, tie_word_embeddings=False, hidden_act="silu")
LLAMA = {**BASE, "model_type": "llama", "architectures": ["LlamaForCausalLM"]}
MISTRAL = {**BASE, "model_type": "mistral", "architectures": ["MistralForCausalLM"], "sliding_window": None}
MIXTRAL = {**BASE, "model_type": "mixtral", "architectures": ["MixtralForCausalLM"], "num_local_experts": 2, "num_experts_per_tok": 1}
JAMBA = {**BASE, "model_type": "jamba", "architectures": ["JambaForCausalLM"], "num_experts": 2, "num_experts_per_tok": 1,
         "attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2, "expert_layer_offset": 1,
         "mamba_d_state": 4, "mamba_d_conv": 3, "mamba_expand": 2, "mamba_dt_rank": 2, "use_mamba_kernels": False}
JAMBA.pop("head_dim")
MAMBA = {"vocab_size": 24, "hidden_size": 16, "num_hidden_layers": 2, "state_size": 4, "conv_kernel": 3, "expand": 2, "time_step_rank": 2,
         "model_type": "mamba", "architectures": ["MambaForCausalLM"], "tie_word_embeddings": False, "pad_token_id": None,
         "bos_token_id": None, "eos_token_id": None, "hidden_act": "silu", "layer_norm_epsilon": 1e-5}
BASES = {"llama": LLAMA, "mixtral": MIXTRAL, "jamba": JAMBA, "mamba": MAMBA}


def checkpoint(config):
    """A checkpoint with weights that are not small, so that every setting shows."""
    torch.manual_seed(7)
    d = tempfile.mkdtemp()
    json.dump(config, open(d + "/config.json", "w"))
    c = transformers.AutoConfig.from_pretrained(d)
    m = transformers.AutoModelForCausalLM.from_config(c).float()
    for name, p in m.named_parameters():
        if p.dim() > 1 and "A_log" not in name:
            p.data.normal_(0, 0.5)
    m.save_pretrained(d)
    t = load_file(d + "/model.safetensors")
    shutil.rmtree(d)
    return t


def logits(config, tensors):
    d = tempfile.mkdtemp()
    try:
        json.dump(config, open(d + "/config.json", "w"))
        save_file({k: v.contiguous().clone() for k, v in tensors.items()}, d + "/model.safetensors", metadata={"format": "pt"})
        m = transformers.AutoModelForCausalLM.from_pretrained(d, dtype=torch.float32).eval()
        with torch.no_grad():
            o = m(torch.tensor([IDS]), use_cache=False).logits[0]
        return [[float(f"{x:.6g}") for x in o[i].tolist()] for i in (-1, 2)]
    finally:
        shutil.rmtree(d)


L3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8}
Q0, V1 = "model.layers.0.self_attn.q_proj.bias", "model.layers.1.self_attn.v_proj.bias"
HEAD, EMBED = "lm_head.weight", "model.embed_tokens.weight"
MHEAD, MEMBED = "lm_head.weight", "backbone.embeddings.weight"
# base, name, changed keys, tensors: name -> name it is taken from, or None to leave it out
CASES = [
    ("llama", "as it is", {}, {}),
    ("llama", "tied with a head of its own", {"tie_word_embeddings": True}, {}),
    ("llama", "tied with an equal head", {"tie_word_embeddings": True}, {HEAD: EMBED}),
    ("llama", "tied, only lm_head", {"tie_word_embeddings": True}, {EMBED: None}),
    ("llama", "tied, only the embedding", {"tie_word_embeddings": True}, {HEAD: None}),
    ("mixtral", "tied with a head of its own", {"tie_word_embeddings": True}, {}),
    ("jamba", "as it is", {}, {}),
    ("jamba", "tied with a head of its own", {"tie_word_embeddings": True}, {}),
    ("jamba", "tied, only lm_head", {"tie_word_embeddings": True}, {EMBED: None}),
    ("mamba", "as it is", {}, {}),
    ("mamba", "tied by default, with a head of its own", {"tie_word_embeddings": "without"}, {}),
    ("mamba", "tied, only lm_head", {"tie_word_embeddings": True}, {MEMBED: None}),
    ("mamba", "tied with an equal head", {"tie_word_embeddings": True}, {MHEAD: MEMBED}),
    ("llama", "rope_scaling before rope_parameters", {"rope_theta": 500.0, "rope_scaling": {"type": "linear", "factor": 8.0}, "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 77.0}}, {}),
    ("llama", "rope_scaling before rope_parameters, whose theta is lost", {"rope_scaling": {"type": "linear", "factor": 8.0}, "rope_parameters": {"rope_type": "default", "rope_theta": 77.0}}, {}),
    ("llama", "empty rope_scaling", {"rope_theta": 500.0, "rope_scaling": {}, "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 77.0}}, {}),
    ("llama", "null rope_scaling", {"rope_scaling": None, "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 77.0}}, {}),
    ("llama", "rope_parameters without theta", {"rope_theta": 500.0, "rope_parameters": {"rope_type": "default"}}, {}),
    ("llama", "rope_parameters' theta before the other", {"rope_theta": 500.0, "rope_parameters": {"rope_type": "default", "rope_theta": 77.0}}, {}),
    ("llama", "rope_scaling with a theta", {"rope_theta": 500.0, "rope_scaling": {"rope_type": "linear", "factor": 2.0, "rope_theta": 77.0}}, {}),
    ("llama", "default with a factor", {"rope_scaling": {"rope_type": "default", "factor": 8.0}}, {}),
    ("llama", "linear with yarn's setting", {"rope_scaling": {"rope_type": "linear", "factor": 8.0, "attention_factor": 3.0}}, {}),
    ("llama", "llama3 without its original length", {"rope_scaling": L3}, {}),
    ("llama", "llama3 with it inside", {"rope_scaling": {**L3, "original_max_position_embeddings": 16}}, {}),
    ("llama", "llama3 with it outside", {"rope_scaling": L3, "original_max_position_embeddings": 16}, {}),
    ("llama", "llama3 with both", {"rope_scaling": {**L3, "original_max_position_embeddings": 32}, "original_max_position_embeddings": 16}, {}),
    ("mixtral", "llama3, default theta", {"rope_scaling": {**L3, "original_max_position_embeddings": 16}}, {}),
    ("llama", "yarn", {"rope_scaling": YARN}, {}),
    ("llama", "yarn without its original length", {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, {}),
    ("llama", "yarn with it outside", {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}, "original_max_position_embeddings": 16}, {}),
    ("llama", "yarn without a factor", {"rope_scaling": {**YARN, "factor": None}}, {}),
    ("llama", "yarn, beta 0 is none", {"rope_scaling": {**YARN, "beta_fast": 0, "beta_slow": 0}}, {}),
    ("llama", "yarn with mscale", {"rope_scaling": {**YARN, "mscale": 2.0, "mscale_all_dim": 0.5}}, {}),
    ("llama", "yarn with one mscale", {"rope_scaling": {**YARN, "mscale": 2.0}}, {}),
    ("llama", "yarn with attention_factor", {"rope_scaling": {**YARN, "attention_factor": 0.5}}, {}),
    ("llama", "yarn, not truncated", {"rope_scaling": {**YARN, "truncate": False}}, {}),
    ("llama", "swish", {"hidden_act": "swish"}, {}),
    ("llama", "window of another architecture", {"sliding_window": 3}, {}),
    ("llama", "layer_types, all full", {"layer_types": ["full_attention", "full_attention"]}, {}),
    ("llama", "model_type before architectures", {"model_type": "mistral", "sliding_window": 3}, {}),
    ("llama", "all biases", {"attention_bias": True}, {Q0: "spare.q", V1: "spare.v"}),
    ("llama", "biases that the settings have not", {}, {Q0: "spare.q", V1: "spare.v"}),
    ("llama", "dropout and initialization", {"attention_dropout": 0.3, "initializer_range": 0.7, "pretraining_tp": 2, "chunk_size_feed_forward": 4}, {}),
    ("mistral", "no window", {}, {}),
    ("mistral", "a window", {"sliding_window": 3}, {}),
    ("mistral", "use_sliding_window false", {"sliding_window": 3, "use_sliding_window": False}, {}),
    ("mistral", "max_window_layers", {"sliding_window": 3, "max_window_layers": 1}, {}),
    ("mistral", "full, then sliding", {"sliding_window": 3, "layer_types": ["full_attention", "sliding_attention"]}, {}),
    ("mistral", "sliding, then full", {"sliding_window": 3, "layer_types": ["sliding_attention", "full_attention"]}, {}),
    ("mistral", "older names", {"sliding_window": 3, "layer_types": ["sliding_attention", "attention"]}, {}),
    ("mistral", "all full beside a window", {"sliding_window": 3, "layer_types": ["full_attention", "full_attention"]}, {}),
    ("mistral", "all sliding", {"sliding_window": 3, "layer_types": ["sliding_attention", "sliding_attention"]}, {}),
    ("mistral", "layer_types null", {"sliding_window": 3, "layer_types": None}, {}),
    ("mistral", "attention_bias, which it has not", {"attention_bias": True}, {Q0: "spare.q"}),
    ("mixtral", "as it is", {}, {}),
    ("mixtral", "num_experts, the other name", {"num_local_experts": "without", "num_experts": 2}, {}),
    ("mixtral", "a window", {"sliding_window": 3}, {}),
    ("mixtral", "two experts a token", {"num_experts_per_tok": 2}, {}),
    ("mixtral", "router noise", {"router_jitter_noise": 0.5, "output_router_logits": True, "router_aux_loss_coef": 9.0}, {}),
    ("jamba", "num_local_experts, the other name", {"num_experts": "without", "num_local_experts": 2}, {}),
    ("jamba", "a rotary embedding, which it has not", {"rope_theta": 500.0}, {}),
    ("jamba", "two experts a token", {"num_experts_per_tok": 2}, {}),
    ("jamba", "inner norms", {"mamba_inner_layernorms": True, "num_logits_to_keep": 1, "use_mamba_kernels": False}, {}),
    ("mamba", "time steps' limits", {"time_step_min": 0.5, "time_step_max": 0.7, "time_step_floor": 0.6, "time_step_scale": 3.0, "time_step_init_scheme": "constant"}, {}),
    ("mamba", "residuals", {"residual_in_fp32": False}, {}),
    ("mamba", "intermediate_size", {"expand": 3, "intermediate_size": 32}, {}),
    ("mamba", "epsilon", {"layer_norm_epsilon": 0.1}, {}),
]


def main():
    stored, out = {}, []
    for name, config in BASES.items():
        stored[name] = checkpoint(config)
    torch.manual_seed(9)
    stored["llama"]["spare.q"] = torch.randn(16)
    stored["llama"]["spare.v"] = torch.randn(8)
    for base, name, keys, changes in CASES:
        weights = "llama" if base == "mistral" else base
        config = dict(MISTRAL if base == "mistral" else BASES[base])
        config.update(keys)
        config = {k: v for k, v in config.items() if v != "without"}
        all_ = stored[weights]
        tensors = {k: v for k, v in all_.items() if not k.startswith("spare.")}
        for to, source in changes.items():
            if source is None:
                del tensors[to]
            else:
                tensors[to] = all_[source]
        out.append({"name": f"{base}: {name}", "weights": weights, "config": config, "tensors": changes, "logits": logits(config, tensors)})
    for name, tensors in stored.items():
        save_file({k: v.contiguous().clone() for k, v in tensors.items()}, f"{HERE}/{name}.safetensors")
    with open(f"{HERE}/settings.json", "w") as f:
        f.write('{"ids": %s, "cases": [\n' % json.dumps(IDS) + ",\n".join(json.dumps(c) for c in out) + "\n]}\n")


main()
