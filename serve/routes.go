package serve

import (
	"net/http"
	"strings"

	"jamba/serve/api"
)

// routes returns who answers which path, by patterns of http.ServeMux. Paths under /v1 are answered without it as well: clients' base
// URLs have it or not.
func (s *Server) routes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"POST /v1/chat/completions":      s.chat,
		"POST /v1/completions":           s.completions,
		"POST /v1/responses":             s.responses,
		"POST /v1/embeddings":            s.embeddings,
		"GET /v1/models":                 s.models,
		"GET /v1/models/{id...}":         s.oneModel,
		"POST /v1/messages":              s.messages,
		"POST /v1/messages/count_tokens": s.countTokens,
		"POST /v1/tokenize":              s.tokenize,
		"POST /v1/detokenize":            s.detokenize,
		"GET /tokenizer_info":            s.tokenizerInfo,

		"GET /api/version":     s.ollamaAPI,
		"GET /api/tags":        s.ollamaTags,
		"GET /api/ps":          s.ollamaLoaded,
		"POST /api/show":       s.ollamaShow,
		"POST /api/chat":       s.ollamaChat,
		"POST /api/generate":   s.ollamaGenerate,
		"POST /api/embed":      s.ollamaEmbed,
		"POST /api/embeddings": s.ollamaEmbed,
		"GET /{$}":             s.root,

		"GET /health":       s.health,
		"GET /ready":        s.ready,
		"GET /metrics":      s.metrics.handler.ServeHTTP,
		"GET /openapi.json": s.openapi,
	}
}

func (s *Server) mux() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, h := range s.routes() {
		mux.HandleFunc(pattern, h)
		if method, path, ok := strings.Cut(pattern, " /v1"); ok {
			mux.HandleFunc(method+" "+path, h)
		}
	}
	mux.HandleFunc("/", s.unknown)
	return mux
}

func (s *Server) openapi(w http.ResponseWriter, r *http.Request) {
	doc, err := api.Document(s.options.Version)
	if err != nil {
		s.fail(w, r, err, shape(r))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(doc)
}
