import os
import pathlib
import subprocess

import openai
import pytest

from conftest import WEATHER

MESSAGES = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Once upon a time"}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]


@pytest.fixture
def client(server):
    return openai.OpenAI(base_url=server.v1, api_key="none", max_retries=0)


@pytest.fixture
def how(client):
    return dict(model=client.models.list().data[0].id, temperature=0)


def test_models(client, how):
    assert client.models.retrieve(how["model"]).id == how["model"]


def test_chat(client, how):
    how |= dict(messages=MESSAGES, max_completion_tokens=12)
    whole = client.chat.completions.create(**how)
    text = whole.choices[0].message.content
    assert text and whole.usage.completion_tokens == 12 and whole.choices[0].finish_reason == "length"
    chunks = list(client.chat.completions.create(**how, stream=True, stream_options={"include_usage": True}))
    assert "".join(k.choices[0].delta.content or "" for k in chunks if k.choices) == text
    assert chunks[-1].usage.completion_tokens == 12 and not chunks[-1].choices
    with client.chat.completions.stream(**how) as s:
        assert "".join(e.delta for e in s if e.type == "content.delta") == text


def test_choices(client, how):
    how |= dict(messages=MESSAGES, max_completion_tokens=12)
    several = client.chat.completions.create(**how, n=2, logprobs=True, top_logprobs=2, seed=1, logit_bias={"70": -100})
    assert [c.index for c in several.choices] == [0, 1]
    assert all(len(t.top_logprobs) == 2 for c in several.choices for t in c.logprobs.content)


def test_tools(client, how):
    how |= dict(messages=MESSAGES, max_completion_tokens=48, tools=TOOLS)
    client.chat.completions.create(**how, tool_choice="auto")


def test_tool_choice(e2e):
    """A call that the model is made to begin. What a random model then says is seldom JSON."""
    client = openai.OpenAI(base_url=e2e.v1, api_key="none", max_retries=0)
    m = client.chat.completions.create(
        model="any", messages=MESSAGES, max_tokens=48, tools=TOOLS, tool_choice={"type": "function", "function": {"name": "weather"}},
    ).choices[0].message
    assert m.tool_calls or '{"name": "weather", "arguments": {' in m.content


def test_completions(client, how):
    done = client.completions.create(**how, prompt=["Once", "Two"], max_tokens=3, echo=True, logprobs=1)
    assert done.choices[1].text.startswith("Two") and done.choices[0].logprobs.token_logprobs[0] is None


def test_embeddings(client, how):
    del how["temperature"]
    coded = client.embeddings.create(**how, input=["a tree", "a house"]).data  # in base64 on the way
    floats = client.embeddings.create(**how, input=["a tree", "a house"], encoding_format="float").data
    assert len(coded[1].embedding) > 8 and coded[1].embedding == pytest.approx(floats[1].embedding, abs=1e-6)


def test_responses(client, how):
    how |= dict(max_output_tokens=12)
    whole = client.responses.create(**how, input="Once upon a time")
    assert whole.output_text and whole.status == "incomplete" and whole.usage.input_tokens_details.cache_write_tokens is not None
    events = list(client.responses.create(**how, input=[{"role": "user", "content": "Once upon a time"}], stream=True))
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == whole.output_text
    assert [e.sequence_number for e in events] == list(range(len(events))) and events[-1].response.output_text == whole.output_text
    with client.responses.stream(**how, input="Once upon a time") as s:
        assert [e.type for e in s][-1] == "response.incomplete"
    more = client.responses.create(**how, input="And then", previous_response_id=whole.id)
    assert more.usage.input_tokens > whole.usage.input_tokens


def test_error(client, how):
    with pytest.raises(openai.BadRequestError) as e:
        client.chat.completions.create(model=how["model"], messages=MESSAGES, temperature=9)
    assert e.value.param == "temperature"


@pytest.fixture(scope="session")
def go_client(tmp_path_factory):
    """The test of the library for Go, which is a module of its own."""
    path = tmp_path_factory.mktemp("go") / "openai.test"
    subprocess.run(["go", "test", "-vet=off", "-c", "-o", path, "."], cwd=pathlib.Path(__file__).parent / "go", check=True)
    return path


def test_go(server, go_client):
    subprocess.run([go_client], env={**os.environ, "JAMBA_URL": server.v1}, check=True)
