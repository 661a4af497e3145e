#!/usr/bin/env python3
"""Writes components.jsonl: what the tokenizers library (0.23) makes of every supported component.

usage: make_components.py OUT.jsonl

The first line is the base: a tokenizer.json whose vocabulary has every pair of a small alphabet as a merge,
so that where a text was split shows in the ids. Every further line changes some top-level fields ("set") or
model fields ("model") of the base and lists encodings [text, ids, ids with special tokens] and decodings
[ids, text, text without special tokens].
"""
import itertools, json, random, sys
from tokenizers import Tokenizer

ALPHABET = "abA1-_▁ é!'s中.\n"
EXTRA = "xB2²Ⅻ\u0301\tİ\u00a0😀~+"
rng = random.Random(7)

vocab = {"<unk>": 0}
for c in ALPHABET:
    vocab[c] = len(vocab)
merges = []
for a, b in itertools.product(ALPHABET, ALPHABET):
    vocab[a + b] = len(vocab)
    merges.append([a, b])
rng.shuffle(merges)
for a, b in [("ab", "ab"), ("a", "ab"), ("▁a", "b"), ("--", "--"), ("11", "1")]:
    vocab[a + b] = len(vocab)
    merges.append([a, b])
vocab["ba-ba"] = len(vocab)  # no merge makes it

BASE = dict(version="1.0", truncation=None, padding=None, added_tokens=[], normalizer=None, pre_tokenizer=None, post_processor=None,
            decoder=None, model=dict(type="BPE", dropout=None, unk_token="<unk>", continuing_subword_prefix=None, end_of_word_suffix=None,
                                     fuse_unk=False, byte_fallback=False, ignore_merges=False, vocab=vocab, merges=merges))

TEXTS = ["", " ", "a", " ab ab", "ab--ab-", "- -a- ", "a\n b", "'s a's 'S", "1211-1", "!a!!.b~+", "éé e\u0301é", "▁a▁ b", "x😀xa", "中a中 中", "A\u00a0b"]


def texts(n=10):
    out = list(TEXTS)
    for _ in range(n):
        out.append("".join(rng.choice(ALPHABET if rng.random() < 0.85 else EXTRA) for _ in range(rng.randint(1, 24))))
    return out


def seq(field, *parts):
    return dict(type="Sequence", **{field: list(parts)})


def split(pattern, behavior, invert=False, kind="String"):
    return dict(type="Split", pattern={kind: pattern}, behavior=behavior, invert=invert)


def replace(pattern, content, kind="String"):
    return dict(type="Replace", pattern={kind: pattern}, content=content)


def added(content, i, **kw):
    return dict(dict(id=i, content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=False), **kw)


def meta(**kw):
    return dict(dict(type="Metaspace", replacement="▁", prepend_scheme="always", split=True), **kw)


N = len(vocab)
bytes_level = json.loads(Tokenizer.from_str(json.dumps(BASE)).to_str())
cases = []


def case(name, set=None, model=None, extra=(), decode=()):
    cases.append(dict(name=name, set=set or {}, model=model or {}, extra=list(extra), decode=list(decode)))


case("plain")
case("fuse_unk", model=dict(fuse_unk=True))
case("no unk", model=dict(unk_token=None))
case("ignore_merges", model=dict(ignore_merges=True), set=dict(pre_tokenizer=split(" ", "Isolated")), extra=["ba-ba ba-bab"])
wide = dict(vocab)
for b in range(256):
    wide["<0x%02X>" % b] = len(wide)
case("byte_fallback", model=dict(vocab=wide, byte_fallback=True, fuse_unk=True))
case("byte_fallback, some bytes", model=dict(vocab={k: v for k, v in wide.items() if v < N + 200}, byte_fallback=True, unk_token=None))
small = {"<unk>": 0, "a": 1, "##a": 2, "b": 3, "##b": 4, "ab": 5, "##ab": 6, "aab": 7, "##b</w>": 8, "a</w>": 9, "b</w>": 10, "##ab</w>": 11, "aab</w>": 12}
case("prefix", model=dict(vocab={k: v for k, v in small.items() if v < 8}, merges=[["a", "##b"], ["##a", "##b"], ["a", "##ab"]], continuing_subword_prefix="##"),
     set=dict(pre_tokenizer=dict(type="Whitespace")), extra=["aab", "ab aab ba", "abab"])
