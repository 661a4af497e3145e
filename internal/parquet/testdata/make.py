#!/usr/bin/env python3
"""Writes the Parquet files of the tests, and what they hold as the reference library reads it (pyarrow 26).

usage: make.py OUTDIR

values.json has for each file its columns by path: for each row a value, null, or the list of both.
"""
import json
import random
import sys

import pyarrow as pa
import pyarrow.parquet as pq

out = sys.argv[1]
random.seed(11)
words = "lamp river stone winter bread naïve 中文 🙂 a".split()


def text(n):
    return " ".join(random.choice(words) for _ in range(n))


n = 90
texts = [None if i % 7 == 3 else "" if i % 11 == 5 else text(i % 12) for i in range(n)]
same = sorted(t or "" for t in texts)
numbers = [None if i % 5 == 2 else random.choice([0, -1, 7, i, -(2**31), 2**31 - 1]) for i in range(n)]
large = [random.choice([0, -1, 2**62, -(2**63), 2**63 - 1]) for _ in range(n)]
ids = [None if i % 9 == 4 else [] if i % 9 == 5 else [random.randrange(300) for _ in range(i % 13)] for i in range(n)]
message = pa.struct([("role", pa.string()), ("content", pa.string())])
talks = [
    None if i % 10 == 7 else [{"role": random.choice(["user", "assistant"]), "content": None if j == 3 else text(j)} for j in range(i % 6)]
    for i in range(n)
]
table = pa.table(
    {
        "text": pa.array(texts, pa.string()),
        "same": pa.array(same, pa.large_string()),
        "number": pa.array(numbers, pa.int32()),
        "large": pa.array(large, pa.int64()),
        "ids": pa.array(ids, pa.list_(pa.int32())),
        "talk": pa.array(talks, pa.list_(message)),
        "nothing": pa.array([None] * n, pa.string()),
    }
)
must = pa.schema([pa.field("text", pa.string(), nullable=False), pa.field("large", pa.int64(), nullable=False)])
required = pa.table([pa.array(same), pa.array(large)], schema=must)

kinds = {
    "plain": dict(compression="none", use_dictionary=False),
    "snappy": dict(compression="snappy"),
    "gzip-v2": dict(compression="gzip", data_page_version="2.0", use_dictionary=False),
    "brotli": dict(compression="brotli"),
    "zstd-v2-groups": dict(compression="zstd", data_page_version="2.0", row_group_size=17),
    "lz4": dict(compression="lz4"),
    "small-pages": dict(compression="snappy", data_page_size=64, write_batch_size=4, dictionary_pagesize_limit=300),
    "small-pages-v2": dict(compression="zstd", data_page_size=64, write_batch_size=4, data_page_version="2.0", use_dictionary=False),
    "delta-length": dict(compression="none", use_dictionary=False, column_encoding={"text": "DELTA_LENGTH_BYTE_ARRAY", "same": "DELTA_LENGTH_BYTE_ARRAY", "number": "DELTA_BINARY_PACKED", "large": "DELTA_BINARY_PACKED"}),
    "delta-bytes-v2": dict(compression="zstd", use_dictionary=False, data_page_version="2.0", column_encoding={"text": "DELTA_BYTE_ARRAY", "same": "DELTA_BYTE_ARRAY", "number": "DELTA_BINARY_PACKED", "ids.list.element": "DELTA_BINARY_PACKED"}),
    "required": dict(compression="snappy"),
    "old-lists": dict(compression="snappy", use_compliant_nested_type=False),
    "empty": dict(compression="snappy"),
}
values = {}
for name, options in kinds.items():
    t = required if name == "required" else table.slice(0, 0) if name == "empty" else table
    path = f"{out}/{name}.parquet"
    pq.write_table(t, path, write_statistics=False, store_schema=False, **options)
    read = pq.read_table(path)
    element = "item" if name == "old-lists" else "element"
    columns = {}
    for c in read.column_names:
        rows = read[c].to_pylist()
        if c == "ids":
            columns[f"ids.list.{element}"] = rows
        elif c == "talk":
            for field in ("role", "content"):
                columns[f"talk.list.{element}.{field}"] = [None if r is None else [m[field] for m in r] for r in rows]
        else:
            columns[c] = rows
    values[name] = columns
# The columns are the same in all files but in required, empty and in the names of lists.
first = values["plain"]
for name, columns in values.items():
    values[name] = {k.replace(".item", ".element"): v for k, v in columns.items()}
    if values[name] == first and name != "plain":
        values[name] = "plain"
json.dump(values, open(out + "/values.json", "w"), ensure_ascii=False)
