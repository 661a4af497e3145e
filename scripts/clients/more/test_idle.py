"""Prompts that take longer than a client waits for a sign of life. Codex has its own in test_agents.py."""

import time

import anthropic
import ollama
import openai
import pytest

LIMIT = 1.0  # seconds
PROMPT = [{"role": "user", "content": "a tree and a house " * 20_000}]


@pytest.fixture(scope="module")
def slow(serve, long_model):
    return serve("-m", long_model, "--heartbeat", "200ms", "--cache", "-1", "--threads", "1")


def chat(url):
    client = openai.OpenAI(base_url=url + "/v1", api_key="none", max_retries=0, timeout=LIMIT)
    return (c.choices[0].delta.content for c in client.chat.completions.create(model="any", messages=PROMPT, max_tokens=8, stream=True))


def responses(url):
    client = openai.OpenAI(base_url=url + "/v1", api_key="none", max_retries=0, timeout=LIMIT)
    return (getattr(e, "delta", "") for e in client.responses.create(model="any", input=PROMPT, max_output_tokens=8, stream=True))


def messages(url):
    client = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0, timeout=LIMIT)
    return client.messages.stream(model="any", messages=PROMPT, max_tokens=8).__enter__().text_stream


def ollama_chat(url):
    client = ollama.Client(host=url, timeout=LIMIT)
    return (p.message.content for p in client.chat(model="any", messages=PROMPT, options={"num_predict": 8}, stream=True))


@pytest.mark.parametrize("ask", [chat, responses, messages, ollama_chat])
def test_slow_prompt(slow, ask):
    start = time.monotonic()
    list(ask(slow.url))  # to its end
    assert time.monotonic() - start > 3 * LIMIT, "the prompt was not slow: nothing was tested"
