#!/usr/bin/env python3
"""Measures how fast Hugging Face transformers trains, as jamba bench --train --vs-hf calls it.

usage: train-speed.py DIR THREADS BATCH SEQ

DIR holds a config.json. Does two steps with BATCH sequences of SEQ random tokens - forward, backward, clipping and AdamW in
float32 - and prints the speed of the second. Needs torch and transformers. On a processor the Mamba layers' backward pass
takes time with the square of SEQ: choose small ones.
"""
import os
import sys
import time

os.environ.update(TRANSFORMERS_VERBOSITY="error", HF_HUB_OFFLINE="1")

import torch
from transformers import AutoConfig, AutoModelForCausalLM

folder, (threads, batch, seq) = sys.argv[1], map(int, sys.argv[2:])
torch.set_num_threads(threads)
config = AutoConfig.from_pretrained(folder)
config.output_router_logits = config.model_type in ("jamba", "mixtral")  # with the load-balancing loss
model = AutoModelForCausalLM.from_config(config).float().train()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
tokens = torch.randint(0, config.vocab_size, (batch, seq))
for _ in range(2):
    start = time.perf_counter()
    model(input_ids=tokens, labels=tokens).loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1)
    optimizer.step()
    optimizer.zero_grad()
    rate = batch * seq / (time.perf_counter() - start)
print(f"tok/s min {rate:.2f} med {rate:.2f} max {rate:.2f}")
