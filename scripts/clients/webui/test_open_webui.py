"""Open WebUI chats with the server, asked over its own HTTP API, which is what its pages do."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

CHAT = {"model": "jamba-embedded", "messages": [{"role": "user", "content": "Once upon a time"}], "max_tokens": 12}


@pytest.fixture(scope="module")
def ask(embedded, tmp_path_factory):
    """A function that asks Open WebUI, which knows the server as OpenAI's API and as Ollama."""
    home = tmp_path_factory.mktemp("webui")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    env = {
        "PATH": os.environ["PATH"], "HOME": str(home), "DATA_DIR": str(home / "data"), "WEBUI_AUTH": "False", "WEBUI_SECRET_KEY": "none",
        "OPENAI_API_BASE_URL": embedded.v1, "OPENAI_API_KEY": "none", "OLLAMA_BASE_URL": embedded.url,
        "OFFLINE_MODE": "True", "HF_HUB_OFFLINE": "1", "RAG_EMBEDDING_ENGINE": "openai",  # nothing is fetched
    }
    log = home / "log"
    with open(log, "w") as out:
        command = [pathlib.Path(sys.executable).parent / "open-webui", "serve", "--host", "127.0.0.1", "--port", str(port)]
        process = subprocess.Popen(command, env=env, cwd=home, stdout=out, stderr=subprocess.STDOUT)

    def ask(path, body=None, token=None):
        headers = {"Content-Type": "application/json"} | ({"Authorization": "Bearer " + token} if token else {})
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers), timeout=120) as r:
            return r.read().decode()

    while True:  # it takes a minute to begin
        try:
            ask("/health")
            break
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.5)
    token = json.loads(ask("/api/v1/auths/signin", {"email": "", "password": ""}))["token"]
    yield lambda path, body=None: ask(path, body, token)
    process.terminate()
    process.wait(60)


def test_models(ask):
    assert CHAT["model"] in [m["id"] for m in json.loads(ask("/api/models"))["data"]]


def test_chat(ask):
    text = json.loads(ask("/api/chat/completions", CHAT | {"stream": False}))["choices"][0]["message"]["content"]
    lines = ask("/api/chat/completions", CHAT | {"stream": True}).splitlines()
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
    streamed = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c.get("choices"))
    assert text and streamed  # it passes no temperature on, so they differ


def test_ollama(ask):
    request = {"model": CHAT["model"], "messages": CHAT["messages"], "options": {"temperature": 0, "num_predict": 12}}
    text = json.loads(ask("/ollama/api/chat", request | {"stream": False}))["message"]["content"]
    pieces = [json.loads(line) for line in ask("/ollama/api/chat", request | {"stream": True}).splitlines() if line]
    assert text and "".join(p["message"]["content"] for p in pieces) == text and pieces[-1]["done"]
