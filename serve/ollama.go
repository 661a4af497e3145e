package serve

import (
	"cmp"
	"net/http"
	"time"

	"jamba"
	"jamba/serve/models"
	"jamba/serve/ollama"
	"jamba/serve/turn"
)

// ollamaVersion is the version of Ollama whose API this is: clients look whether it is new enough.
const ollamaVersion = "0.9.0"

func (s *Server) ollamaAPI(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, map[string]string{"version": ollamaVersion})
}

func (s *Server) ollamaTags(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, ollama.Tags(s.ollamaModels(false)))
}

func (s *Server) ollamaLoaded(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, ollama.Running(s.ollamaModels(true)))
}

// ollamaModels returns what there is, or what of it is loaded.
func (s *Server) ollamaModels(loaded bool) (all []*ollama.Model) {
	for _, l := range s.registry.List() {
		if l.Loaded || !loaded {
			all = append(all, ollamaModel(&l))
		}
	}
	return all
}

func ollamaModel(l *models.Listed) *ollama.Model {
	return &ollama.Model{
		Name: l.Name, Parent: l.Parent, Architecture: l.Architecture, Context: l.Context, Width: l.HiddenSize, Params: l.Params, Bytes: l.WeightBytes,
		Since: l.Created, Until: l.Until, Template: l.Template, Calls: l.Calls, Thinks: l.Thinks,
	}
}

func (s *Server) ollamaShow(w http.ResponseWriter, r *http.Request) {
	body, err := s.body(w, r)
	var q struct {
		Model string `json:"model"`
		Name  string `json:"name"`
	}
	var e *models.Entry
	if err == nil {
		if err = turn.Decode(body, &q); err == nil {
			e, err = s.registry.Find(cmp.Or(q.Model, q.Name))
			err = failure(err)
		}
	}
	if err != nil {
		s.fail(w, r, err, ollama.Error)
		return
	}
	l := s.registry.Tell(e)
	write(w, http.StatusOK, ollamaModel(&l).Show())
}

func (s *Server) ollamaChat(w http.ResponseWriter, r *http.Request) {
	body, err := s.body(w, r)
	var request *turn.Request
	if err == nil {
		request, err = ollama.ReadChat(body)
	}
	s.ollamaAnswer(w, r, request, err, false)
}

func (s *Server) ollamaGenerate(w http.ResponseWriter, r *http.Request) {
	body, err := s.body(w, r)
	var request *turn.Request
	if err == nil {
		request, err = ollama.ReadGenerate(body)
	}
	s.ollamaAnswer(w, r, request, err, true)
}

// ollamaAnswer answers a request, or tells of the error that it comes with.
func (s *Server) ollamaAnswer(w http.ResponseWriter, r *http.Request, request *turn.Request, err error, generate bool) {
	if err == nil && request.Chat == nil && request.Prompts == nil {
		err = s.ollamaLoad(w, r, request, generate)
	} else if err == nil {
		s.respond(w, r, request, ollama.Error, func(name string) protocol {
			stream := &ollama.Stream{Model: name, Created: time.Now(), Generate: generate}
			return protocol{stream: stream, final: stream.Whole, lines: true}
		})
	}
	if err != nil {
		s.fail(w, r, err, ollama.Error)
	}
}

// ollamaLoad loads the model of a request that asks for nothing else, or unloads it if it is not to be kept.
func (s *Server) ollamaLoad(w http.ResponseWriter, r *http.Request, request *turn.Request, generate bool) error {
	e, err := s.registry.Find(request.Model)
	if err != nil {
		return failure(err)
	}
	stream := &ollama.Stream{Model: e.Name, Created: time.Now(), Generate: generate}
	if request.Keep != nil && *request.Keep == 0 {
		s.registry.Dismiss(e)
		write(w, http.StatusOK, stream.Nothing("unload"))
		return nil
	}
	return s.with(r, request.Model, request.Keep, func(*served) error {
		write(w, http.StatusOK, stream.Nothing("load"))
		return nil
	})
}

func (s *Server) ollamaEmbed(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	body, err := s.body(w, r)
	var q *ollama.EmbedRequest
	if err == nil {
		q, err = ollama.ReadEmbed(body)
	}
	if err == nil {
		err = s.with(r, q.Model, q.Keep(), func(m *served) error {
			if err := q.Check(m.Info().HiddenSize); err != nil {
				return err
			}
			vectors, count := [][]float32{}, 0
			var err error
			if len(q.Texts) > 0 {
				vectors, count, err = m.embed(r, q.Texts, jamba.EmbedOptions{Normalize: q.Prompt == nil})
			}
			switch {
			case err != nil:
				return err
			case q.Prompt != nil:
				write(w, http.StatusOK, map[string]any{"embedding": vectors[0]})
			default:
				write(w, http.StatusOK, map[string]any{
					"model": m.name, "embeddings": vectors, "total_duration": int64(time.Since(start)), "load_duration": 1, "prompt_eval_count": count,
				})
			}
			return nil
		})
	}
	if err != nil {
		s.fail(w, r, err, ollama.Error)
	}
}
