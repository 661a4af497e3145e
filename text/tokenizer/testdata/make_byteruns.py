#!/usr/bin/env python3
"""Writes byteruns.json: the decoded texts of goldens and components.jsonl in which a run of byte tokens is not UTF-8.

usage: make_byteruns.py TOKENIZER_GOLDENS components.jsonl OUT.json

The tokenizers library makes U+FFFD of every byte of such a run, SentencePiece only of those that are part of no character,
which a stream can do, too. Here each such run is decoded by SentencePiece (0.2.3), and what is around it by tokenizers
(0.23.3). For each file, by line (from 1) or by name and number: [decoded, decoded without special tokens].
"""
import json, sys
import sentencepiece as spm
from tokenizers import Tokenizer

goldens, components, out = sys.argv[1:]
sp = spm.SentencePieceProcessor(model_file=goldens + "/jamba-style/tokenizer.model")
first = sp.piece_to_id("h")


def byte(token):
    return int(token[3:5], 16) if token and len(token) == 6 and token.startswith("<0x") else None


def decode(t, ids, skip):
    """The text, and whether a run was not UTF-8."""
    special = {i for i, a in t.get_added_tokens_decoder().items() if a.special}
    ids = [i for i in ids if t.id_to_token(i) is not None and not (skip and i in special)]
    of = {byte(tok): i for tok, i in t.get_vocab().items() if byte(tok) is not None}
    swapped, runs, at = [], [], 0
    while at < len(ids):
        run = []
        while at < len(ids) and byte(t.id_to_token(ids[at])) is not None:
            run.append(byte(t.id_to_token(ids[at])))
            at += 1
        if not run:
            swapped.append(ids[at])
            at += 1
            continue
        try:
            bytes(run).decode()
            stand_in = bytes(run)
        except UnicodeDecodeError:
            stand_in = chr(0xE000 + len(runs)).encode()  # a private character stands for the run
            runs.append(sp.decode([first] + [sp.piece_to_id("<0x%02X>" % b) for b in run])[1:])
        swapped += [of[b] for b in stand_in]
    text = t.decode(swapped, skip_special_tokens=False)
    for i, run in enumerate(runs):
        text = text.replace(chr(0xE000 + i), run)
    return text, bool(runs)


def both(t, ids):
    a, b = decode(t, ids, False), decode(t, ids, True)
    return [a[0], b[0]] if a[1] or b[1] else None


result = {}
for style in ["jamba-style", "llama2-style"]:
    t = Tokenizer.from_file(f"{goldens}/{style}/tokenizer.json")
    for n, line in enumerate(open(f"{goldens}/{style}/goldens.jsonl", encoding="utf-8"), 1):
        g = json.loads(line)
        ids = {"decode": g.get("ids"), "encode": g.get("ids_with_special")}.get(g["kind"])
        if ids and (texts := both(t, ids)):
            result.setdefault(style, {})[n] = texts
base, *cases = map(json.loads, open(components, encoding="utf-8"))
for c in cases:
    if "decoder Byte" not in c["name"] and "decoder Llama" not in c["name"]:
        continue
    d = dict(base, **c["set"])
    d["model"] = dict(base["model"], **c["model"])
    t = Tokenizer.from_str(json.dumps(d))
    for n, (ids, _, _) in enumerate(c["decode"]):
        if texts := both(t, ids):
            result.setdefault(c["name"], {})[n] = texts
json.dump(result, open(out, "w", encoding="utf-8"), ensure_ascii=False, indent=0)
print({k: len(v) for k, v in result.items()})
