package serve

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"jamba/serve/api/apitest"
)

// TestDescribedPaths expects the OpenAPI document to have all that is answered, and nothing else.
func TestDescribedPaths(t *testing.T) {
	url, s := start(t, open(t), Options{})
	doc := apitest.Document(t)
	described := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			described[method+" "+path] = true
		}
	}
	for pattern := range s.routes() {
		own := strings.NewReplacer("{id...}", "{id}", "{$}", "").Replace(pattern)
		if !described[own] {
			t.Errorf("the document does not have %s", own)
		}
		delete(described, own)
	}
	for path := range described {
		t.Errorf("the document has %s, which is not answered", path)
	}
	if status, body := get(t, url+"/openapi.json"); status != http.StatusOK || !strings.Contains(body, `"openapi":"3.0.3"`) {
		t.Errorf("%d %.100s", status, body)
	}
}

// TestTokenizeFields compares what a request to tokenize is read into with the document.
func TestTokenizeFields(t *testing.T) {
	op := apitest.Document(t).Paths.Value("/v1/tokenize").Post
	apitest.Same(t, "tokenize", op.RequestBody.Value.Content["application/json"].Schema.Value, reflect.TypeFor[tokenizeRequest]())
}