case("prefix and suffix", model=dict(vocab=small, merges=[["##a", "##b</w>"], ["a", "##ab</w>"], ["a", "##b"]], continuing_subword_prefix="##", end_of_word_suffix="</w>"),
     set=dict(pre_tokenizer=dict(type="Whitespace")), extra=["aab", "ab aab ba", "abab"])

for kind in ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"]:
    case("normalizer " + kind, set=dict(normalizer=dict(type=kind)), extra=["ÀÉ ſﬁ ½", "AΣ ΑΣ", "\u0903a\u20dd"])
case("normalizer Strip", set=dict(normalizer=dict(type="Strip", strip_left=True, strip_right=True)), extra=["  a  ", "\n\ta"])
case("normalizer Strip left", set=dict(normalizer=dict(type="Strip", strip_left=True, strip_right=False)), extra=["  a  "])
case("normalizer Replace, Prepend", set=dict(normalizer=seq("normalizers", replace(" ", "▁"), dict(type="Prepend", prepend="▁"))))
case("normalizer Replace Regex", set=dict(normalizer=replace(r"\s+|b", "--", "Regex")))
case("normalizer Replace Regex empty matches", set=dict(normalizer=replace("a*", "b", "Regex")))
case("normalizer Replace Regex lines", set=dict(normalizer=replace("^a|b$", "1", "Regex")), extra=["a\na\nb\nb", "b\n"])

for b in ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]:
    for inv in [False, True]:
        case(f"Split {b} {inv}", set=dict(pre_tokenizer=split("-", b, inv)), extra=["--a-b--", "a", "-", "--"])
        case(f"Split Regex {b} {inv}", set=dict(pre_tokenizer=split(r"a+|\p{N}|\s(?=b)", b, inv, "Regex")), extra=["aa1a b", "1"])
    case(f"Punctuation {b}", set=dict(pre_tokenizer=dict(type="Punctuation", behavior=b)), extra=["a$+<b>", "!!a.."])
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CL = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
         r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
POSSESSIVE = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|(?:a|-)*+\s|\s*[\r\n]|\s+(?!\S)|\s+"
TRICKY = ["a'ſa 'Sa'S's", "a  b", "a \n\n  b", "  1111  a", " \n", "\n \n a", "!!\n\n!", " !\na", "\u00a0a \u00a0b", "-a -1", "²Ⅻ1a", "''s"]
for name, pat in [("GPT-2", GPT2), ("Llama 3", CL % "{1,3}"), ("Qwen 2", CL % ""), ("o200k", O200K), ("possessive", POSSESSIVE)]:
    case("pattern " + name, set=dict(pre_tokenizer=split(pat, "Isolated", kind="Regex")), extra=TRICKY + texts(30)[15:])
case("ByteLevel regex", set=dict(pre_tokenizer=dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=True)), extra=TRICKY)
case("ByteLevel prefix", set=dict(pre_tokenizer=dict(type="ByteLevel", add_prefix_space=True, trim_offsets=True, use_regex=False)), extra=TRICKY)
case("ByteLevel then Split", set=dict(pre_tokenizer=seq("pretokenizers", dict(type="ByteLevel", add_prefix_space=True, trim_offsets=True, use_regex=True), split("-", "Isolated"))), extra=TRICKY)
case("Split then ByteLevel", set=dict(pre_tokenizer=seq("pretokenizers", split("-", "Isolated"), dict(type="ByteLevel", add_prefix_space=True, trim_offsets=True, use_regex=True))), extra=TRICKY)
for scheme in ["always", "first", "never"]:
    for cut in [True, False]:
        case(f"Metaspace {scheme} {cut}", set=dict(pre_tokenizer=meta(prepend_scheme=scheme, split=cut), added_tokens=[added("<t>", N)]),
             extra=["<t>a b<t> a<t>", "a<t>b", " <t> b"])
