package serve

import (
	"crypto/rand"
	"net/http"
	"time"

	"jamba"
	"jamba/serve/models"
	"jamba/serve/openai"
	"jamba/serve/turn"
)

// head returns what all objects of an answer of OpenAI's API have in common.
func head(model string) openai.Head {
	return openai.Head{ID: rand.Text(), Created: time.Now().Unix(), Model: model}
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
	s.respond(w, r, request, openai.Error, func(name string) protocol {
		h := head(name)
		return protocol{stream: &openai.ChatStream{Head: h, IncludeUsage: c.IncludeUsage()}, whole: h.Chat}
	})
}

func (s *Server) completions(w http.ResponseWriter, r *http.Request) {
	body, err := s.body(w, r)
	if err != nil {
		s.fail(w, r, err, openai.Error)
		return
	}
	c, request, err := openai.ReadCompletion(body)
	if err != nil {
		s.fail(w, r, err, openai.Error)
		return
	}
	s.respond(w, r, request, openai.Error, func(name string) protocol {
		h := head(name)
		stream := &openai.CompletionStream{Head: h, IncludeUsage: c.IncludeUsage()}
		return protocol{
			stream: stream,
			whole:  func(a *turn.Answer) any { return h.Completion(a, stream.Echo, stream.N) },
			begin: func(j *job) {
				if stream.N = request.N; c.Echo {
					stream.Echo = j.texts()
				}
			},
		}
	})
}

func (s *Server) embeddings(w http.ResponseWriter, r *http.Request) {
	body, err := s.body(w, r)
	var e *openai.EmbeddingRequest
	if err == nil {
		e, err = openai.ReadEmbedding(body)
	}
	if err == nil {
		err = s.with(r, e.Model, nil, func(m *served) error {
			if err := e.Check(m.Info().HiddenSize); err != nil {
				return err
			}
			vectors, count, err := m.embed(r, e.Texts, jamba.EmbedOptions{Pooling: jamba.Pooling(e.Pooling), Normalize: e.Normalize == nil || *e.Normalize})
			if err == nil {
				write(w, http.StatusOK, openai.Embeddings(e, m.name, vectors, count))
			}
			return err
		})
	}
	if err != nil {
		s.fail(w, r, err, openai.Error)
	}
}

// embed returns the vectors of a request's input, and how many tokens that has.
func (m *served) embed(r *http.Request, input []turn.Prompt, o jamba.EmbedOptions) (vectors [][]float32, count int, err error) {
	j, err := m.prepare(r.Context(), &turn.Request{Prompts: input, MaxTokens: new(0)})
	if err != nil {
		if e := turn.AsError(err); e.Param != "" {
			e.Param = "input"
		}
		return nil, 0, err
	}
	note(r, j)
	if err := recordOf(r).account.prompt(recordOf(r).prompt); err != nil {
		return nil, 0, err
	}
	ids := make([][]int32, len(j.prompts))
	for i, p := range j.prompts {
		ids[i] = p.IDs
		count += len(p.IDs)
	}
	o.Adapter = m.adapter
	vectors, err = m.EmbedIDs(r.Context(), ids, o)
	if err != nil {
		err = failure(err)
	}
	return vectors, count, err
}

func modelEntry(l *models.Listed) openai.Model {
	return openai.Model{
		ID: l.Name, Object: "model", Created: l.Created.Unix(), OwnedBy: "jamba", Parent: l.Parent, MaxModelLen: l.Context,
		Type: "model", DisplayName: l.Name, CreatedAt: l.Created.UTC().Format(time.RFC3339),
	}
}

func (s *Server) models(w http.ResponseWriter, _ *http.Request) {
	var data []openai.Model
	for _, l := range s.registry.List() {
		data = append(data, modelEntry(&l))
	}
	write(w, http.StatusOK, map[string]any{"object": "list", "data": data, "has_more": false, "first_id": data[0].ID, "last_id": data[len(data)-1].ID})
}

func (s *Server) oneModel(w http.ResponseWriter, r *http.Request) {
	e, err := s.registry.Named(r.PathValue("id"))
	if err != nil {
		s.fail(w, r, failure(err), openai.Error)
		return
	}
	l := s.registry.Tell(e)
	write(w, http.StatusOK, modelEntry(&l))
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, map[string]string{"status": "ok"})
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	switch name, percent, loading := s.registry.Starting(); {
	case s.draining.Load():
		write(w, http.StatusServiceUnavailable, map[string]any{"status": "stopping"})
	case loading:
		write(w, http.StatusServiceUnavailable, map[string]any{"status": "loading", "model": name, "percent": percent})
	default:
		write(w, http.StatusOK, map[string]any{"status": "ready"})
	}
}

// root is what Ollama's clients look for, and others by HEAD.
func (s *Server) root(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("Ollama is running"))
}

func (s *Server) unknown(w http.ResponseWriter, r *http.Request) {
	s.fail(w, r, &turn.Error{Status: http.StatusNotFound, Code: "not_found", Message: r.Method + " on this path is not known"}, shape(r))
}
