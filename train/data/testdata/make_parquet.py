#!/usr/bin/env python3
"""Writes the Parquet files of the tests with the reference library (pyarrow 26).

usage: make_parquet.py OUTDIR
"""
import sys
import pyarrow as pa, pyarrow.parquet as pq

out = sys.argv[1]
texts = [f"Text {i}, naïve 中文." for i in range(40)] + [None, ""]
pq.write_table(pa.table({"id": list(range(42)), "text": texts}), out + "/text.parquet", compression="zstd", row_group_size=17)
pq.write_table(pa.table({"text": texts}), out + "/snappy.parquet", compression="snappy", use_dictionary=False, data_page_version="2.0")
message = pa.struct([("role", pa.string()), ("content", pa.string())])
chats = [[{"role": "user", "content": f"Question {i}?"}, {"role": "assistant", "content": f"Answer {i}."}] for i in range(20)]
chats[3] = [{"role": "user", "content": "?"}, {"role": "assistant", "content": None}]
pq.write_table(pa.table({"messages": pa.array(chats, pa.list_(message)), "source": ["x"] * 20}), out + "/chat.parquet", compression="gzip")
pq.write_table(pa.table({"body": ["no such column"]}), out + "/other.parquet")
