package openai

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"

	"jamba/serve/turn"
)

// EmbeddingRequest is the body of POST /v1/embeddings.
type EmbeddingRequest struct {
	Model          string          `json:"model"`
	Input          json.RawMessage `json:"input"`
	EncodingFormat string          `json:"encoding_format"`
	Dimensions     *int            `json:"dimensions"`
	Pooling        string          `json:"pooling"`   // mean or last; ours
	Normalize      *bool           `json:"normalize"` // ours; by default vectors have length 1

	Texts []turn.Prompt `json:"-"` // what Input has
}

// ReadEmbedding reads a request for embeddings.
func ReadEmbedding(body []byte) (*EmbeddingRequest, error) {
	var r EmbeddingRequest
	err := turn.Decode(body, &r)
	if err != nil {
		return nil, err
	}
	switch r.EncodingFormat {
	case "", "float", "base64":
	default:
		return nil, turn.Invalid("encoding_format", "%.40q is not known; float and base64 are", r.EncodingFormat)
	}
	switch r.Pooling {
	case "", "mean", "last":
	default:
		return nil, turn.Invalid("pooling", "%.40q is not known; mean and last are", r.Pooling)
	}
	if r.Texts, err = prompts("input", r.Input); err == nil && len(r.Texts) > maxPrompts {
		err = turn.Invalid("input", "%d texts, at most %d may be", len(r.Texts), maxPrompts)
	}
	return &r, err
}

// Check returns an error if the request asks for other vectors than those of width numbers.
func (r *EmbeddingRequest) Check(width int) error {
	if r.Dimensions != nil && *r.Dimensions != width {
		return turn.Invalid("dimensions", "%d, the model's vectors have %d numbers", *r.Dimensions, width)
	}
	return nil
}

type embedding struct {
	Object    string `json:"object"`
	Index     int    `json:"index"`
	Embedding any    `json:"embedding"`
}

// Embeddings returns the body with vectors of texts that had so many tokens.
func Embeddings(r *EmbeddingRequest, model string, vectors [][]float32, tokens int) any {
	data := make([]embedding, len(vectors))
	for i, v := range vectors {
		data[i] = embedding{"embedding", i, v}
		if r.EncodingFormat == "base64" {
			data[i].Embedding = base64.StdEncoding.EncodeToString(littleEndian(v))
		}
	}
	return map[string]any{"object": "list", "data": data, "model": model, "usage": map[string]int{"prompt_tokens": tokens, "total_tokens": tokens}}
}

func littleEndian(v []float32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

// Model is an entry of GET /v1/models, as OpenAI's clients and Anthropic's read it.
type Model struct {
	ID          string `json:"id"`
	Object      string `json:"object"`
	Created     int64  `json:"created"`
	OwnedBy     string `json:"owned_by"`
	Parent      string `json:"parent,omitempty"` // of an adapter
	MaxModelLen int    `json:"max_model_len,omitempty"`
	Type        string `json:"type"`
	DisplayName string `json:"display_name"`
	CreatedAt   string `json:"created_at"`
}
