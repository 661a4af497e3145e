#!/usr/bin/env python3
"""Writes rows in the formats of public benchmarks, as JSONL and Parquet, and what lm-evaluation-harness makes of them.

usage: make.py LM_EVAL OUTDIR, where LM_EVAL is the folder of lm_eval 0.4.13. It needs jinja2, pyyaml and pyarrow.

Templates and functions are those of lm_eval's own task files, and jinja2 renders them as lm_eval does; the rows were made up.
questions.json has for each task and row contexts, continuations and the answer's index; before each context stand the first two other
rows as examples.
"""
import ast
import importlib.util
import json
import pathlib
import sys
import types

import jinja2
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

tasks, out = pathlib.Path(sys.argv[1]) / "tasks", pathlib.Path(sys.argv[2])
sys.modules["datasets"] = types.ModuleType("datasets")
sys.modules["datasets"].Dataset = list
env = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)


class Loader(yaml.SafeLoader):
    pass


def function(loader, node):
    module, name = node.value.rsplit(".", 1)
    path = loader.folder / (module + ".py")
    spec = importlib.util.spec_from_file_location(module, path)
    m = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(m)
    return getattr(m, name)


Loader.add_constructor("!function", function)


def load(path):
    loader = Loader((tasks / path).read_text())
    loader.folder = (tasks / path).parent
    config = loader.get_single_data()
    if "include" in config:
        config = {**load(str(pathlib.Path(path).parent / config.pop("include"))), **config}
    return config


def field(config, key, doc):
    v = config[key]
    if callable(v):
        return v(doc)
    if not isinstance(v, str):
        return v
    if v in doc:
        return doc[v]
    s = env.from_string(v).render(**doc)
    if key == "doc_to_choice":
        return ast.literal_eval(s)
    return int(s) if s.isdigit() and "doc_to_choice" in config else s


rows = {
    "hellaswag": [
        {"ind": 3, "activity_label": "Cooking", "ctx_a": "A man  stands [step] in a kitchen.", "ctx_b": "he", "endings": ["cuts an onion.", "[header] flies. ", "sings [title] loudly", "stops [a [b] c]."], "label": "0"},
        {"ind": 4, "activity_label": "Home and Garden", "ctx_a": "[header] How to paint a wall [title] Move the chairs.", "ctx_b": "", "endings": ["Then wait.", "Then eat.", "Then go", "Then \u4e2d\u6587."], "label": "3"},
        {"ind": 5, "activity_label": "Running", "ctx_a": "Two dogs run.", "ctx_b": "they are Fast. and", "endings": ["a", "b b", "c c c", "d"], "label": "2"},
    ],
    "arc": [
        {"id": "x1", "question": "Which is cold?", "choices": {"text": ["fire", "ice", "light", "sand"], "label": ["A", "B", "C", "D"]}, "answerKey": "B"},
        {"id": "x2", "question": "What do plants need?", "choices": {"text": ["water", "noise", "glass"], "label": ["1", "2", "3"]}, "answerKey": "1"},
        {"id": "x3", "question": "Where is \"up\"?", "choices": {"text": ["below", "it's above", "beside"], "label": ["A", "B", "C"]}, "answerKey": "B"},
    ],
    "piqa": [
        {"goal": "open a jar", "sol1": "turn the lid.", "sol2": "turn the jar's table.", "label": 0},
        {"goal": "warm soup", "sol1": "freeze it", "sol2": "heat it", "label": 1},
        {"goal": "dry a towel", "sol1": "hang it up", "sol2": "put it in water", "label": 0},
    ],
    "winogrande": [
        {"sentence": "The box did not fit in the bag because the _ was too small.", "option1": "box", "option2": "bag", "answer": "2"},
        {"sentence": "_ thanked Ann since Eve had been helped.", "option1": "Eve", "option2": "Ann", "answer": "1"},
        {"sentence": "Tom lent Bob a pen as  _  had none_left.", "option1": "Tom", "option2": "Bob", "answer": "2"},
    ],
    "boolq": [
        {"question": "is snow white", "passage": "Snow is white.\nIt is cold.", "idx": 0, "label": 1},
        {"question": "can stones swim", "passage": "Stones sink.", "idx": 1, "label": 0},
        {"question": "is two even", "passage": "Two is an even number.", "idx": 2, "label": 1},
    ],
    "mmlu": [
        {"question": " Which bone is in the arm?", "subject": "human_aging", "choices": ["femur", "ulna", "skull", "rib"], "answer": 1},
        {"question": "What is 2 + 2?", "subject": "human_aging", "choices": ["3", "5", "4", "22"], "answer": 2},
        {"question": "Who ages?\n", "subject": "human_aging", "choices": ["all", "none", "some", "few"], "answer": 0},
    ],
    "gsm8k": [
        {"question": "Ann has 3 pens and buys 2. How many has she?", "answer": "She has 3 + 2 = <<3+2=5>>5 pens.\n#### 5"},
        {"question": "A book costs $1,200. How much are two?", "answer": "2 * 1200 = 2400\n#### 2,400"},
        {"question": "Bob walks -3 steps.", "answer": "So he is at -3.\n#### -3"},
    ],
}
files = {
    "hellaswag": "hellaswag/hellaswag.yaml", "arc": "arc/arc_challenge.yaml", "piqa": "piqa/piqa.yaml", "winogrande": "winogrande/default.yaml",
    "boolq": "super_glue/boolq/default.yaml", "mmlu": "mmlu/default/mmlu_human_aging.yaml", "gsm8k": "gsm8k/gsm8k.yaml",
}


