package serve

import (
	"net/http"
	"strings"
	"time"

	"jamba/serve/ollama"
	"jamba/serve/turn"
)

// ollamaVersion is the version of Ollama whose API this is: clients look whether it is new enough.
const ollamaVersion = "0.9.0"

func (s *Server) ollamaRoutes(mux *http.ServeMux) {
	tell := func(v func() any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, v()) }
	}
	mux.HandleFunc("GET /api/version", tell(func() any { return map[string]string{"version": ollamaVersion} }))
	mux.HandleFunc("GET /api/tags", tell(func() any { return s.ollamaModel().Tags() }))
	mux.HandleFunc("GET /api/ps", tell(func() any { return s.ollamaModel().Running() }))
	mux.HandleFunc("POST /api/show", s.ollamaShow)
	mux.HandleFunc("POST /api/chat", s.ollamaChat)
	mux.HandleFunc("POST /api/generate", s.ollamaGenerate)
	mux.HandleFunc("POST /api/embed", s.ollamaEmbed)
	mux.HandleFunc("POST /api/embeddings", s.ollamaEmbed)
}

func (s *Server) ollamaModel() *ollama.Model {
	i := s.model.Info()
	m := &ollama.Model{
		Name: s.options.Name, Architecture: i.Architecture, Context: i.Context, Width: i.HiddenSize, Params: i.Params, Bytes: i.WeightBytes, Since: s.started,
		Calls: s.format != nil,
	}
	if s.model.CanChat() {
		if t, err := s.model.Text().Templates.Get("default"); err == nil {
			m.Template = t.Source()
			m.Thinks = strings.Contains(m.Template, "<think>") && !s.options.RawThoughts
		}
	}
	return m
}

func (s *Server) ollamaShow(w http.ResponseWriter, r *http.Request) {
	body, err := s.body(w, r)
	if err == nil {
		var q struct {
			Model string `json:"model"`
			Name  string `json:"name"`
		}
		err = turn.Decode(body, &q)
	}
	if err != nil {
		s.fail(w, r, err, ollama.Error)
		return
	}
	write(w, http.StatusOK, s.ollamaModel().Show())
}

func (s *Server) ollamaChat(w http.ResponseWriter, r *http.Request) {
	body, err := s.body(w, r)
	var request *turn.Request
	if err == nil {
		_, request, err = ollama.ReadChat(body)
	}
	s.ollamaAnswer(w, r, request, err, false)
}

func (s *Server) ollamaGenerate(w http.ResponseWriter, r *http.Request) {
	body, err := s.body(w, r)
	var request *turn.Request
	if err == nil {
		_, request, err = ollama.ReadGenerate(body, s.model.CanChat())
	}
	s.ollamaAnswer(w, r, request, err, true)
}

// ollamaAnswer answers a request, if it is one.
func (s *Server) ollamaAnswer(w http.ResponseWriter, r *http.Request, request *turn.Request, err error, generate bool) {
	stream := &ollama.Stream{Model: s.options.Name, Created: time.Now(), Generate: generate}
	switch {
	case err != nil:
		s.fail(w, r, err, ollama.Error)
	case request == nil:
		write(w, http.StatusOK, stream.Loaded())
	default:
		s.respond(w, r, request, protocol{stream: stream, final: stream.Whole, fail: ollama.Error, lines: true})
	}
}

func (s *Server) ollamaEmbed(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	body, err := s.body(w, r)
	var q *ollama.EmbedRequest
	vectors, count := [][]float32{}, 0
	if err == nil {
		if q, err = ollama.ReadEmbed(body, s.model.Info().HiddenSize); err == nil && len(q.Texts) > 0 {
			vectors, count, err = s.embed(r, q.Texts, "mean", q.Prompt == nil, "input")
		}
	}
	switch {
	case err != nil:
		s.fail(w, r, err, ollama.Error)
	case q.Prompt != nil:
		write(w, http.StatusOK, map[string]any{"embedding": vectors[0]})
	default:
		write(w, http.StatusOK, map[string]any{
			"model": s.options.Name, "embeddings": vectors, "total_duration": int64(time.Since(start)), "load_duration": 1, "prompt_eval_count": count,
		})
	}
}
