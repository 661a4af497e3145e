"""Codex, Claude Code and Continue complete a turn, with an empty home and no network but this machine's own loopback."""

import json
import os
import pathlib
import re
import subprocess

import pytest

from conftest import Server

BIN = pathlib.Path(__file__).parent / "node_modules" / ".bin"


@pytest.fixture
def alone(jamba, long_model, tmp_path):
    """A server in a network of its own, and a function that runs commands in that network."""
    server = Server(jamba, tmp_path / "log", "-m", long_model, "--heartbeat", "500ms", around=["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"])

    def run(*command, **env):
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        inside = ["nsenter", "-t", str(server.process.pid), "-U", "-n", "--preserve-credentials"]
        done = subprocess.run(
            [*inside, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, cwd=home,
            env={"HOME": str(home), "PATH": os.environ["PATH"], **env})
        assert done.returncode == 0, f"{done.stdout}\n{server.log.read_text()}"
        return done.stdout

    assert "PING" not in run("sh", "-c", "curl -s --max-time 2 http://192.0.2.1/ && echo PING; true")  # no way out
    yield server, run, tmp_path / "home"
    server.stop()


def counts(run, server):
    """How many tokens of prompts were looked for in the cache so far, and how many were found."""
    text = run("curl", "-s", server.url + "/metrics")
    return [float(re.search(rf"^vllm:prefix_cache_{name}_total\S* (\S+)$", text, re.M)[1]) for name in ("queries", "hits")]


def second_hits(run, server, turn, least=5000):
    """Runs two conversations; most of the second one's prompt has to come from the cache. Each has so many tokens at least."""
    turn("Say hello.")
    asked, found = counts(run, server)
    assert asked > least
    turn("Name a tree.")
    again, more = counts(run, server)
    assert (more - found) / (again - asked) > 0.5, f"{more - found} of {again - asked} tokens were found"


def test_codex(alone):
    server, run, home = alone
    folder = home / ".codex"
    folder.mkdir(parents=True, exist_ok=True)
    # Prompts take longer than the limit: the signs of life have to count.
    (folder / "config.toml").write_text(f"""
model = "jamba"
model_provider = "jamba"
[model_providers.jamba]
name = "jamba"
base_url = "{server.v1}"
wire_api = "responses"
stream_idle_timeout_ms = 1500
stream_max_retries = 0
request_max_retries = 0
""")

    def turn(prompt):
        out = run(BIN / "codex", "exec", "--json", "--skip-git-repo-check", prompt)
        assert "turn.completed" in out, out

    second_hits(run, server, turn)


def test_claude_code(alone):
    server, run, _ = alone

    def turn(prompt):
        out = run(
            BIN / "claude", "-p", prompt, "--output-format", "json",
            ANTHROPIC_BASE_URL=server.url, ANTHROPIC_AUTH_TOKEN="none", CLAUDE_CODE_MAX_OUTPUT_TOKENS="64", CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1")
        answer = json.loads(out[out.index("{"):])
        assert answer["subtype"] == "success" and not answer["is_error"], out

    second_hits(run, server, turn)


def test_continue(alone):
    """What its extension for VS Code reads, its command line reads, too."""
    server, run, home = alone
    folder = home / ".continue"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(f"""
name: local
version: 1.0.0
schema: v1
models:
  - name: jamba
    provider: openai
    model: jamba
    apiBase: {server.v1}
    apiKey: none
    roles: [chat, edit, apply]
    capabilities: [tool_use]
""")

    def turn(prompt):
        assert run(BIN / "cn", "--config", folder / "config.yaml", "-p", prompt).strip()

    second_hits(run, server, turn, least=400)
