package serve

import (
	"crypto/rand"
	"net/http"
	"time"

	"jamba"
	"jamba/serve/openai"
	"jamba/serve/turn"
)

// head is what all objects of an answer of OpenAI's API have in common.
func (s *Server) head() openai.Head {
	return openai.Head{ID: rand.Text(), Created: time.Now().Unix(), Model: s.options.Name}
}

func (s *Server) chat(w http.ResponseWriter, r *http.Request) {
	body, err := s.body(w, r)
	if err != nil {
		s.fail(w, r, err, openai.Error)
		return
	}
	c, request, err := openai.ReadChat(body)
	if err != nil {
		s.fail(w, r, err, openai.Error)
		return
	}
	head := s.head()
	s.respond(w, r, request, protocol{stream: &openai.ChatStream{Head: head, IncludeUsage: c.IncludeUsage()}, whole: head.Chat, fail: openai.Error})
}

func (s *Server) completions(w http.ResponseWriter, r *http.Request) {
	var j *job
	var c *openai.CompletionRequest
	body, err := s.body(w, r)
	if err == nil {
		var request *turn.Request
		if c, request, err = openai.ReadCompletion(body); err == nil {
			j, err = s.prepare(request)
		}
	}
	if err != nil {
		s.fail(w, r, err, openai.Error)
		return
	}
	var echo []string
	if c.Echo {
		for i, p := range j.request.Prompts {
			if p.IDs != nil {
				p.Text = s.model.Detokenize(j.prompts[i].IDs)
			}
			echo = append(echo, p.Text)
		}
	}
	head := s.head()
	s.answer(w, r, j, protocol{
		stream: &openai.CompletionStream{Head: head, IncludeUsage: c.IncludeUsage(), Echo: echo, N: j.request.N},
		whole:  func(a *turn.Answer) any { return head.Completion(a, echo, j.request.N) },
		fail:   openai.Error,
	})
}

func (s *Server) embeddings(w http.ResponseWriter, r *http.Request) {
	body, err := s.body(w, r)
	var vectors [][]float32
	var e *openai.EmbeddingRequest
	count := 0
	if err == nil {
		if e, err = openai.ReadEmbedding(body, s.model.Info().HiddenSize); err == nil {
			vectors, count, err = s.embed(r, e.Texts, e.Pooling, e.Normalize == nil || *e.Normalize, "input")
		}
	}
	if err != nil {
		s.fail(w, r, err, openai.Error)
		return
	}
	write(w, http.StatusOK, openai.Embeddings(e, s.options.Name, vectors, count))
}

// embed returns the vectors of texts, and how many tokens these have.
func (s *Server) embed(r *http.Request, texts []turn.Prompt, pooling string, normalize bool, param string) (vectors [][]float32, count int, err error) {
	request := &turn.Request{Prompts: texts, MaxTokens: new(0)}
	j, err := s.prepare(request)
	if err != nil {
		if e := turn.AsError(err); e.Param != "" {
			e.Param = param
		}
		return nil, 0, err
	}
	note(r, j)
	ids := make([][]int32, len(j.prompts))
	for i, p := range j.prompts {
		ids[i] = p.IDs
		count += len(p.IDs)
	}
	vectors, err = s.model.EmbedIDs(r.Context(), ids, jamba.EmbedOptions{Pooling: jamba.Pooling(pooling), Normalize: normalize})
	if err != nil {
		err = failure(err)
	}
	return vectors, count, err
}

func (s *Server) modelEntry() openai.Model {
	return openai.Model{
		ID: s.options.Name, Object: "model", Created: s.started.Unix(), OwnedBy: "jamba", MaxModelLen: s.model.Info().Context,
		Type: "model", DisplayName: s.options.Name, CreatedAt: s.started.UTC().Format(time.RFC3339),
	}
}

func (s *Server) models(w http.ResponseWriter, _ *http.Request) {
	e := s.modelEntry()
	write(w, http.StatusOK, map[string]any{"object": "list", "data": []openai.Model{e}, "has_more": false, "first_id": e.ID, "last_id": e.ID})
}

func (s *Server) oneModel(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("id") != s.options.Name {
		s.fail(w, r, &turn.Error{Status: http.StatusNotFound, Param: "model", Code: "model_not_found", Message: "there is no such model; GET /v1/models names the one that is served"}, openai.Error)
		return
	}
	write(w, http.StatusOK, s.modelEntry())
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, map[string]string{"status": "ok"})
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if s.draining.Load() {
		write(w, http.StatusServiceUnavailable, map[string]string{"status": "stopping"})
		return
	}
	write(w, http.StatusOK, map[string]string{"status": "ready", "model": s.options.Name})
}

// root is what Ollama's clients look for, and others by HEAD.
func (s *Server) root(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("Ollama is running"))
}

func (s *Server) unknown(w http.ResponseWriter, r *http.Request) {
	s.fail(w, r, &turn.Error{Status: http.StatusNotFound, Code: "not_found", Message: r.Method + " on this path is not known"}, shape(r))
}
