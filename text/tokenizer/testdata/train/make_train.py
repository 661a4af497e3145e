#!/usr/bin/env python3
"""Trains tokenizers with the reference library (tokenizers 0.23) on the texts of testdata/goldens and writes what our
trainer has to repeat: the tokens by id and the merges, for each kind.

usage: make_train.py GOLDENS OUT.json
"""
import json, sys
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# The words that the trainer of kind jamba counts, after spaces have become "▁".
WORDS = r"▁*[\p{L}\p{M}]+|▁*[^\s\p{L}\p{M}\p{N}▁]+|▁+|\p{N}|[\r\n]+|[^\S\r\n]+"
SPECIAL = ["<|pad|>", "<|startoftext|>", "<|endoftext|>", "<|unk|>"]


def texts(goldens):
    with open(goldens + "/tokenizer/cl100k-style/goldens.jsonl", encoding="utf-8") as f:
        for line in f:
            g = json.loads(line)
            if g["kind"] == "encode" and "<|" not in g["text"]:
                yield g["text"]


def main():
    goldens, out = sys.argv[1:]
    result = {}
    for kind, size, least in [("jamba", 1600, 1), ("llama3", 1200, 2), ("gpt2", 1200, 2)]:
        t = Tokenizer(models.BPE())
        special, alphabet = SPECIAL, pre_tokenizers.ByteLevel.alphabet()
        if kind == "jamba":
            t.normalizer = normalizers.Replace(" ", "▁")
            t.pre_tokenizer = pre_tokenizers.Split(Regex(WORDS), behavior="isolated")
            special = SPECIAL + [f"<0x{b:02X}>" for b in range(256)]
            alphabet = [chr(c) for c in range(0x21, 0x7F)] + ["\n", "\t", "▁"]
        elif kind == "llama3":
            t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), behavior="isolated"),
                                                       pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        else:
            t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        t.train_from_iterator(texts(goldens), trainers.BpeTrainer(vocab_size=size, special_tokens=special, min_frequency=least,
                                                                  initial_alphabet=sorted(alphabet), show_progress=False))
        model = json.loads(t.to_str())["model"]
        tokens = [k for k, _ in sorted(model["vocab"].items(), key=lambda kv: kv[1])]
        result[kind] = dict(size=size, least=least, tokens=tokens, merges=model["merges"])
    with open(out, "w", encoding="utf-8") as f:
        json.dump(result, f)


main()
