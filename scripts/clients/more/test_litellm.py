import litellm
import pytest


@pytest.mark.parametrize("model, version", [("openai/any", "/v1"), ("anthropic/any", ""), ("ollama_chat/any", "")])
def test_completion(server, model, version):
    how = dict(
        model=model, messages=[{"role": "user", "content": "Once upon a time"}], api_base=server.url + version, api_key="none", max_tokens=12, num_retries=0)
    if model != "anthropic/any":
        how["temperature"] = 0
    whole = litellm.completion(**how)
    assert whole.choices[0].message.content and whole.usage.completion_tokens == 12
    chunks = list(litellm.completion(**how, stream=True))
    text = "".join(c.choices[0].delta.content or "" for c in chunks)
    assert text and (text == whole.choices[0].message.content or "temperature" not in how)


def test_embedding(server):
    assert len(litellm.embedding("openai/any", ["a", "b"], api_base=server.v1, api_key="none").data) == 2
