"""Makes the test data beside it with the Python packages gguf 0.19.0 and numpy 2.4.6.

For each block format TYPE:
  TYPE.blocks  blocks of random bits with finite scales, the first ones with extreme scales and numbers
  TYPE.f32     their values; for the formats of `HASHED` their SHA-256 in blocks.json, of each block, where zeros have
               their sign and all NaN are 0x7FC00000 (the scales of MXFP4 may make infinities)

For each format that the package can quantize to:
  source.f32       values, the same for all formats
  TYPE.quantized   the blocks they become

half.json: SHA-256 of all 65536 numbers of F16 and BF16 as float32, and of what many float32 become.

Usage: python make_quant.py
"""

import hashlib
import json
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Q
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize, quantize

here = Path(__file__).parent
rng = np.random.default_rng(7)

# Where a block has its F16 numbers: scale and minimum.
HALVES = {
    Q.Q8_0: [0], Q.Q4_0: [0], Q.Q4_1: [0, 2], Q.Q5_0: [0], Q.Q5_1: [0, 2],
    Q.Q4_K: [0, 2], Q.Q5_K: [0, 2], Q.Q6_K: [208],
}  # fmt: skip
HASHED = {
    Q.Q2_K: [80, 82], Q.Q3_K: [108], Q.IQ4_NL: [0], Q.IQ4_XS: [0], Q.IQ3_XXS: [0], Q.IQ3_S: [0], Q.IQ2_XXS: [0], Q.IQ2_XS: [0],
    Q.IQ2_S: [0], Q.IQ1_S: [0], Q.IQ1_M: [], Q.MXFP4: [], Q.TQ1_0: [52], Q.TQ2_0: [64],
}  # fmt: skip
# Zeros, the smallest and the largest subnormal, the smallest normal, one, the largest, and negative ones.
EXTREME = [0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x0400, 0x3C00, 0xBC00, 0x7BFF, 0xFBFF]


def blocks(q: Q) -> np.ndarray:
    size = GGML_QUANT_SIZES[q][1]
    small = size < 100
    b = rng.integers(0, 256, (48 if small else 14, size), dtype=np.uint8)
    # Random scales, none of them infinite or NaN.
    for at in HALVES[q]:
        h = rng.integers(0, 0x7C00, len(b), dtype=np.uint16) | (rng.integers(0, 2, len(b), dtype=np.uint16) << 15)
        h[: len(EXTREME)] = EXTREME
        if at != HALVES[q][0]:  # other pairs of scale and minimum
            h[: len(EXTREME)] = np.roll(EXTREME, 3)
        b[:, at : at + 2] = h.astype("<u2").view(np.uint8).reshape(-1, 2)
    # Then all bits set and all clear, but for the scales.
    for row, fill in ((len(EXTREME), 0xFF), (len(EXTREME) + 1, 0x00), (6, 0xFF)):
        keep = [b[row, at : at + 2].copy() for at in HALVES[q]]
        b[row] = fill
        for at, k in zip(HALVES[q], keep):
            b[row, at : at + 2] = k
    return b


for q in HALVES:
    b = blocks(q)
    b.tofile(here / f"{q.name}.blocks")
    with np.errstate(all="ignore"):
        f = dequantize(b, q)
    assert f.dtype == np.float32
    f.astype("<f4").tofile(here / f"{q.name}.f32")


# Later formats have a generator of their own: the data of the others stay as they are.
earlier, rng, both = rng, np.random.default_rng(11), {}
HALVES |= HASHED
for q in HASHED:
    b = blocks(q)
    if q == Q.IQ1_M:  # whose scale is spread over the upper four bits of four words
        h = rng.integers(0, 0x7C00, len(b), dtype=np.uint16)
        h[: len(EXTREME)] = EXTREME
        words = b[:, 48:].copy().view("<u2") & 0x0FFF
        for i in range(4):
            words[:, i] |= (h >> (4 * i) & 15) << 12
        b[:, 48:] = words.view(np.uint8)
    b.tofile(here / f"{q.name}.blocks")
    with np.errstate(all="ignore"):
        f = dequantize(b, q).astype(np.float32).reshape(len(b), -1)
    f = np.where(np.isnan(f), np.float32(np.nan), f)
    both[q.name] = {"sha256": [hashlib.sha256(row.astype("<f4").tobytes()).hexdigest()[:16] for row in f], "first": [float(v) for v in f[-1][:20]]}
(here / "blocks.json").write_text(json.dumps(both, indent=1) + "\n")
rng = earlier


def source() -> np.ndarray:
    x = rng.standard_normal((40, 32)).astype(np.float32)
    x *= (10.0 ** rng.integers(-9, 4, (40, 1))).astype(np.float32)
    x[0] = 0
    x[1] = 1  # a single value: no span
    x[2] = -0.375
    x[3] = np.arange(32) - 16  # ties in the largest magnitude and in rounding
    x[4] = 16 - np.arange(32)
    x[5] = np.arange(32) / 4
    x[6, :] = 0
    x[6, 17] = -3
    x[7] = np.linspace(-127, 127, 32)
    x[8] = np.arange(32) - 15.5
    x[9] = 2.0**-26  # scales below the smallest F16
    x[10] = rng.uniform(-60000, 60000, 32)
    return x


x = source()
x.astype("<f4").tofile(here / "source.f32")
for q in (Q.F16, Q.BF16, Q.Q8_0, Q.Q4_0, Q.Q4_1, Q.Q5_0, Q.Q5_1):
    quantize(x, q).tofile(here / f"{q.name}.quantized")


def sha(a: np.ndarray, dtype: str) -> str:
    return hashlib.sha256(a.astype(dtype).tobytes()).hexdigest()


every = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16)
# Float32 numbers around every one that F16 holds and around the middle between two: steps of 2^12 are half-way steps
# of F16, with one bit more and less. The sign is set in every other run. All exponents are there.
around = ((np.arange(1 << 19, dtype=np.uint64) << 13 >> 1)[:, None] + np.array([0, 1, 0xFFFF_FFFF], dtype=np.uint64)).astype(np.uint32).ravel()
spread = np.concatenate([around, around | np.uint32(0x8000_0000)])
with np.errstate(all="ignore"):
    (here / "half.json").write_text(
        json.dumps(
            {
                "F16Values": sha(every.view(np.float16).astype(np.float32).view(np.uint32), "<u4"),
                "BF16Values": sha((every.astype(np.uint32) << 16), "<u4"),
                "F16": sha(spread.view(np.float32).astype(np.float16).view(np.uint16), "<u2"),
                "BF16": sha(quantize(spread.view(np.float32).reshape(1, -1), Q.BF16).view(np.uint16), "<u2"),
            },
            indent=1,
        )
        + "\n"
    )
