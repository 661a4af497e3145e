package ollama

import (
	"testing"

	"jamba/serve/api/apitest"
)

// TestDocument compares what requests are read into, and answers made of, with the OpenAPI document.
func TestDocument(t *testing.T) {
	apitest.Fields(t, "OllamaChatRequest", chatRequest{})
	apitest.Fields(t, "OllamaGenerateRequest", generateRequest{})
	apitest.Fields(t, "OllamaEmbedRequest", EmbedRequest{})
	apitest.Fields(t, "OllamaAnswer", line{})
	apitest.Fields(t, "OllamaDetails", details{})
}
