#!/usr/bin/env python3
"""Sends `jamba serve` what its OpenAPI document allows and what it does not, and expects no 5xx and no answer that the document lacks.

    python3 -m venv /tmp/fuzz && /tmp/fuzz/bin/pip install schemathesis
    go build -o /tmp/jamba ./cmd/jamba
    /tmp/fuzz/bin/python scripts/fuzz_api.py /tmp/jamba [further options of schemathesis]

Tried with schemathesis 4.32.5. The embedded model answers, in at most 8 tokens; a run takes some minutes.
"""

import os
import pathlib
import re
import subprocess
import sys

import schemathesis

# Answers of what is asked for would take hours. Wrong values are left as they are.
LONGEST = {"max_tokens": 8, "max_completion_tokens": 8, "max_output_tokens": 8, "min_tokens": 4, "num_predict": 8, "n": 2}

# Where templates alone say which roles there are; most know these.
ANY_ROLE = ("/v1/chat/completions", "/v1/tokenize")
ROLES = ("system", "developer", "user", "assistant", "tool", "function")

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,negative_data_rejection"


@schemathesis.hook
def before_call(context, case, kwargs):
    """Shortens the answers that a request asks for, and gives messages roles that templates know."""
    if isinstance(case.body, dict):
        messages = case.body.get("messages")
        for message in messages if isinstance(messages, list) and case.operation.path in ANY_ROLE else []:
            if isinstance(message, dict) and isinstance(message.get("role"), str) and message["role"] not in ("", *ROLES):
                message["role"] = "user"
        for fields in (case.body, case.body.get("options")):
            if isinstance(fields, dict):
                for name, most in LONGEST.items():
                    if type(fields.get(name)) is int and fields[name] > most:
                        fields[name] = most


def main():
    server = subprocess.Popen([sys.argv[1], "serve", "--port", "0", "--max-tokens", "8", "--log-level", "warn"], stderr=subprocess.PIPE, text=True)
    try:
        for line in server.stderr:
            if found := re.search(r"at (http://[^/]*)/v1", line):
                break
        else:
            sys.exit("jamba serve did not begin")
        here = pathlib.Path(__file__)
        tool = pathlib.Path(sys.executable).parent / "schemathesis"
        env = os.environ | {"PYTHONPATH": str(here.parent), "SCHEMATHESIS_HOOKS": here.stem}
        command = [tool, "run", found[1] + "/openapi.json", "--checks", CHECKS, "--max-examples", "60", "--seed", "1", "--suppress-health-check", "too_slow", *sys.argv[2:]]
        return subprocess.run(command, env=env, check=False).returncode
    finally:
        server.terminate()
        server.wait(30)


if __name__ == "__main__":
    sys.exit(main())
