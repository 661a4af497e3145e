"""Makes small models of eight-bit floats and what the reference computes with them.

Needs torch, transformers 5.24.0, accelerate and compressed-tensors 0.19 or so. Writes KIND/config.json and
KIND/model.safetensors and, in expected.json, for each KIND the logits of the reference in float32, which dequantizes on a
processor, for some tokens.

Usage: python make_fp8.py
"""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, CompressedTensorsConfig, LlamaConfig, LlamaForCausalLM, MixtralConfig, MixtralForCausalLM

here = Path(__file__).parent
torch.manual_seed(3)
TOKENS = [1, 5, 63, 7, 22, 40]
shape = dict(vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64)


def to_f8(w: torch.Tensor, rows: int, columns: int, dtype: torch.dtype, scale_dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Rounds blocks of a grid of rows by columns, each to its largest value."""
    b = w.reshape(rows, w.shape[0] // rows, columns, w.shape[1] // columns)
    scale = (b.abs().amax(dim=(1, 3)) / torch.finfo(dtype).max).to(scale_dtype)
    q = (b / scale.float()[:, None, :, None]).clamp(torch.finfo(dtype).min, torch.finfo(dtype).max).to(dtype)
    return q.reshape(w.shape), scale


def compressed(strategy: str) -> dict:
    weights = {"num_bits": 8, "type": "float", "symmetric": True, "strategy": strategy, "dynamic": False}
    return {
        "quant_method": "compressed-tensors", "format": "float-quantized", "quantization_status": "compressed", "ignore": ["lm_head"],
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights, "input_activations": None, "output_activations": None}},
    }  # fmt: skip


FP8 = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [16, 16]}
# For each kind: the model, the quantization, the type and its scales: their suffix, their type and their grid.
KINDS = {
    "blocks": ("llama", FP8, torch.float8_e4m3fn, "_scale_inv", torch.float32, lambda n, k: (n // 16, k // 16)),
    "blocks-bf16": ("llama", FP8, torch.float8_e4m3fn, "_scale_inv", torch.bfloat16, lambda n, k: (n // 16, k // 16)),
    "experts": ("mixtral", FP8, torch.float8_e4m3fn, "_scale_inv", torch.float32, lambda n, k: (n // 16, k // 16)),
    "channel": ("llama", compressed("channel"), torch.float8_e4m3fn, "_scale", torch.bfloat16, lambda n, k: (n, 1)),
    "tensor": ("llama", compressed("tensor"), torch.float8_e4m3fn, "_scale", torch.float32, lambda n, k: None),
}
expected = {}
for kind, (arch, config, dtype, suffix, scale_dtype, grid) in KINDS.items():
    folder = here / kind
    shutil.rmtree(folder, ignore_errors=True)
    if arch == "llama":
        model = LlamaForCausalLM(LlamaConfig(**shape))
    else:
        model = MixtralForCausalLM(MixtralConfig(**shape, num_local_experts=2, num_experts_per_tok=1))
    for p in model.parameters():
        if p.dim() > 1:
            p.data.normal_(0, 0.3)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    tensors = {}
    for name, w in load_file(folder / "model.safetensors").items():
        if w.dim() != 2 or "embed" in name or "lm_head" in name or ".gate." in name:
            tensors[name] = w
            continue
        g = grid(*w.shape)
        q, scale = to_f8(w, *(g or (1, 1)), dtype, scale_dtype)
        tensors[name] = q
        tensors[name + suffix] = scale if g else scale.reshape(1)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    c = json.loads((folder / "config.json").read_text())
    c["quantization_config"] = config
    (folder / "config.json").write_text(json.dumps(c, indent=1) + "\n")
    more = {"quantization_config": CompressedTensorsConfig(dequantize=True)} if "scale_inv" not in suffix else {}
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **more)
    for name, p in model.named_parameters():
        assert p.dtype == torch.float32, (kind, name, p.dtype)
    with torch.no_grad():
        logits = model(torch.tensor([TOKENS])).logits[0]
    expected[kind] = {"tokens": TOKENS, "logits": [round(float(v), 6) for v in logits.flatten()]}
    print(kind, logits.std())
(here / "expected.json").write_text(json.dumps(expected) + "\n")
