#!/usr/bin/env python3
"""Writes curves.json: ten training steps of the reference (transformers and torch on the CPU, one thread) for each of two
schedules, on the checkpoint testdata/goldens/models/jamba-v01-mini.

usage: make_curves.py [FOLDER OF MODELS]"""
import json, os, sys
import torch, transformers

torch.set_num_threads(1)
here = os.path.dirname(os.path.abspath(__file__))
models = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "../../testdata/goldens/models")
STEPS, WARMUP, BATCH, LENGTH = 10, 3, 3, 20
EXEMPT = ("layernorm.weight", ".bias", "A_log", ".D")


def curve(schedule, decay_all, clip, seed):
    torch.manual_seed(seed)
    m = transformers.JambaForCausalLM.from_pretrained(os.path.join(models, "jamba-v01-mini"), dtype=torch.float32, attn_implementation="eager")
    m.set_experts_implementation("eager")
    m.train()
    named = list(m.named_parameters())
    exempt = [p for n, p in named if not decay_all and n.endswith(EXEMPT)]
    decayed = [p for n, p in named if decay_all or not n.endswith(EXEMPT)]
    hyper = dict(lr=3e-3, betas=(0.9, 0.95), eps=1e-8)
    opt = torch.optim.AdamW([dict(params=decayed, weight_decay=0.1), dict(params=exempt, weight_decay=0.0)], **hyper)
    make = {"cosine": transformers.get_cosine_schedule_with_warmup, "linear": transformers.get_linear_schedule_with_warmup}[schedule]
    sched = make(opt, WARMUP, STEPS)
    steps = []
    for _ in range(STEPS):
        ids = torch.randint(1, m.config.vocab_size, (BATCH, LENGTH))
        labels = ids.clone()
        labels[0, :4] = -100
        opt.zero_grad()
        out = m(input_ids=ids, labels=labels, use_cache=False, output_router_logits=True)
        out.loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(m.parameters(), clip) if clip else torch.sqrt(sum((p.grad.double() ** 2).sum() for _, p in named))
        steps.append(dict(tokens=ids.tolist(), labels=labels.tolist(), loss=out.loss.item(), aux_loss=out.aux_loss.item(), grad_norm=float(norm), lr=sched.get_last_lr()[0]))
        opt.step()
        sched.step()
    return dict(schedule=schedule, warmup=WARMUP, steps=STEPS, decay_all=decay_all, clip=clip, weight_decay=0.1, aux_coef=m.config.router_aux_loss_coef,
                lr=hyper["lr"], betas=hyper["betas"], eps=hyper["eps"], curve=steps)


curves = [curve("cosine", False, 1.0, 1), curve("linear", True, 0.0, 2)]
with open(os.path.join(here, "curves.json"), "w") as f:
    f.write("[\n")
    for i, c in enumerate(curves):
        head = json.dumps({k: v for k, v in c.items() if k != "curve"})
        f.write(head[:-1] + ', "curve": [\n' + ",\n".join(json.dumps(s) for s in c["curve"]) + "\n]}" + (",\n" if i == 0 else "\n"))
    f.write("]\n")
