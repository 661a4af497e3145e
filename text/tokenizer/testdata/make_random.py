#!/usr/bin/env python3
"""Writes random.jsonl.gz: random tokenizer.json, and what the tokenizers library (0.23.3) makes of texts with each.

usage: make_random.py OUT.jsonl.gz [COUNT [SEED]]

Every line is a case: "file", the tokenizer.json (a model that is a number is that line's vocabulary and merges, see "models"
in the first line), "encode": [text, ids, ids with special tokens], "decode": [ids, text, text without special tokens], and
"error": what the library said if it refused the file, or a text (then "encode" is what came before).
"""
import gzip, itertools, json, random, sys
from tokenizers import Tokenizer

out, count, seed = sys.argv[1], int((sys.argv + ["400"])[2] if len(sys.argv) > 2 else 400), int(sys.argv[3] if len(sys.argv) > 3 else 5)
rng = random.Random(seed)
pick, chance = rng.choice, lambda p: rng.random() < p
LETTERS = "abcAB1290 -_.,!'é▁Ġ中\n\tß²"
OTHERS = ["😀", "\u0301", "ﬁ", "İ", "Ⅻ", "ſ", "\u200d", "\u00a0", "한", "\u3000", "ǅ", "्", "</", "<s>", "<t>", "[M]", "'s", "'LL", "\r\n", "  ", "   "]


def model(kind):
    """Vocabulary and merges of one of four kinds, learned from nothing."""
    if kind == "bytes":
        chars = [chr(c) for c in itertools.chain(range(33, 127), range(161, 173), range(174, 256), range(256, 324))]
        common = list("Ġabcdest1290'ĊÃ©ä¸Ń-") 
    else:
        chars = list(dict.fromkeys(LETTERS + "dest"))
        common = [c for c in chars if c not in "\t"]
    vocab = {}
    for c in (["<unk>"] if kind != "bytes" else []) + chars:
        vocab[c] = len(vocab)
    if kind == "fallback":
        for b in range(256):
            vocab["<0x%02X>" % b] = len(vocab)
    if kind == "prefix":
        for c in chars:
            vocab["##" + c] = len(vocab)
    merges, pool = [], common[:]
    while len(merges) < 90:
        a, b = pick(pool), pick(pool)
        if kind == "prefix":
            b = "##" + b.removeprefix("##")
        whole = a + (b[2:] if kind == "prefix" else b)
        if len(whole) > 8 or [a, b] in merges or kind == "prefix" and (b not in vocab or a not in vocab):
            continue
        vocab.setdefault(whole, len(vocab))
        merges.append([a, b])
        if whole not in pool:
            pool.append(whole)
    return vocab, merges


KINDS = ["plain", "bytes", "fallback", "prefix"]
MODELS = {k: model(k) for k in KINDS}
PATTERNS = [r"\s+", r"\p{L}+|\p{N}{1,3}|[^\s\p{L}\p{N}]+|\s+", r" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", r"[a-c]+", r"(?i)ab", r"a(?=b)", r"(?<=a)b", r"\p{Lu}\p{Ll}*", r"[^a]", r"[0-9]+",
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+", r"\p{P}", r"a*", r"^a|b$", r"[\n\r]+", r"é|ß", r".{1,2}", r"a++b?"]
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]


def pattern():
    return dict(Regex=pick(PATTERNS)) if chance(0.6) else dict(String=pick([" ", "a", "ab", "--", "▁", "é", "\n", "1", "'"]))


def seq(kind, make, most=4):
    parts = [make() for _ in range(rng.randint(1, most))]
    return parts[0] if len(parts) == 1 and chance(0.7) else dict(type="Sequence", **{kind: parts})


