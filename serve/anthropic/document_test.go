package anthropic

import (
	"testing"

	"jamba/serve/api/apitest"
)

// TestDocument compares what requests are read into with the OpenAPI document.
func TestDocument(t *testing.T) {
	apitest.Fields(t, "MessageRequest", Request{})
}
