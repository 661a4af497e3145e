"""Makes the GGUF files beside it and what they hold, as JSON, with the Python package gguf 0.19.0.

Usage: python make_gguf.py
"""

import hashlib
import json
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Q
from gguf import GGUFEndian, GGUFValueType as V, GGUFWriter
from gguf.constants import GGML_QUANT_SIZES

here = Path(__file__).parent
rng = np.random.default_rng(1)


def finish(w: GGUFWriter, tensors: list[dict]) -> None:
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    if tensors:
        w.path.with_suffix(".json").write_text(json.dumps(tensors, indent=1) + "\n")


def add(w: GGUFWriter, name: str, shape: tuple[int, ...], qtype: Q) -> dict:
    """Adds random bytes as a tensor of any type."""
    values, size = GGML_QUANT_SIZES[qtype]
    raw = rng.integers(0, 256, (*shape[:-1], shape[-1] // values * size), dtype=np.uint8)
    w.add_tensor(name, raw, raw_dtype=qtype)
    return {
        "name": name,
        "type": qtype.name,
        "shape": list(shape),
        "sha256": hashlib.sha256(raw.tobytes()).hexdigest(),
    }


SCALARS = [
    ("u8", 255, V.UINT8),
    ("i8", -128, V.INT8),
    ("u16", 65535, V.UINT16),
    ("i16", -32768, V.INT16),
    ("u32", 2**32 - 1, V.UINT32),
    ("i32", -(2**31), V.INT32),
    ("u64", 2**64 - 1, V.UINT64),
    ("i64", -(2**63), V.INT64),
    ("f32", 0.1, V.FLOAT32),
    ("f64", 0.1, V.FLOAT64),
    ("true", True, V.BOOL),
    ("false", False, V.BOOL),
    ("string", "naïve — 日本", V.STRING),
    ("empty", "", V.STRING),
]
ARRAYS = [
    ("strings", ["<s>", "", "▁the", "\n"], V.STRING),
    ("ints", [1, -2, 3], V.INT32),
    ("floats", [0.5, -1.25, 1e-5], V.FLOAT32),
    ("bools", [True, False, True], V.BOOL),
    ("bytes", [0, 1, 255], V.UINT8),
    ("longs", [-(2**63), 2**63 - 1], V.INT64),
]


def all_types() -> None:
    w = GGUFWriter(here / "all.gguf", "llama")
    w.add_block_count(2)
    w.add_layer_norm_rms_eps(1e-5)
    for key, value, vtype in SCALARS:
        w.add_key_value("test." + key, value, vtype)
    for key, value, vtype in ARRAYS:
        w.add_key_value("test." + key, value, V.ARRAY, sub_type=vtype)
    tensors = [add(w, "output_norm.weight", (7,), Q.F32), add(w, "cube", (2, 3, 5), Q.F32), add(w, "four", (2, 1, 3, 4), Q.F16)]
    for q in (Q.BF16, Q.Q8_0, Q.Q4_0, Q.Q4_1, Q.Q5_0, Q.Q5_1):
        tensors.append(add(w, f"blk.0.{q.name.lower()}.weight", (3, 64), q))
    for q in (Q.Q4_K, Q.Q5_K, Q.Q6_K):
        tensors.append(add(w, f"blk.1.{q.name.lower()}.weight", (2, 256), q))
    finish(w, tensors)


def unsupported() -> None:
    w = GGUFWriter(here / "unsupported.gguf", "llama")
    finish(w, [add(w, "positions", (3,), Q.I32), add(w, "blk.0.weight", (2, 128), Q.NVFP4), add(w, "blk.1.weight", (2, 128), Q.Q1_0), add(w, "last", (3,), Q.F32)])


def few_bits() -> None:
    w = GGUFWriter(here / "fewbits.gguf", "llama")
    types = (Q.Q2_K, Q.Q3_K, Q.IQ4_NL, Q.IQ4_XS, Q.IQ3_XXS, Q.IQ3_S, Q.IQ2_XXS, Q.IQ2_XS, Q.IQ2_S, Q.IQ1_S, Q.IQ1_M, Q.MXFP4, Q.TQ1_0, Q.TQ2_0)
    finish(w, [add(w, f"{q.name.lower()}.weight", (2, GGML_QUANT_SIZES[q][0]), q) for q in types])


def aligned() -> None:
    w = GGUFWriter(here / "aligned.gguf", "llama")
    w.add_custom_alignment(64)
    finish(w, [add(w, "a", (3,), Q.F32), add(w, "b", (5,), Q.F32)])


def split() -> None:
    w = GGUFWriter(here / "split.gguf", "llama", split_max_tensors=2)
    w.add_block_count(9)
    finish(w, [add(w, f"t{i}", (i + 1, 2), Q.F32) for i in range(5)])


def big_endian() -> None:
    w = GGUFWriter(here / "big.gguf", "llama", endianess=GGUFEndian.BIG)
    w.add_tensor("a", np.zeros(4, dtype=np.float32))
    finish(w, [])


all_types()
unsupported()
aligned()
split()
big_endian()
few_bits()