class Docs(list):
    def map(self, f):
        return [{**d, **f(d)} for d in self]


questions = {}
for name, docs in rows.items():
    (out / f"{name}.jsonl").write_text("".join(json.dumps(d) + "\n" for d in docs))
    table = pa.Table.from_pylist([{**d, "real": 0.5} for d in docs])
    pq.write_table(table, out / f"{name}.parquet", data_page_version="2.0" if name == "piqa" else "1.0")
    config = load(files[name])
    if "process_docs" in config:
        docs = config["process_docs"](Docs(docs))
    questions[name] = []
    for i, doc in enumerate(docs):
        context = env.from_string(config.get("description", "")).render(**doc)
        several = isinstance(field(config, "doc_to_text", doc), int)
        for e in [d for j, d in enumerate(docs) if j != i][:2]:
            q, a = field(config, "doc_to_text", e), field(config, "doc_to_target", e)
            if several:
                q = field(config, "doc_to_choice", e)[q]
            elif isinstance(a, int):
                a = field(config, "doc_to_choice", e)[a]
            context += q + " " + a + "\n\n"
        q, a = field(config, "doc_to_text", doc), field(config, "doc_to_target", doc)
        if several:
            contexts = field(config, "doc_to_choice", doc)
            item = {"contexts": [context + c for c in contexts], "continuations": [" " + a] * len(contexts), "answer": q}
        elif "doc_to_choice" in config:
            item = {"contexts": [context + q], "continuations": [" " + c for c in field(config, "doc_to_choice", doc)], "answer": a}
        else:
            item = {"contexts": [context + q], "target": a}
        questions[name].append(item)
(out / "questions.json").write_text(json.dumps(questions, indent=1) + "\n")
answers = pa.table({"question": ["q"] * 9, "passage": ["p"] * 9, "answer": [i % 3 == 0 for i in range(9)]})
pq.write_table(answers, out / "booleans-v1.parquet", data_page_version="1.0")
pq.write_table(answers, out / "booleans-v2.parquet", data_page_version="2.0")
nested = pa.table({"talk": [[{"role": "user", "n": 1}, {"role": "bot", "n": 2}], [], None], "deep": [{"a": {"b": "x"}}, None, {"a": None}], "list": [["a", None], [], ["b"]]})
pq.write_table(nested, out / "nested.parquet")
(out / "nested.json").write_text(json.dumps(nested.to_pylist()) + "\n")
