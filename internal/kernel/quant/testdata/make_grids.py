"""Writes grids.bin beside the package, the points of the IQ formats' grids, from the Python package gguf 0.19.0.

Usage: python make_grids.py
"""

from pathlib import Path

from gguf.quants import IQ1_S, IQ2_S, IQ2_XS, IQ2_XXS, IQ3_S, IQ3_XXS

with open(Path(__file__).parent.parent / "grids.bin", "wb") as f:
    for t in (IQ2_XXS, IQ2_XS, IQ2_S, IQ1_S, IQ3_XXS, IQ3_S):
        f.write(bytes.fromhex(t.grid_hex.decode()))
