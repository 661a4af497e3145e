"""lm-evaluation-harness on the goldens' tasks, with the server's tokenizer, against what it computes with the reference."""

import json
import os
import subprocess
import sys

import pytest

from conftest import E2E

EXPECTED = json.loads((E2E / "expected.json").read_text())["tasks"]


def run(out, model, args, tasks, *more):
    """Runs the harness and returns its samples by task."""
    command = [
        sys.executable, "-m", "lm_eval", "--model", model, "--model_args", f"model=any,{args},max_length=2048", "--tasks", tasks,
        "--include_path", "tasks", "--log_samples", "--output_path", out, *more,
    ]
    done = subprocess.run(
        command, cwd=E2E, env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "OPENAI_API_KEY": "none"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return {
        task: sorted((json.loads(line) for f in out.rglob(f"samples_{task}_*.jsonl") for line in open(f)), key=lambda s: s["doc_id"])
        for task in tasks.split(",")
    }


def test_completions(e2e, tmp_path):
    samples = run(tmp_path, "local-completions", f"base_url={e2e.v1}/completions", "jm_mc,jm_ppl,jm_gen", "--batch_size", "4")
    for task, got in samples.items():
        assert len(got) == len(EXPECTED[task])
    for got, want in zip(samples["jm_mc"], EXPECTED["jm_mc"]):
        answers = [r[0] for r in got["resps"]]
        assert [float(ll) for ll, _ in answers] == pytest.approx(want["loglikelihoods"], abs=1e-3)
        assert [str(greedy) == "True" for _, greedy in answers] == want["is_greedy"]
    for got, want in zip(samples["jm_ppl"], EXPECTED["jm_ppl"]):
        ll = got["resps"][0][0]
        assert float(ll[0] if isinstance(ll, list) else ll) == pytest.approx(want["loglikelihood"], abs=1e-3)
    assert [s["resps"][0][0] for s in samples["jm_gen"]] == [w["text"] for w in EXPECTED["jm_gen"]]


def test_chat_completions(e2e, tmp_path):
    samples = run(tmp_path, "local-chat-completions", f"base_url={e2e.v1}/chat/completions", "jm_gen", "--apply_chat_template")
    assert len(samples["jm_gen"]) == len(EXPECTED["jm_gen"])
