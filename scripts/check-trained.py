#!/usr/bin/env python3
"""Compares jamba's training and checkpoints with Hugging Face transformers.

usage: check-trained.py JAMBA [MODEL...]

JAMBA is the command. It trains small models of each kind for ten steps on the same sequences as torch's AdamW does from the
same first weights, and compares the losses, the logits of the checkpoint that jamba wrote, and of each MODEL, a folder of a
run. Needs torch and transformers; see docs/training.md for what came out.
"""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.update(TRANSFORMERS_VERBOSITY="error", HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_OFFLINE="1")

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, get_cosine_schedule_with_warmup

STEPS, BATCH, LENGTH, LR, WARMUP = 10, 2, 32, 1e-2, 2
RECIPES = {
    "jamba": "layers: [mamba + mlp, attention + moe, mamba + mlp, mamba + moe]\nintermediate_size: 64\nnum_attention_heads: 4\n"
    "num_key_value_heads: 2\nnum_experts: 4\nnum_experts_per_tok: 2\n",
    "llama": "num_hidden_layers: 2\nintermediate_size: 64\nnum_attention_heads: 4\nnum_key_value_heads: 2\n",
    "mamba": "num_hidden_layers: 2\nstate_size: 16\n",
}


def jamba(*args):
    subprocess.run([sys.argv[1], *map(str, args)], check=True, stderr=subprocess.DEVNULL)


def logits(folder, tokens):
    """Largest difference of the logits of a checkpoint, and their largest magnitude."""
    with tempfile.NamedTemporaryFile(suffix=".npy") as out:
        jamba("logits", "-m", folder, "--tokens", ",".join(map(str, tokens)), "-o", out.name)
        ours = np.load(out.name)
    model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"], info
    model.eval()
    with torch.no_grad():
        theirs = model(torch.tensor([tokens])).logits[0].numpy()
    return np.abs(ours.reshape(theirs.shape) - theirs).max(), np.abs(theirs).max()


def torch_losses(folder, rows):
    """The losses of the same training with torch."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    model.train()
    moe = model.config.model_type == "jamba"
    no_decay = ("A_log", ".D", "bias", "norm", "norm_f")
    decays = {True: [], False: []}
    for name, p in model.named_parameters():
        stem = name.removesuffix(".weight")
        decays[not any(stem.endswith(x) for x in no_decay)].append(p)
    optimizer = torch.optim.AdamW(
        [{"params": decays[True], "weight_decay": 0.1}, {"params": decays[False], "weight_decay": 0.0}], lr=LR, betas=(0.9, 0.95), eps=1e-8
    )
    schedule = get_cosine_schedule_with_warmup(optimizer, WARMUP, STEPS)
    losses = []
    for step in range(STEPS):
        batch = torch.tensor(rows[step * BATCH : (step + 1) * BATCH])
        if moe:
            model.router_aux_loss_coef = model.config.router_aux_loss_coef = 0.001
            out = model(batch, labels=batch, output_router_logits=True)
        else:
            out = model(batch, labels=batch)
        losses.append(out.loss.item())
        optimizer.zero_grad()
        out.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return losses


def check(kind, words, tmp):
    text = tmp / "text.txt"
    text.write_text("the fox and a grape vine were high over old trees while birds sang of rain " * 20)
    recipe = tmp / "model.yaml"
    recipe.write_text(f"model_type: {kind}\nhidden_size: 32\n{words}")
    rows = np.random.default_rng(1).integers(4, 300, (2 * BATCH, LENGTH)).tolist() * (STEPS // 2)
    data = tmp / "rows.jsonl"
    data.write_text("".join(json.dumps({"input_ids": row}) + "\n" for row in rows))
    first = tmp / "first"
    # A step of a learning rate of 0 leaves the first weights.
    jamba("train", recipe, text, "-o", first, "--steps", 1, "--warmup", 1, "--schedule", "constant", "--vocab-size", 400)
    run = tmp / "run"
    jamba("finetune", "-m", first, data, "-o", run, "--steps", STEPS, "--batch", BATCH, "--seq", LENGTH - 1, "--lr", LR, "--warmup", WARMUP,
          "--weight-decay", 0.1, "--no-shuffle")
    ours = [x["loss"] for x in map(json.loads, open(run / "log.jsonl")) if "loss" in x]
    theirs = torch_losses(first, rows)
    assert len(ours) == len(theirs) == STEPS
    deviation = max(abs(a - b) for a, b in zip(ours, theirs))
    off, most = logits(run, rows[0])
    AutoTokenizer.from_pretrained(run)
    print(f"{kind:6} losses {ours[0]:.4f} to {ours[-1]:.4f}, off by {deviation:.1e}; logits up to {most:.2f}, off by {off:.1e}")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    torch.set_num_threads(2)
    for kind, words in RECIPES.items():
        with tempfile.TemporaryDirectory() as tmp:
            check(kind, words, Path(tmp))
    for folder in sys.argv[2:]:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokens = tokenizer("Once upon a time there was a king who had a daughter.").input_ids
        off, most = logits(folder, tokens)
        print(f"{folder}: {len(tokens)} tokens, logits up to {most:.2f}, off by {off:.1e}")


main()
