#!/usr/bin/env python3
"""Writes files as people have them, and what the reference libraries make of them (datasets 5.2.0, transformers 5.24.0).

usage: make_forms.py TOKENIZER OUTDIR

TOKENIZER is a folder whose chat template marks what the assistant says, testdata/field/A13/model. In OUTDIR/forms lie the
files; forms.json has for each its rows as datasets reads them, null if it cannot, and for those that are conversations or
have prompts the token ids and which of them are trained.
"""
import gzip
import json
import os
import pathlib
import sys
import tempfile

os.environ["HF_HOME"] = tempfile.mkdtemp()
os.environ["HF_HUB_OFFLINE"] = "1"
import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import AutoTokenizer

datasets.disable_progress_bars()
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
out = pathlib.Path(sys.argv[2])
forms = out / "forms"
forms.mkdir(exist_ok=True)

texts = [{"text": "Seven boats, 40 nets."}, {"text": 'A "quoted" brace }] and \\ naïve 中文.'}, {"text": "The mill burned down\nin 1874."}]
talks = [
    {"messages": [{"role": "user", "content": "Who keeps the keys?"}, {"role": "assistant", "content": "Anna keeps them."}]},
    {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How many boats?"}, {"role": "assistant", "content": "Seven."},
                  {"role": "user", "content": "And nets?"}, {"role": "assistant", "content": "Forty."}]},
]
shared = [
    {"id": "a", "conversations": [{"from": "human", "value": "Who keeps the keys?"}, {"from": "gpt", "value": "Anna keeps them."}]},
    {"id": "b", "conversations": [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "How many boats?"}, {"from": "gpt", "value": "Seven."}]},
]
prompts = [{"prompt": "The sky is", "completion": " blue today."}, {"prompt": "Q: 40 nets?\nA:", "completion": " Yes"}]
prompt_talks = [
    {"prompt": m["messages"][:-1], "completion": m["messages"][-1:]} for m in talks
]
alpaca = [
    {"instruction": "Name a boat.", "input": "", "output": "Anna."},
    {"instruction": "Add the numbers.", "input": "3 and 4", "output": "7"},
]
ids = [{"input_ids": [5, 6, 7], "labels": [-100, 6, 7]}, {"input_ids": [9, 8], "labels": [9, 8]}]
contents = [{"content": "Seven boats.", "lang": "en"}, {"content": "40 nets.", "lang": "en"}]


def lines(rows):
    return "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows)


bom = "\ufeff"
files = {
    "array.json": json.dumps(texts),
    "array-pretty.json": json.dumps(texts, indent=2, ensure_ascii=False),
    "array-tabs-crlf.json": json.dumps(texts, indent="\t").replace("\n", "\r\n"),
    "array-bom.json": bom + json.dumps(texts, ensure_ascii=False),
    "array-space.json": "\n  " + json.dumps(texts),
    "strings.json": json.dumps([t["text"] for t in texts]),
    "lines.json": lines(texts),
    "lines-bom.jsonl": bom + lines(texts),
    "lines-crlf.ndjson": lines(texts).replace("\n", "\r\n"),
    "array.jsonl": json.dumps(texts),
    "array-pretty.jsonl": json.dumps(texts, indent=1),
    "no-newline.jsonl": lines(texts)[:-1],
    "talks.json": json.dumps(talks, indent=2),
    "talks.jsonl": lines(talks),
    "shared.json": json.dumps(shared, indent=2),
    "shared.jsonl": lines(shared),
    "prompts.jsonl": lines(prompts),
    "prompt-talks.json": json.dumps(prompt_talks, indent=1),
    "alpaca.json": json.dumps(alpaca, indent=4),
    "ids.jsonl": lines(ids),
    "contents.jsonl": lines(contents),
    "data-wrapped.json": json.dumps({"version": "1.0", "data": talks, "count": 2}),
    "empty.json": "[]",
}
for name, content in files.items():
    (forms / name).write_bytes(content.encode())
(forms / "array.json.gz").write_bytes(gzip.compress(files["array-pretty.json"].encode(), mtime=0))
(forms / "lines.jsonl.zst").write_bytes(pa.compress(lines(texts).encode(), codec="zstd", asbytes=True))
for name, rows in {"texts": texts, "talks": talks, "shared": shared, "prompts": prompts, "prompt-talks": prompt_talks, "alpaca": alpaca, "ids": ids, "contents": contents}.items():
    pq.write_table(pa.Table.from_pylist(rows), forms / f"{name}.parquet", write_statistics=False, store_schema=False)


def rows_of(path):
    kind = "parquet" if path.suffix == ".parquet" else "json"
    try:
        field = "data" if path.name.startswith("data-") else None
        options = {"field": field} if field else {}
        d = datasets.load_dataset(kind, data_files=str(path), split="train", **options)
        return d.to_list()
    except Exception as e:
        print(path.name, type(e).__name__, file=sys.stderr)
        return None


def trained(row):
    """The ids of a row, and 1 for those that are trained: what the assistant says, or the completion and the end."""
    messages = row.get("messages")
    if row.get("conversations"):
        who = {"human": "user", "gpt": "assistant", "system": "system"}
        messages = [{"role": who[m["from"]], "content": m["value"]} for m in row["conversations"]]
    if row.get("instruction"):
        ask = row["instruction"] + ("\n\n" + row["input"] if row["input"] else "")
        messages = [{"role": "user", "content": ask}, {"role": "assistant", "content": row["output"]}]
    first = 0
    if isinstance(row.get("prompt"), list):
        messages = row["prompt"] + row["completion"]
        first = len(tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=True)["input_ids"])
    if messages:
        r = tokenizer.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
        mask = r["assistant_masks"]
        return {"ids": r["input_ids"], "trained": [0 if i < first else m for i, m in enumerate(mask)]}
    if row.get("prompt"):
        whole = tokenizer(row["prompt"] + row["completion"])["input_ids"] + [tokenizer.eos_token_id]
        n = len(tokenizer(row["prompt"])["input_ids"])
        return {"ids": whole, "trained": [0] * n + [1] * (len(whole) - n)}
    if row.get("input_ids"):
        return {"ids": row["input_ids"], "trained": [int(x != -100) for x in row["labels"]]}
    whole = tokenizer(row.get("text") or row["content"])["input_ids"] + [tokenizer.eos_token_id]
    return {"ids": whole, "trained": [1] * len(whole)}


result = {}
for path in sorted(forms.iterdir()):
    rows = rows_of(path)
    result[path.name] = None if rows is None else [trained(r) for r in rows]
with open(out / "forms.json", "w") as f:
    f.write("{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in result.items()) + "\n}\n")
