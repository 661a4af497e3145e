"""lm-evaluation-harness on the goldens' tasks, with the server's tokenizer, against what it computes with the reference."""

import json
import os
import subprocess
import sys

import pytest

from conftest import E2E

EXPECTED = json.loads((E2E / "expected.json").read_text())["tasks"]


def start(out, model, args, *more):
    """Starts the harness, which writes its samples into the folder out."""
    command = [
        sys.executable, "-m", "lm_eval", "--model", model, "--model_args", f"model=any,{args},max_length=2048",
        "--include_path", "tasks", "--log_samples", "--output_path", out, *more,
    ]
    return subprocess.Popen(
        command, cwd=E2E, env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "OPENAI_API_KEY": "none"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def samples(e2e, tmp_path_factory):
    """A function that gives the samples of a task, from completions or from chats. Both runs are made at once: most of their time
    the harness loads itself."""
    outs = {kind: tmp_path_factory.mktemp(kind) for kind in ["completions", "chat"]}
    runs = [
        start(outs["completions"], "local-completions", f"base_url={e2e.v1}/completions", "--tasks", "jm_mc,jm_ppl,jm_gen", "--batch_size", "4"),
        start(outs["chat"], "local-chat-completions", f"base_url={e2e.v1}/chat/completions", "--tasks", "jm_gen", "--apply_chat_template"),
    ]
    said = [r.communicate()[0] for r in runs]
    assert [r.returncode for r in runs] == [0, 0], "\n".join(said)

    def of(kind, task):
        return sorted((json.loads(line) for f in outs[kind].rglob(f"samples_{task}_*.jsonl") for line in open(f)), key=lambda s: s["doc_id"])

    return of


def test_completions(samples):
    mc, ppl, gen = (samples("completions", task) for task in ["jm_mc", "jm_ppl", "jm_gen"])
    assert [len(mc), len(ppl), len(gen)] == [len(EXPECTED[task]) for task in ["jm_mc", "jm_ppl", "jm_gen"]]
    for got, want in zip(mc, EXPECTED["jm_mc"]):
        answers = [r[0] for r in got["resps"]]
        assert [float(ll) for ll, _ in answers] == pytest.approx(want["loglikelihoods"], abs=1e-3)
        assert [str(greedy) == "True" for _, greedy in answers] == want["is_greedy"]
    for got, want in zip(ppl, EXPECTED["jm_ppl"]):
        ll = got["resps"][0][0]
        assert float(ll[0] if isinstance(ll, list) else ll) == pytest.approx(want["loglikelihood"], abs=1e-3)
    assert [s["resps"][0][0] for s in gen] == [w["text"] for w in EXPECTED["jm_gen"]]


def test_chat_completions(samples):
    assert len(samples("chat", "jm_gen")) == len(EXPECTED["jm_gen"])
