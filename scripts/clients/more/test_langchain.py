import pytest
from langchain_anthropic import ChatAnthropic
from langchain_ollama import ChatOllama, OllamaEmbeddings
from langchain_openai import ChatOpenAI, OpenAIEmbeddings


def chats(server):
    openai = dict(base_url=server.v1, api_key="none", model="any", temperature=0, max_tokens=12, max_retries=0)
    return {
        "openai": ChatOpenAI(**openai),
        "responses": ChatOpenAI(**openai, use_responses_api=True),
        "anthropic": ChatAnthropic(base_url=server.url, api_key="none", model="any", max_tokens=12, max_retries=0, model_kwargs={"extra_body": {"temperature": 0}}),
        "ollama": ChatOllama(base_url=server.url, model="any", temperature=0, num_predict=12),
    }


@pytest.mark.parametrize("name", ["openai", "responses", "anthropic", "ollama"])
def test_chat(server, name):
    model = chats(server)[name]
    whole = model.invoke("Once upon a time")
    assert whole.text and whole.usage_metadata["output_tokens"] == 12
    assert "".join(piece.text for piece in model.stream("Once upon a time")) == whole.text


def test_embeddings(server):
    openai = OpenAIEmbeddings(base_url=server.v1, api_key="none", model="any", check_embedding_ctx_length=False)
    ollama = OllamaEmbeddings(base_url=server.url, model="any")
    assert openai.embed_documents(["a tree", "a house"])[1] == pytest.approx(ollama.embed_documents(["a tree", "a house"])[1], abs=1e-5)
