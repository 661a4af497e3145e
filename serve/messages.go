package serve

import (
	"crypto/rand"
	"net/http"

	"jamba/serve/anthropic"
)

func (s *Server) messages(w http.ResponseWriter, r *http.Request) {
	j, q, err := s.messageJob(w, r, false)
	if err != nil {
		s.fail(w, r, err, anthropic.Error)
		return
	}
	stream := &anthropic.Stream{ID: rand.Text(), Model: s.options.Name, Prompt: len(j.prompts[0].IDs), Context: s.model.Info().Context, Caches: q.Caches}
	s.answer(w, r, j, protocol{stream: stream, final: stream.Message, fail: anthropic.Error})
}

func (s *Server) messageJob(w http.ResponseWriter, r *http.Request, count bool) (*job, *anthropic.Request, error) {
	body, err := s.body(w, r)
	if err != nil {
		return nil, nil, err
	}
	q, request, err := anthropic.Read(body, count)
	if err != nil {
		return nil, nil, err
	}
	j, err := s.prepare(request)
	return j, q, err
}

// countTokens tells how many tokens a message's prompt has.
func (s *Server) countTokens(w http.ResponseWriter, r *http.Request) {
	j, _, err := s.messageJob(w, r, true)
	if err != nil {
		s.fail(w, r, err, anthropic.Error)
		return
	}
	write(w, http.StatusOK, map[string]int{"input_tokens": len(j.prompts[0].IDs)})
}
