package serve

import (
	"encoding/json"
	"net/http"

	"jamba/serve/openai"
	"jamba/serve/turn"
)

// tokenizeRequest is vLLM's, with a prompt or with messages as a chat has them.
type tokenizeRequest struct {
	Model            string          `json:"model"`
	Prompt           *string         `json:"prompt"`
	Content          *string         `json:"content"` // as llama.cpp names it
	AddSpecialTokens *bool           `json:"add_special_tokens"`
	ReturnTokenStrs  bool            `json:"return_token_strs"`
	Messages         json.RawMessage `json:"messages"`
}

func (s *Server) tokenize(w http.ResponseWriter, r *http.Request) {
	body, err := s.body(w, r)
	var t tokenizeRequest
	if err == nil {
		err = turn.Decode(body, &t)
	}
	if err == nil {
		err = s.with(r, t.Model, nil, func(m *served) error {
			ids, err := m.tokensOf(&t, body)
			if err != nil {
				return err
			}
			answer := map[string]any{"tokens": append([]int32{}, ids...), "count": len(ids), "max_model_len": m.Info().Context}
			if t.ReturnTokenStrs {
				texts := make([]string, len(ids))
				for i, id := range ids {
					texts[i] = m.token(id).Text
				}
				answer["token_strs"] = texts
			}
			write(w, http.StatusOK, answer)
			return nil
		})
	}
	if err != nil {
		s.fail(w, r, err, openai.Error)
	}
}

func (m *served) tokensOf(t *tokenizeRequest, body []byte) ([]int32, error) {
	if t.Prompt == nil {
		t.Prompt = t.Content
	}
	switch {
	case t.Messages != nil:
		_, request, err := openai.ReadChat(body)
		if err != nil {
			return nil, err
		}
		p, err := m.chatPrompt(request.Chat)
		if err != nil {
			return nil, promptError("messages", err)
		}
		return p.IDs, nil
	case t.Prompt == nil:
		return nil, turn.Invalid("prompt", "missing")
	case t.AddSpecialTokens == nil || *t.AddSpecialTokens:
		ids, err := m.Text().Encode(*t.Prompt)
		return ids, promptError("prompt", err)
	}
	ids, err := m.Text().Tokenizer.Encode(*t.Prompt, false)
	return ids, promptError("prompt", err)
}

func (s *Server) detokenize(w http.ResponseWriter, r *http.Request) {
	var d struct {
		Model  string   `json:"model"`
		Tokens *[]int32 `json:"tokens"`
	}
	body, err := s.body(w, r)
	if err == nil {
		if err = turn.Decode(body, &d); err == nil && d.Tokens == nil {
			err = turn.Invalid("tokens", "missing")
		}
	}
	if err == nil {
		err = s.with(r, d.Model, nil, func(m *served) error {
			text := m.Text().Tokenizer.Decode(*d.Tokens, false)
			write(w, http.StatusOK, map[string]string{"prompt": text, "content": text})
			return nil
		})
	}
	if err != nil {
		s.fail(w, r, err, openai.Error)
	}
}

// tokenizerInfo is what lm-evaluation-harness asks for. Of several models, ?model= names one.
func (s *Server) tokenizerInfo(w http.ResponseWriter, r *http.Request) {
	err := s.with(r, r.URL.Query().Get("model"), nil, func(m *served) error {
		info := map[string]any{}
		for name, token := range m.Text().Tokenizer.SpecialTokens() {
			info[name] = token
		}
		if t := m.options.About(m).Template; t != "" {
			info["chat_template"] = t
		}
		write(w, http.StatusOK, info)
		return nil
	})
	if err != nil {
		s.fail(w, r, err, openai.Error)
	}
}
