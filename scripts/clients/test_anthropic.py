import anthropic
import pytest

from conftest import WEATHER


@pytest.fixture
def client(server):
    return anthropic.Anthropic(base_url=server.url, api_key="none", max_retries=0)


@pytest.fixture
def how(client):
    model = client.models.list().data[0]
    assert model.type == "model"
    return dict(model=model.id, max_tokens=12, system="Be brief.", messages=[{"role": "user", "content": "Once upon a time"}], extra_body={"temperature": 0})


def test_messages(client, how):
    whole = client.messages.create(**how)
    text = whole.content[0].text
    assert text and whole.stop_reason == "max_tokens" and whole.usage.output_tokens == 12
    with client.messages.stream(**how) as s:
        assert "".join(s.text_stream) == text and s.get_final_message().stop_reason == "max_tokens"
    count = client.messages.count_tokens(model=how["model"], system=how["system"], messages=how["messages"]).input_tokens
    assert count == whole.usage.input_tokens + whole.usage.cache_read_input_tokens + whole.usage.cache_creation_input_tokens


def test_tools(client, how):
    client.messages.create(**how, tools=[{"name": "weather", "input_schema": WEATHER}], tool_choice={"type": "auto"})


def test_error(client, how):
    with pytest.raises(anthropic.BadRequestError, match="temperature"):
        client.messages.create(**how | {"extra_body": {"temperature": 9}})
