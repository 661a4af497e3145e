package serve

import (
	"crypto/rand"
	"net/http"

	"jamba/serve/anthropic"
	"jamba/serve/turn"
)

func (s *Server) messages(w http.ResponseWriter, r *http.Request) {
	body, err := s.body(w, r)
	if err != nil {
		s.fail(w, r, err, anthropic.Error)
		return
	}
	q, request, err := anthropic.Read(body, false)
	if err != nil {
		s.fail(w, r, err, anthropic.Error)
		return
	}
	s.respond(w, r, request, anthropic.Error, func(name string) protocol {
		stream := &anthropic.Stream{ID: rand.Text(), Model: name, Caches: q.Caches, Compare: request.Compare}
		return protocol{stream: stream, final: stream.Message, begin: func(j *job) {
			stream.Prompt, stream.Context = len(j.prompts[0].IDs), j.model.Info().Context
			s.prints.compare("msg_"+stream.ID, j)
		}}
	})
}

// countTokens tells how many tokens a message's prompt has.
func (s *Server) countTokens(w http.ResponseWriter, r *http.Request) {
	body, err := s.body(w, r)
	var request *turn.Request
	if err == nil {
		_, request, err = anthropic.Read(body, true)
	}
	if err == nil {
		err = s.with(r, request.Model, nil, func(m *served) error {
			j, err := m.prepare(r.Context(), request)
			if err == nil {
				write(w, http.StatusOK, map[string]int{"input_tokens": len(j.prompts[0].IDs)})
			}
			return err
		})
	}
	if err != nil {
		s.fail(w, r, err, anthropic.Error)
	}
}
