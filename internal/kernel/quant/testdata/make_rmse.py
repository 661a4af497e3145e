"""Prints the errors that llama.cpp's quantizers leave on the values of TestFitsAsWellAsTheReference, for its table.

Usage: python make_rmse.py LLAMA_QUANTIZE DIRECTORY   (gguf 0.19.0 and numpy 2.4.6; llama.cpp of llama-cpp-python 0.3.36)
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
from gguf import GGUFReader, GGUFWriter
from gguf.quants import dequantize

binary, folder = sys.argv[1], Path(sys.argv[2])
N = 64 * 256


def words(seed: int, n: int) -> np.ndarray:
    """splitmix64"""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def near_normal(seed: int) -> np.ndarray:
    """Sums of twelve numbers of 24 bits, less their mean: exact in float64."""
    u = (words(seed, 12 * N) >> np.uint64(40)).astype(np.int64).reshape(N, 12)
    return (u.sum(axis=1) - 6 * (1 << 24)).astype(np.float64) / (1 << 24)


n = near_normal(1)
data = {"normal": n * 0.02, "cubed": n * n * n * 0.01, "shifted": n * 0.02 + 0.05}
for kind, x in data.items():
    x = x.astype(np.float32).reshape(-1, 2048)
    source = folder / f"{kind}.gguf"
    w = GGUFWriter(source, "llama")
    for add, v in (
        (w.add_block_count, 1), (w.add_context_length, 64), (w.add_embedding_length, 2048), (w.add_feed_forward_length, 8),
        (w.add_head_count, 8), (w.add_layer_norm_rms_eps, 1e-5), (w.add_vocab_size, 8),
    ):  # fmt: skip
        add(v)
    w.add_tokenizer_model("none")
    w.add_tensor("blk.0.ffn_gate.weight", x)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    for q in ("Q2_K", "Q3_K_S", "Q4_K_S", "Q5_K_S", "Q6_K", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"):
        out = folder / f"{kind}-{q}.gguf"
        subprocess.run([binary, "--pure", source, out, q], check=True, capture_output=True)
        t = next(t for t in GGUFReader(out).tensors if t.name == "blk.0.ffn_gate.weight")
        y = dequantize(t.data, t.tensor_type)
        rmse = np.sqrt(np.mean((y.astype(np.float64) - x.astype(np.float64)) ** 2))
        print(f"{kind:8} {t.tensor_type.name:5} {rmse:.6e}")
