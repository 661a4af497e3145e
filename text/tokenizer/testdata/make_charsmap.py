#!/usr/bin/env python3
"""Writes charsmap.json.gz: what SentencePiece (0.2.3) and the tokenizers library (0.23.3) make of texts with a map of
characters and the settings for spaces.

usage: make_charsmap.py OUT.json.gz [RULE…]

RULEs are maps besides nmt_nfkc, such as nfkc nfkc_cf nmt_nfkc_cf; each makes the file 160 KB larger.

  model   a tokenizer.model without a map, base64
  maps    the precompiled maps by rule, base64
  cases   a rule, the settings of normalizer_spec, texts with their ids, decoded texts and, of the tokenizers library,
          the normalized texts (null where the settings make no difference to it)

The model of a case is the model with a normalizer_spec appended, as protobuf merges messages.
"""
import base64, gzip, io, json, random, sys, tempfile
import sentencepiece as spm
from tokenizers.normalizers import Precompiled

rng = random.Random(11)


def field(number, data):
    n, size = len(data), b""
    while n > 127:
        size, n = size + bytes([n & 127 | 128]), n >> 7
    return bytes([number << 3 | 2]) + size + bytes([n]) + data


def split(data):
    """The fields of a message as (number, kind, value)."""
    at = 0

    def varint():
        nonlocal at
        v = shift = 0
        while True:
            b = data[at]
            at += 1
            v |= (b & 127) << shift
            shift += 7
            if b < 128:
                return v
    while at < len(data):
        tag = varint()
        kind = tag & 7
        if kind == 0:
            v = varint()
        elif kind == 2:
            n = varint()
            v, at = data[at:at + n], at + n
        else:
            n = 4 if kind == 5 else 8
            v, at = data[at:at + n], at + n
        yield tag >> 3, kind, v


def train(**kw):
    out = io.BytesIO()
    sentences = ["hello world, the file is fine"] * 20 + ["naïve café Straße 中文 日本語 カタカナ 한국어 the world's file"] * 5 + ["abc ABC 123 a b c"] * 9
    spm.SentencePieceTrainer.train(sentence_iterator=iter(sentences), model_writer=out, vocab_size=420, model_type="bpe", byte_fallback=True,
                                   hard_vocab_limit=False, user_defined_symbols=["ﬁ", "<x>", "Ａ"], minloglevel=2, **kw)
    return out.getvalue()


model = train(normalization_rule_name="identity")
maps = {}
for rule in ["nmt_nfkc", *sys.argv[2:]]:
    for number, _, v in split(train(normalization_rule_name=rule)):
        if number == 3:
            maps[rule] = next(w for n, _, w in split(v) if n == 2)
with tempfile.NamedTemporaryFile("w", suffix=".tsv") as f:  # one string to none, to several, and prefixes of each other
    for src, dst in [("a", "b"), ("ab", "X  Y"), ("abc", ""), ("é", "e"), ("e\u0301\u0323", "ee"), ("中文", "zh"), ("\u200d", ""), ("😀", ":)"), ("▁", "_")]:
        f.write(" ".join("%X" % ord(c) for c in src) + "\t" + " ".join("%X" % ord(c) for c in dst) + "\n")
    f.flush()
    made = train(normalization_rule_tsv=f.name)
for number, _, v in split(made):
    if number == 3:
        maps["rules"] = next(w for n, _, w in split(v) if n == 2)

TEXTS = ["", " ", "hello world", "  hello   world  ", "ﬁle ﬁ ﬂ <x> Ａ ＡＢＣ１２３！", "①②Ⅻ½ ㍿ ㌔ ﷺ", "ｶﾞｷﾞﾊﾟ ｶ ﾞ", "e\u0301 é e\u0323\u0301 e\u0301\u0323 A\u030a Å Å",
         "각 \u1100\u1161\u11a8 한", "a\u00a0b\u2003c\u3000d\u200be\ufefff\u00adg", "a\tb\nc\r\nd\x00e\x07f\x7fg\x85h", "ÀÉÎ STRAẞE straße İI ǅ Σς", "👨‍👩‍👧 🏳️‍🌈 👍🏽 😀", "中文 中 文",
         "abcab abab aé", "x²+y³ ≠ ™ ℃ ſ K", "▁ ▁▁ a▁ ▁b ", "نص عربي ﻻ", "हिन्दी क्षत्रिय", "\u0344 \u0958 \u2126 \U0001d11e \U0002f800", "ーｰ〜~ ‐‑–—", "“x” ‘y’ …", " \u3000 a \u3000"]
pools = [range(0x20, 0x7f), range(0xa0, 0x250), range(0x300, 0x370), range(0x1100, 0x1200), range(0x2000, 0x2100), range(0x2100, 0x2200), range(0x2460, 0x2500),
         range(0x3040, 0x3100), range(0x3200, 0x3400), range(0xac00, 0xac40), range(0xfb00, 0xfb50), range(0xfe70, 0xff00), range(0xff00, 0xfff0), [0x20, 0x3000, 0xa0], range(0x1f600, 0x1f640)]
for _ in range(60):
    TEXTS.append("".join(chr(rng.choice(rng.choice(pools))) for _ in range(rng.randint(1, 14))))

FLAGS = {3: "add_dummy_prefix", 4: "remove_extra_whitespaces", 5: "escape_whitespaces"}
cases = []
for rule in ["identity", *maps]:
    for bits in ([7, 0, 1, 2, 3, 4, 5, 6] if rule in ("identity", "nmt_nfkc", "rules") else [7]):
        texts = TEXTS if bits == 7 else TEXTS[:23]
        flags = {name: bool(bits >> i & 1) for i, name in enumerate(FLAGS.values())}
        spec = b"".join(bytes([n << 3, flags[name]]) for n, name in FLAGS.items())
        if rule in maps:
            spec += field(2, maps[rule])
        sp = spm.SentencePieceProcessor(model_proto=model + field(3, spec))
        ids = [sp.encode(t) for t in texts]
        cases.append(dict(rule=rule, flags=flags, texts=texts, ids=ids, decoded=[sp.decode(i) for i in ids],
                          normalized=[Precompiled(maps[rule]).normalize_str(t) for t in texts] if rule in maps and bits == 7 else None))
# A run of bytes that is not UTF-8 decodes to U+FFFD for each byte that is part of no character.
sp = spm.SentencePieceProcessor(model_proto=model)
byte = {b: sp.piece_to_id("<0x%02X>" % b) for b in range(256)}
runs = [[0xF0, 0x9F, 0x98, 0x80, 0xFF], [0xF0, 0x9F, 0x98, 0x80, 0xC3, 0xA9], [0xF0, 0x9F, 0x98], [0xF0, 0x9F, 0x41, 0x80], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82, 0xE2, 0x82, 0xAC]]
runs += [[rng.choice([0xE2, 0x82, 0xAC, 0x41, 0xF0, 0x9F, 0x98, 0x80, 0xC3, 0xA9]) for _ in range(rng.randint(1, 9))] for _ in range(60)]
bytes_ = [[r, sp.decode([sp.piece_to_id("h")] + [byte[b] for b in r])[1:]] for r in runs]
b64 = lambda b: base64.b64encode(b).decode()
with gzip.GzipFile(sys.argv[1], "wb", 9, mtime=0) as f:
    f.write(json.dumps(dict(model=b64(model), maps={k: b64(v) for k, v in maps.items()}, cases=cases, bytes=bytes_), ensure_ascii=False).encode())
print(len(cases), "cases")
