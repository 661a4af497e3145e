"""Writes history.parquet: Alpaca's records with the turns before, lists of pairs."""

import datasets

rows = [
    {"instruction": "b", "output": "B", "history": [["a", "A"], ["c", "C"]]},
    {"instruction": "x", "output": "X", "history": []},
]
datasets.Dataset.from_list(rows).to_parquet("history.parquet")
