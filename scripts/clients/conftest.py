"""`jamba serve`, as the clients' tests find it."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
E2E = ROOT / "testdata" / "goldens" / "e2e"  # a random model whose answers the reference has computed
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


class Server:
    """jamba serve on a port of its own."""

    def __init__(self, jamba, log, *args, around=()):
        self.log = log
        with open(log, "w") as stderr:
            self.process = subprocess.Popen([*around, jamba, "serve", "--port", "0", *args], stderr=stderr)
        while not (found := re.search(r"at (http://\S+)/v1\n", log.read_text())):
            assert self.process.poll() is None, f"jamba serve ended: {log.read_text()}"
            time.sleep(0.02)
        self.url = found[1]
        self.v1 = self.url + "/v1"

    def stop(self):
        self.process.terminate()
        assert self.process.wait(30) == 0, self.log.read_text()
        assert "level=ERROR" not in self.log.read_text(), self.log.read_text()


@pytest.fixture(scope="session")
def jamba(tmp_path_factory):
    """The command: JAMBA, or else what is built of this tree."""
    if given := os.environ.get("JAMBA"):
        return given
    path = tmp_path_factory.mktemp("bin") / "jamba"
    subprocess.run(["go", "build", "-o", path, "./cmd/jamba"], cwd=ROOT, env={**os.environ, "CGO_ENABLED": "0"}, check=True)
    return path


@pytest.fixture(scope="session")
def serve(jamba, tmp_path_factory):
    """A function that starts a server with further arguments, until the tests end."""
    servers = []

    def start(*args):
        servers.append(Server(jamba, tmp_path_factory.mktemp("serve") / "log", *args))
        return servers[-1]

    yield start
    for s in servers:
        s.stop()


@pytest.fixture(scope="session")
def e2e(serve):
    return serve("-m", E2E / "model", "--precision", "exact")


@pytest.fixture(scope="session")
def embedded(serve):
    return serve()


@pytest.fixture(scope="session", params=["embedded", "e2e"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def long_model(tmp_path_factory):
    """The goldens' random model with a context that is long enough for agents' prompts, which ends its answers soon: at any of many tokens."""
    folder = tmp_path_factory.mktemp("model")
    for f in E2E.joinpath("model").iterdir():
        if not f.name.startswith("golden"):
            shutil.copy(f, folder)
    for name, change in [
        ("config.json", lambda c: c.update(max_position_embeddings=1 << 18)),  # nothing in a Jamba depends on it
        ("generation_config.json", lambda c: c.update(eos_token_id=[2, *range(300, 4096, 20)])),
    ]:
        settings = json.loads((folder / name).read_text())
        change(settings)
        (folder / name).write_text(json.dumps(settings))
    return folder