def normalizer():
    kind = pick(["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Strip", "Replace", "Replace", "Replace", "Prepend", "Prepend", "ByteLevel", "BertNormalizer", "Nmt"] if chance(0.3) else
                ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Strip", "Replace", "Replace", "Prepend"])
    n = dict(type=kind)
    if kind == "Strip":
        n.update(strip_left=chance(0.5), strip_right=chance(0.5))
    if kind == "Replace":
        n.update(pattern=pattern(), content=pick(["", " ", "▁", "b", "ab", "--", "é"]))
    if kind == "Prepend":
        n.update(prepend=pick(["▁", " ", "a", ""]) or "▁")
    if kind == "BertNormalizer":
        n.update(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True)
    return n


def meta():
    return dict(type="Metaspace", replacement=pick(["▁", "_", "▁"]), prepend_scheme=pick(["always", "first", "never"]), split=chance(0.7))


def byte_level():
    return dict(type="ByteLevel", add_prefix_space=chance(0.5), trim_offsets=chance(0.5), use_regex=chance(0.6))


def pre_tokenizer():
    kind = pick(["Split"] * 4 + ["Metaspace"] * 2 + ["Digits", "Punctuation", "Whitespace", "WhitespaceSplit", "ByteLevel"] + (["BertPreTokenizer", "UnicodeScripts", "CharDelimiterSplit", "FixedLength"] if chance(0.15) else []))
    n = dict(type=kind)
    if kind == "Split":
        n.update(pattern=pattern(), behavior=pick(BEHAVIORS), invert=chance(0.25))
    if kind == "Metaspace":
        return meta()
    if kind == "Digits":
        n.update(individual_digits=chance(0.5))
    if kind == "Punctuation":
        n.update(behavior=pick(BEHAVIORS))
    if kind == "ByteLevel":
        return byte_level()
    if kind == "CharDelimiterSplit":
        n.update(delimiter="-")
    if kind == "FixedLength":
        n.update(length=3)
    return n


def decoder():
    kind = pick(["Replace"] * 3 + ["ByteFallback", "Fuse", "Strip", "Strip", "Metaspace", "ByteLevel"] + (["WordPiece", "BPEDecoder", "CTC"] if chance(0.15) else []))
    n = dict(type=kind)
    if kind == "Replace":
        n.update(pattern=pattern() if chance(0.4) else dict(String=pick(["▁", "a", "Ġ"])), content=pick([" ", "", "-", "x"]))
    if kind == "Strip":
        n.update(content=pick([" ", "a", "▁"]), start=rng.randint(0, 2), stop=rng.randint(0, 2))
    if kind == "Metaspace":
        return meta()
    if kind == "ByteLevel":
        return byte_level()
    if kind == "WordPiece":
        n.update(prefix="##", cleanup=chance(0.5))
    if kind == "BPEDecoder":
        n.update(suffix="</w>")
    if kind == "CTC":
        n.update(pad_token="<s>", word_delimiter_token="|", cleanup=True)
    return n


def post_processor(ids):
    kind = pick(["TemplateProcessing"] * 5 + ["ByteLevel", "Sequence", "BertProcessing", "RobertaProcessing"])
    if kind == "ByteLevel":
        return byte_level()
    if kind == "Sequence":
        return dict(type="Sequence", processors=[byte_level(), template(ids)])
    if kind == "BertProcessing":
        return dict(type=kind, sep=["<s>", ids["<s>"]], cls=["<t>", ids["<t>"]])
    if kind == "RobertaProcessing":
        return dict(type=kind, sep=["<s>", ids["<s>"]], cls=["<t>", ids["<t>"]], trim_offsets=True, add_prefix_space=False)
    return template(ids)


def template(ids):
    special = lambda: dict(SpecialToken=dict(id=pick(["<s>", "<t>"]), type_id=0))
    a, b = dict(Sequence=dict(id="A", type_id=0)), dict(Sequence=dict(id="B", type_id=0))
    around = lambda *parts: [p for s in parts for p in ([special()] if chance(0.6) else []) + [s]] + ([special()] if chance(0.4) else [])
    return dict(type="TemplateProcessing", single=around(a), pair=around(a, b),
                special_tokens={s: dict(id=s, ids=[ids[s]] * (2 if chance(0.1) else 1), tokens=[s] * 1) for s in ["<s>", "<t>"]})


def case():
    kind = pick(KINDS)
    vocab, merges = MODELS[kind]
    m = dict(type="BPE", dropout=None, unk_token="<unk>" if kind != "bytes" and chance(0.8) else None, continuing_subword_prefix="##" if kind == "prefix" else None,
             end_of_word_suffix=None, fuse_unk=chance(0.5), byte_fallback=kind == "fallback", ignore_merges=chance(0.3), vocab=kind, merges=kind)
    if chance(0.06):
        m = pick([dict(type="WordLevel", vocab={"<unk>": 0, "a": 1}, unk_token="<unk>"), dict(type="Unigram", unk_id=0, vocab=[["<unk>", 0.0], ["a", -1.0]], byte_fallback=False),
                  dict(type="WordPiece", unk_token="<unk>", continuing_subword_prefix="##", max_input_chars_per_word=100, vocab={"<unk>": 0, "a": 1})])
        vocab = {"<unk>": 0, "a": 1}
    added, ids = [], {}
    for s in ["<s>", "<t>", "[M]", "ab", " x", "é!", "A"]:
        if s in ("<s>", "<t>") or chance(0.3):
            ids[s] = vocab.get(s, len(vocab) + sum(t["content"] not in vocab for t in added))
            added.append(dict(id=ids[s], content=s, single_word=chance(0.2), lstrip=chance(0.25), rstrip=chance(0.25), normalized=chance(0.4), special=s == "<s>" or chance(0.2)))
    file = dict(version="1.0", truncation=None, padding=None, added_tokens=added, normalizer=seq("normalizers", normalizer, 3) if chance(0.6) else None,
                pre_tokenizer=seq("pretokenizers", pre_tokenizer, 3) if chance(0.75) else None, post_processor=post_processor(ids) if chance(0.5) else None,
                decoder=seq("decoders", decoder) if chance(0.75) else None, model=m)
    if kind == "bytes" and chance(0.8):
        bl = byte_level()
        file["pre_tokenizer"] = bl if chance(0.4) else dict(type="Sequence", pretokenizers=[pre_tokenizer(), bl])
        if chance(0.7):
            file["decoder"] = byte_level()
    return file


def text():
    parts = [pick(OTHERS) if chance(0.15) else pick(LETTERS) for _ in range(rng.randint(1, 20))]
    return "".join(parts)


lines = []
while len(lines) < count:
    file = case()
    full = json.loads(json.dumps(file))
    if isinstance(full["model"]["vocab"], str):
        full["model"]["vocab"], full["model"]["merges"] = MODELS[full["model"]["vocab"]]
    line = dict(file=file)
    try:
        t = Tokenizer.from_str(json.dumps(full))
    except BaseException as e:  # panics, too
        line["error"] = str(e)[:100]
        lines.append(line)
        continue
    # Left out is what the library decides by chance or by where a character stood before it was normalized: which of two added
    # tokens is found that are the same once normalized, and what "first" is when the beginning of a text is removed.
    norm = lambda a: t.normalizer.normalize_str(a.content) if a.normalized and t.normalizer else a.content
    try:
        contents = [norm(a) for a in t.get_added_tokens_decoder().values()]
    except BaseException:  # the library itself fails
        continue
    if len(set(contents)) < len(contents) or file["normalizer"] and '"first"' in json.dumps(file["pre_tokenizer"]):
        continue
    line["encode"], line["decode"] = [], []
    try:
        for s in ["", " ab"] + [text() for _ in range(6)]:
            line["encode"].append([s, t.encode(s, add_special_tokens=False).ids, t.encode(s).ids])
    except BaseException as e:
        line["error"] = str(e)[:100]
    size = t.get_vocab_size()
    byte = [i for s, i in t.get_vocab().items() if s.startswith("<0x") and len(s) == 6]
    # The library gives an added token that wants normalized text as normalized, and no longer knows that it is special.
    other = {i for i, a in t.get_added_tokens_decoder().items() if t.id_to_token(i) != a.content}
    for _ in range(4):
        ids = [i for i in (rng.randrange(size) for _ in range(rng.randint(1, 8))) if i not in other]
        if byte:  # whole characters in bytes: of runs that are not UTF-8 make_byteruns.py has the table
            ids = [i for i in ids if i not in byte]
            at = rng.randint(0, len(ids))
            ids[at:at] = [t.token_to_id("<0x%02X>" % b) for b in pick(["é", "😀", "a中", "\n"]).encode()]
        try:
            line["decode"].append([ids, t.decode(ids, skip_special_tokens=False), t.decode(ids, skip_special_tokens=True)])
        except BaseException as e:
            line["error"] = str(e)[:100]
    lines.append(line)
with gzip.GzipFile(out, "wb", 9, mtime=0) as f:
    f.write((json.dumps(dict(models={k: dict(vocab=v, merges=m) for k, (v, m) in MODELS.items()}), ensure_ascii=False) + "\n").encode())
    for line in lines:
        f.write((json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n").encode())
print(len(lines), "cases,", sum("error" in c for c in lines), "with errors of the library")