case("Metaspace first, normalized token", set=dict(pre_tokenizer=meta(prepend_scheme="first"), added_tokens=[added("<t>", N, normalized=True)]),
     extra=["<t>a b<t> a<t>", "a<t>b", " <t> b"])
case("Split then Metaspace first", set=dict(pre_tokenizer=seq("pretokenizers", split("-", "Isolated"), meta(prepend_scheme="first"))))
case("Metaspace legacy", set=dict(pre_tokenizer=dict(type="Metaspace", replacement="▁", add_prefix_space=True)))
for ind in [True, False]:
    case(f"Digits {ind}", set=dict(pre_tokenizer=dict(type="Digits", individual_digits=ind)), extra=["1²Ⅻ11a1"])
case("Whitespace", set=dict(pre_tokenizer=dict(type="Whitespace")), extra=["a\u200db ², Ⅻ!é_s", "\u0903a \u24d0!"])
case("WhitespaceSplit", set=dict(pre_tokenizer=dict(type="WhitespaceSplit")))
case("Digits then GPT-2", set=dict(pre_tokenizer=seq("pretokenizers", dict(type="Digits", individual_digits=True), split(GPT2, "Isolated", kind="Regex"))), extra=TRICKY)

T = ["<t>", "a<t>b", " <t> ", "  <t>  <t>a", "a <t> b", "<t><t>", "<T>a", "ab<tt>", "<t>t>", "<<t>>", "a_<t>", "<t>1 <t>é", "a\n<t>\nb"]
for kw in [dict(), dict(special=True), dict(single_word=True), dict(lstrip=True), dict(rstrip=True), dict(lstrip=True, rstrip=True),
           dict(normalized=True), dict(normalized=True, lstrip=True, single_word=True)]:
    case(f"added {kw}", set=dict(added_tokens=[added("<t>", N, **kw), added("<tt>", N + 1), added("ab", vocab["ab"], normalized=True)],
                                 normalizer=seq("normalizers", dict(type="Lowercase"), replace(" ", "▁")), decoder=dict(type="Fuse")), extra=T)
case("added normalized Prepend", set=dict(added_tokens=[added("<t>", N, normalized=True)], normalizer=seq("normalizers", dict(type="Prepend", prepend="▁"), replace(" ", "▁"))), extra=T)

SP = ("<s>", N)
tmpl = dict(type="TemplateProcessing", single=[dict(SpecialToken=dict(id="<s>", type_id=0)), dict(Sequence=dict(id="A", type_id=0)), dict(SpecialToken=dict(id="</s>", type_id=0))],
            pair=[dict(Sequence=dict(id="B", type_id=0)), dict(SpecialToken=dict(id="<s>", type_id=0)), dict(Sequence=dict(id="A", type_id=1))],
            special_tokens={"<s>": dict(id="<s>", ids=[N], tokens=["<s>"]), "</s>": dict(id="</s>", ids=[N + 1, N], tokens=["</s>", "<s>"])})
specials = [added("<s>", N, special=True), added("</s>", N + 1, special=True)]
case("template", set=dict(added_tokens=specials, post_processor=tmpl), extra=["<s>a", "a</s>"])
case("template in sequence", set=dict(added_tokens=specials, post_processor=seq("processors", dict(type="ByteLevel", add_prefix_space=True, trim_offsets=True, use_regex=True), tmpl)))

