#!/usr/bin/env python3
"""Makes the variants of adapters in this folder, with PEFT's values: python make.py (here; torch, peft, transformers).

variants.json   for each: the base model, adapter_config.json less what is empty, and where its tensors are in
tensors.safetensors
                t/NAME: the adapter's; logits: PEFT's logits for the ids, float32; grad/NAME, after/NAME: gradients of
                one batch and values after one step of AdamW
tied-*          base models with one matrix for embedding and head; the others are those of ../A06 and ../A07
"""
import hashlib
import json
import pathlib
import shutil
import tempfile
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

HERE = pathlib.Path(__file__).resolve().parent
IDS = [1, 5, 9, 33, 0, 7, 52, 12]
BASES = {"jamba": HERE.parent / "A06/model", "llama": HERE.parent / "A07/model", "tied-jamba": HERE / "tied-jamba", "tied-llama": HERE / "tied-llama"}
STEP = dict(lr=1e-2, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
AUX = 0.02
warnings.simplefilter("ignore")

variants, tensors = [], {}


def keep(value):
    """Stores a tensor once and returns its key."""
    value = value.detach().contiguous().clone()
    key = hashlib.sha256(str(value.shape).encode() + value.numpy().tobytes()).hexdigest()[:8]
    tensors[key] = value
    return key


def open_base(name, **settings):
    config = AutoConfig.from_pretrained(BASES[name])
    for key, value in settings.items():
        setattr(config, key, value)
    model = AutoModelForCausalLM.from_pretrained(BASES[name], config=config, dtype=torch.float32, attn_implementation="eager")
    if hasattr(model, "set_experts_implementation"):
        model.set_experts_implementation("eager")
    return model.eval()


def make_bases():
    for name in ("jamba", "llama"):
        torch.manual_seed(7)
        config = AutoConfig.from_pretrained(BASES[name])
        config.tie_word_embeddings = True
        config.pad_token_id = 0
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        for key, value in model.named_parameters():
            if value.dim() > 1 and "A_log" not in key and "conv1d" not in key:
                torch.nn.init.normal_(value, std=0.3)
        model.save_pretrained(BASES["tied-" + name])
        (BASES["tied-" + name] / "generation_config.json").unlink(missing_ok=True)


def logits(model):
    with torch.no_grad():
        return model(torch.tensor([IDS]), use_cache=False).logits[0].float()


def record(name, base, folder, training=False):
    """What PEFT computes with the adapter in folder."""
    model = PeftModel.from_pretrained(open_base(base), folder).eval()
    config = json.loads((folder / "adapter_config.json").read_text())
    if isinstance(config.get("target_modules"), list):
        config["target_modules"].sort()
    config["base_model_name_or_path"] = base
    config = {k: v for k, v in config.items() if v or k == "init_lora_weights"}
    at = {f"t/{key}": keep(value) for key, value in load_file(folder / "adapter_model.safetensors").items()}
    got = logits(model)
    at["logits"] = keep(got)
    change = (got - logits(open_base(base))).abs().max().item()
    entry = {"name": name, "base": base, "config": config, "tensors": at}
    if training:
        entry |= step(base, folder, at)
    variants.append(entry)
    print(f"{name}: logits change by {change:.3g}")


def step(base, folder, at):
    """The gradients of a batch of one sequence, and one step of AdamW."""
    router = {"output_router_logits": True, "router_aux_loss_coef": AUX} if "jamba" in base else {}
    model = PeftModel.from_pretrained(open_base(base, **router), folder, is_trainable=True)
    model.train()
    ids = torch.tensor([IDS])
    own = {k.replace(".default", ""): v for k, v in model.named_parameters() if v.requires_grad}
    optimizer = torch.optim.AdamW(own.values(), **STEP)
    loss = model(ids, labels=ids, use_cache=False).loss
    loss.backward()
    for key, value in own.items():
        at[f"grad/{key}"] = keep(value.grad)
    optimizer.step()
    for key, value in own.items():
        at[f"after/{key}"] = keep(value)
    return {"loss": loss.item(), "aux": AUX if router else 0}


def adapter(base, change_base=False, **settings):
    torch.manual_seed(11)
    model = open_base(base)
    if change_base:
        with torch.no_grad():
            model.get_input_embeddings().weight.mul_(1.25)
    settings = dict(r=3, lora_alpha=6, task_type="CAUSAL_LM") | settings
    model = get_peft_model(model, LoraConfig(**settings))
    for key, value in model.named_parameters():
        if "lora_" in key:
            torch.nn.init.normal_(value, std=0.2)
        elif value.requires_grad:
            with torch.no_grad():
                value.add_(torch.randn_like(value) * 0.1)
    if settings.get("ensure_weight_tying"):
        base_model = model.get_base_model()
        embed, head = base_model.get_input_embeddings(), base_model.get_output_embeddings()
        if hasattr(embed, "lora_embedding_A") and hasattr(head, "lora_A"):
            with torch.no_grad():
                head.lora_A["default"].weight.copy_(embed.lora_embedding_B["default"].t())
                head.lora_B["default"].weight.copy_(embed.lora_embedding_A["default"].t())
    folder = pathlib.Path(tempfile.mkdtemp())
    model.save_pretrained(folder)
    return folder


def edited(folder, drop="", **settings):
    """A copy of an adapter with other settings, or without some tensors."""
    copy = pathlib.Path(tempfile.mkdtemp()) / "adapter"
    shutil.copytree(folder, copy)
    path = copy / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    if drop:
        path = copy / "adapter_model.safetensors"
        save_file({k: v for k, v in load_file(path).items() if drop not in k}, path)
    return copy


def main():
    make_bases()
    some = ["in_proj", "q_proj"]
    # The embedding and the head.
    for base in ("jamba", "tied-jamba"):
        record(f"{base} embed", base, adapter(base, target_modules=["embed_tokens", *some]))
        record(f"{base} head", base, adapter(base, target_modules=["lm_head", *some]))
        record(f"{base} both", base, adapter(base, target_modules=["embed_tokens", "lm_head", *some]), training=True)
    record("llama both, by patterns", "llama", adapter(
        "llama", target_modules=["embed_tokens", "lm_head"], use_rslora=True, rank_pattern={"embed_tokens": 5, "lm_head": 2}, alpha_pattern={"model.embed_tokens": 9}))
    record("llama regular expression", "llama", adapter("llama", target_modules=r".*(embed_tokens|lm_head|v_proj)"))
    record("llama other base", "llama", adapter("llama", change_base=True, target_modules=["embed_tokens"]))
    record("tied-llama other base", "tied-llama", adapter("tied-llama", change_base=True, target_modules=["embed_tokens"]))
    for target in ("embed_tokens", "lm_head"):
        record(f"tied-llama tying {target}", "tied-llama", adapter("tied-llama", target_modules=[target, "q_proj"], ensure_weight_tying=True))
    record("tied-llama both", "tied-llama", adapter("tied-llama", target_modules=["embed_tokens", "lm_head"]), training=True)
    record("llama tying without need", "llama", adapter("llama", target_modules=["embed_tokens", "q_proj"], ensure_weight_tying=True))
    # Whole weights.
    for base in ("llama", "tied-llama"):
        for saved in (["lm_head"], ["embed_tokens"], ["embed_tokens", "lm_head"]):
            record(f"{base} saved {'+'.join(saved)}", base, adapter(base, target_modules=["q_proj"], modules_to_save=saved))
    record("tied-llama saved, tying", "tied-llama", adapter("tied-llama", target_modules=["q_proj"], modules_to_save=["embed_tokens"], ensure_weight_tying=True))
    # Settings.
    plain = adapter("llama", r=4, target_modules=["q_proj", "v_proj"])
    record("plain", "llama", plain)
    for name, settings in {
        "absent targets": dict(target_modules=["q_proj", "v_proj", "c_attn", "query_key_value"]),
        "exclude absent": dict(exclude_modules=["lm_head", "vision"]),
        "exclude by expression": dict(exclude_modules=r".*\.mlp\..*"),
        "layers": dict(layers_to_transform=[0, 1]),
        "layers and more": dict(layers_to_transform=[0, 1, 40], layers_pattern="layers"),
        "layers by names": dict(layers_to_transform=[0, 1], layers_pattern=["h", "layers"]),
        "patterns for absent": dict(rank_pattern={"c_attn": 7, "layers.9.q_proj": 2}, alpha_pattern={"k_proj": 1}),
        "pattern of alpha": dict(alpha_pattern={"layers.0.self_attn.q_proj": 24, "q_proj": 12}),
        "dropout": dict(lora_dropout=0.3),
        "gaussian": dict(init_lora_weights="gaussian"),
        "orthogonal": dict(init_lora_weights="orthogonal"),
        "no initialisation": dict(init_lora_weights=False),
        "no task": dict(task_type=None, inference_mode=False, revision="main"),
        "rslora": dict(use_rslora=True),
        "fan_in_fan_out": dict(fan_in_fan_out=True),
        "an unknown setting": dict(some_future_setting={"a": 1}),
        "alpha 5 over r 4": dict(lora_alpha=5),
        "look-ahead": dict(target_modules=r"^(?!.*mlp).*\.(q|v)_proj$"),
        "all-linear of fewer": dict(target_modules="all-linear"),
        "look-behind": dict(target_modules=r".*(?<=self_attn\.)[qv]_proj"),
        "names in full": dict(target_modules=[f"model.layers.{i}.self_attn.{p}_proj" for i in (0, 1) for p in "qv"], layers_to_transform=[5]),
    }.items():
        record(name, "llama", edited(plain, **settings))
    record("a layer without tensors", "llama", edited(plain, drop="layers.1."))
    one = adapter("llama", target_modules=["q_proj", "v_proj"], layers_to_transform=[1])
    record("one layer", "llama", one)
    record("one layer, as a number", "llama", edited(one, layers_to_transform=1))
    record("but some", "llama", adapter("llama", target_modules=["q_proj", "v_proj", "lm_head"], exclude_modules=["layers.0.self_attn.v_proj", "lm_head"]))
    record("but some, by expression", "llama", adapter("llama", target_modules="all-linear", exclude_modules=r".*(mlp|o_proj|layers\.1).*"))

    lines = ",\n".join(json.dumps(v, separators=(",", ":")) for v in variants)
    (HERE / "variants.json").write_text(f'{{"ids": {IDS}, "step": {json.dumps(STEP)}, "variants": [\n{lines}\n]}}\n')
    save_file(tensors, HERE / "tensors.safetensors")


main()
