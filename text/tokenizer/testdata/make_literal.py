"""Writes literal.jsonl: ids of texts whose special tokens are taken for text, by the tokenizers library (0.23.3,
encode_special_tokens). Run from this folder: python make_literal.py > literal.jsonl"""
import json
from tokenizers import Tokenizer

GOLDENS = "../../../testdata/goldens/tokenizer/"

def small(normalizer, normalized, special=("<s>", "</s>", "<|im_end|>", "[INST]"), pre=None):
    letters = [chr(c) for c in range(32, 127)] + ["▁", "Ġ", "é"]
    vocab = {c: i for i, c in enumerate(letters)}
    merges = [["i", "m"], ["im", "_"], ["e", "n"], ["en", "d"], ["|", ">"], ["<", "|"]]
    for a, b in merges:
        vocab[a + b] = len(vocab)
    added = [{"id": len(vocab) + i, "content": s, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": normalized, "special": True} for i, s in enumerate(special)]
    return json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": normalizer,
        "pre_tokenizer": pre, "post_processor": None, "decoder": None,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": vocab, "merges": merges}}, ensure_ascii=False)

metaspace = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"},
             {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
tokenizers = {
    **{n: None for n in ("cl100k-style", "gpt2-style", "jamba-style", "llama2-style")},
    "plain": small(None, False),
    "normalized": small(None, True),
    "lowercase": small({"type": "Lowercase"}, True),
    "nfkc": small({"type": "NFKC"}, True),
    "nfkc lowercase": small({"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]}, True),
    "prepend": small(metaspace, True),
    "prepend, raw": small(metaspace, False),
    "strip": small({"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}]}, True),
}
texts = [
    "", "Hello", "a <|im_end|> b", "<|im_end|>", "<s>Hello</s>", "x<s>y</s>z", "[INST] do it [/INST]", "<|IM_END|> and <S>",
    "＜s＞ wide", "<|im_<s>end|>", "<<s>>", "no tokens < here |>", "<|endoftext|>", "<|eot_id|>end", " <|startoftext|> x",
    "</s></s>", "ends with <s", "é<s>é",
]
for name, source in tokenizers.items():
    t = Tokenizer.from_str(source) if source else Tokenizer.from_file(GOLDENS + name + "/tokenizer.json")
    t.encode_special_tokens = True
    cases = [{"text": s, "ids": t.encode(s, add_special_tokens=False).ids} for s in texts]
    print(json.dumps({"name": name, "tokenizer": source, "cases": cases}, ensure_ascii=False))
