"""LangChain, the AI SDK and Ollama's library for JavaScript, by node's own test runner."""

import os
import pathlib
import subprocess


def test_javascript(server):
    here = pathlib.Path(__file__).parent
    subprocess.run(["node", "--test", "clients.test.js"], cwd=here, env={**os.environ, "JAMBA_URL": server.url}, check=True)
