"""Writes properties.json.gz: the characters of every \\p{name} that the reference library's regular expressions know.

Run with tokenizers 0.23.3 (Oniguruma with Unicode 16). The names are looked for among the strings of the library
itself; each is asked for all characters. A line is {"names": [...], "ranges": [gap, length-1, gap, length-1, ...]},
where gap counts from the end of the range before. Names are lower case without spaces, "-" and "_".
The classes of characters that \\X tells apart have no names there; they are found out by trying where \\X cuts.
"""

import glob
import gzip
import json
import os
import re

import numpy
import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

CODES = numpy.array([c for c in range(0x110000) if not 0xD800 <= c < 0xE000], dtype="<u4")
TEXT = CODES.tobytes().decode("utf-32-le")


def members(pattern):
    left = normalizers.Replace(Regex("(?:%s)+" % pattern), "").normalize_str(TEXT)
    mask = numpy.ones(0x110001, dtype=bool)
    mask[numpy.frombuffer(left.encode("utf-32-le"), dtype="<u4")] = False
    mask[0x110000] = False
    mask[0xD800:0xE000] = mask[0xD7FF] and mask[0xE000]
    return mask


def ranges(mask):
    edges = numpy.flatnonzero(numpy.diff(numpy.concatenate(([False], mask)).astype(numpy.int8)))
    out, at = [], 0
    for lo, hi in zip(edges[::2], edges[1::2]):
        out += [int(lo) - at, int(hi - lo) - 1]
        at = int(hi)
    return out


def names():
    data = open(glob.glob(os.path.dirname(tokenizers.__file__) + "/*.so")[0], "rb").read()
    for name in sorted({m.decode() for m in re.findall(rb"(?<=\0)[a-z0-9=.]{1,70}(?=\0)", data)}):
        try:
            Regex(r"\p{%s}" % name)
        except Exception:
            continue
        yield name, r"\p{%s}" % name
    # What is written without \p, under names that no property has.
    for name in "alnum alpha ascii blank cntrl digit graph lower print punct space upper xdigit word".split():
        yield "[:" + name + ":]", "[[:%s:]]" % name
    for c in "wsdh":
        yield "\\" + c, "\\" + c


def whole(before, after):
    """The characters c for which before+c+after is one cluster."""
    split, mask = pre_tokenizers.Split(Regex(r"\X"), "isolated"), numpy.zeros(0x110001, dtype=bool)
    for i in range(0, len(TEXT), 4096):
        chars = [c for c in TEXT[i : i + 4096] if c not in "\r\n"]
        text = "\n".join(before + c + after for c in chars)
        cut = {p for p, _ in split.pre_tokenize_str(text)}
        for c in chars:
            mask[ord(c)] = before + c + after in cut
    return mask


def segments():
    extend = whole("\xa9", "\u200d\xa9")
    yield "x=extend", extend
    yield "x=after", whole("a", "")  # extend, ZWJ and spacing marks
    prepend = whole("", "a")
    yield "x=prepend", prepend
    control = ~whole("", "\u0301")
    control[0x110000] = False
    yield "x=control", control
    before_l, before_v, before_t = (whole("", j) & ~prepend for j in "\u1100\u1161\u11a8")
    yield "x=l", before_l
    yield "x=v", whole("\u1100", "") & whole("\u1161", "") & whole("", "\u1161") & ~prepend & ~before_l & ~extend
    yield "x=t", whole("\u11a8", "") & before_t & ~before_v
    yield "x=lv", before_v & before_t & whole("\u1100", "") & ~whole("\u1161", "") & ~before_l
    yield "x=lvt", before_t & ~before_v & ~whole("\u11a8", "")


sets = {}
for name, pattern in names():
    sets.setdefault(tuple(ranges(members(pattern))), []).append(name)
for name, mask in segments():
    sets.setdefault(tuple(ranges(mask)), []).append(name)
lines = [json.dumps({"names": n, "ranges": list(r)}, separators=(",", ":")) for r, n in sorted(sets.items(), key=lambda kv: kv[1])]
with open("properties.json.gz", "wb") as f:
    f.write(gzip.compress("\n".join(lines).encode(), 9, mtime=0))
print(len(lines), "sets", os.path.getsize("properties.json.gz"), "bytes")
