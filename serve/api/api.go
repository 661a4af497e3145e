// Package api is the OpenAPI document of what the server answers.
package api

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"
)

//go:embed openapi.yaml
var document []byte

// Document returns the document in JSON, for a program of that version.
func Document(version string) ([]byte, error) {
	var doc map[string]any
	if err := yaml.Unmarshal(document, &doc); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	doc["info"].(map[string]any)["version"] = version
	return json.Marshal(doc)
}