ids = [vocab[c] for c in ["▁", "▁▁", "a", "▁a", " ", "a▁", "ab", "b", "--", "é", "  ", "s", "\n", "中"]]
rand_ids = [[rng.choice(ids) for _ in range(rng.randint(1, 9))] for _ in range(12)]
D = lambda d: dict(decoder=d, added_tokens=[added("<s>", N, special=True), added("é x", N + 1)])
fuse, strip = dict(type="Fuse"), lambda a, b: dict(type="Strip", content=" ", start=a, stop=b)
some = rand_ids + [[], [N], [N, ids[0], ids[3], N, ids[6]], [N + 1, ids[2]], [ids[3], 99999, ids[2]]]
case("decoder none", set=D(None), decode=some)
case("decoder Fuse", set=D(fuse), decode=some)
case("decoder Replace", set=D(replace("▁", " ")), decode=some)
case("decoder Replace Regex", set=D(replace("a|▁+", "_", "Regex")), decode=some)
case("decoder Replace, Fuse, Strip", set=D(seq("decoders", replace("▁", " "), fuse, strip(1, 0))), decode=some)
case("decoder Fuse, Replace", set=D(seq("decoders", fuse, replace("a▁", "+"))), decode=some)
case("decoder Fuse, Replace overlapping", set=D(seq("decoders", fuse, replace("▁a▁a", "+"))), decode=some)
case("decoder Fuse, Replace Regex", set=D(seq("decoders", fuse, replace("a.", "+", "Regex"))), decode=some)
case("decoder Strip", set=D(seq("decoders", replace("▁", " "), strip(1, 0))), decode=some)
case("decoder Fuse, Strip end", set=D(seq("decoders", replace("▁", " "), fuse, replace("b", "b   "), strip(0, 3))), decode=[i + [vocab["b"]] for i in rand_ids])
for scheme in ["always", "first", "never"]:
    case(f"decoder Metaspace {scheme}", set=D(meta(prepend_scheme=scheme)), decode=some)
case("decoder Fuse, Metaspace", set=D(seq("decoders", fuse, meta())), decode=some)
case("decoder ByteLevel", set=D(dict(type="ByteLevel", add_prefix_space=True, trim_offsets=True, use_regex=True)), decode=some)
case("decoder ByteLevel, Strip", set=D(seq("decoders", dict(type="ByteLevel", add_prefix_space=True, trim_offsets=True, use_regex=True), strip(2, 0))), decode=some)
b0 = wide["<0x00>"]
raw = [[b0 + rng.choice([0xE2, 0x82, 0xAC, 0x41, 0xF0, 0x9F, 0x98, 0x80]) for _ in range(rng.randint(1, 6))] + [vocab["a"]] for _ in range(12)]
raw += [[b0 + b for b in "é😀".encode()], [b0 + 0xC3, vocab["a"], b0 + 0xA9], [vocab["a"], b0 + 0xF0, b0 + 0x9F]]
case("decoder ByteFallback", set=dict(decoder=dict(type="ByteFallback")), model=dict(vocab=wide, byte_fallback=True), decode=raw)
case("decoder Llama", set=dict(decoder=seq("decoders", replace("▁", " "), dict(type="ByteFallback"), fuse, strip(1, 0))), model=dict(vocab=wide, byte_fallback=True), decode=raw)

with open(sys.argv[1], "w", encoding="utf-8") as f:
    f.write(json.dumps(BASE) + "\n")
    for c in cases:
        d = dict(BASE, **c["set"])
        d["model"] = dict(BASE["model"], **c["model"])
        t = Tokenizer.from_str(json.dumps(d))
        enc = []
        for s in TEXTS + c["extra"] + texts(6)[len(TEXTS):]:
            enc.append([s, t.encode(s, add_special_tokens=False).ids, t.encode(s).ids])
        dec = [[i, t.decode(i, skip_special_tokens=False), t.decode(i, skip_special_tokens=True)] for i in c["decode"]]
        pair = t.encode("a b", "--").ids
        f.write(json.dumps(dict(name=c["name"], set=c["set"], model=c["model"], encode=enc, decode=dec, pair=pair)) + "\n")
print(len(cases), "cases")
