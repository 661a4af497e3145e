package openai

import (
	"testing"

	"jamba/serve/api/apitest"
)

// TestDocument compares what requests are read into with the OpenAPI document.
func TestDocument(t *testing.T) {
	apitest.Fields(t, "ChatRequest", ChatRequest{})
	apitest.Fields(t, "CompletionRequest", CompletionRequest{})
	apitest.Fields(t, "ResponsesRequest", ResponsesRequest{})
	apitest.Fields(t, "InputItem", item{})
	apitest.Fields(t, "EmbeddingRequest", EmbeddingRequest{})
	apitest.Fields(t, "Model", Model{})
	apitest.Fields(t, "Usage", usage{})
	apitest.Fields(t, "OpenAIError", errorBody{})
}
