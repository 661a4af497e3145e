import ollama
import pytest


@pytest.fixture
def client(server):
    return ollama.Client(host=server.url)


@pytest.fixture
def how(client):
    return dict(model=client.list().models[0].model, messages=[{"role": "user", "content": "Once upon a time"}], options={"num_predict": 12, "temperature": 0})


def test_models(client, how):
    assert client.show(how["model"]).modelinfo and client.ps().models[0].model == how["model"]


def test_chat(client, how):
    text = client.chat(**how).message.content
    pieces = list(client.chat(**how, stream=True))
    assert text and "".join(p.message.content for p in pieces) == text
    assert pieces[-1].done_reason == "length" and pieces[-1].eval_count == 12


def test_generate(client, how):
    assert client.generate(model=how["model"], prompt="Once", options={"num_predict": 4}).response


def test_embed(client, how):
    assert len(client.embed(model=how["model"], input=["a", "b"]).embeddings) == 2
    assert len(client.embeddings(model=how["model"], prompt="a").embedding) > 8


def test_error(client, how):
    with pytest.raises(ollama.ResponseError) as e:
        client.chat(**how | {"options": {"temperature": -1}})
    assert e.value.status_code == 400
