package serve

import (
	"encoding/json"
	"net/http"

	"jamba/serve/openai"
	"jamba/serve/turn"
)

// tokenizeRequest is vLLM's, with a prompt or with messages as a chat has them.
type tokenizeRequest struct {
	Prompt           *string         `json:"prompt"`
	Content          *string         `json:"content"` // as llama.cpp names it
	AddSpecialTokens *bool           `json:"add_special_tokens"`
	ReturnTokenStrs  bool            `json:"return_token_strs"`
	Messages         json.RawMessage `json:"messages"`
}

func (s *Server) tokenize(w http.ResponseWriter, r *http.Request) {
	body, err := s.body(w, r)
	var ids []int32
	var t tokenizeRequest
	if err == nil {
		if err = turn.Decode(body, &t); err == nil {
			ids, err = s.tokensOf(&t, body)
		}
	}
	if err != nil {
		s.fail(w, r, err, openai.Error)
		return
	}
	if ids == nil {
		ids = []int32{}
	}
	answer := map[string]any{"tokens": ids, "count": len(ids), "max_model_len": s.model.Info().Context}
	if t.ReturnTokenStrs {
		texts := make([]string, len(ids))
		for i, id := range ids {
			texts[i] = s.token(id).Text
		}
		answer["token_strs"] = texts
	}
	write(w, http.StatusOK, answer)
}

func (s *Server) tokensOf(t *tokenizeRequest, body []byte) ([]int32, error) {
	if t.Prompt == nil {
		t.Prompt = t.Content
	}
	switch {
	case t.Messages != nil:
		_, request, err := openai.ReadChat(body)
		if err != nil {
			return nil, err
		}
		p, err := s.chatPrompt(request.Chat)
		if err != nil {
			return nil, promptError("messages", err)
		}
		return p.IDs, nil
	case t.Prompt == nil:
		return nil, turn.Invalid("prompt", "missing")
	case t.AddSpecialTokens == nil || *t.AddSpecialTokens:
		ids, err := s.model.Text().Encode(*t.Prompt)
		return ids, promptError("prompt", err)
	}
	ids, err := s.model.Text().Tokenizer.Encode(*t.Prompt, false)
	return ids, promptError("prompt", err)
}

func (s *Server) detokenize(w http.ResponseWriter, r *http.Request) {
	var d struct {
		Tokens *[]int32 `json:"tokens"`
	}
	body, err := s.body(w, r)
	if err == nil {
		if err = turn.Decode(body, &d); err == nil && d.Tokens == nil {
			err = turn.Invalid("tokens", "missing")
		}
	}
	if err != nil {
		s.fail(w, r, err, openai.Error)
		return
	}
	text := s.model.Text().Tokenizer.Decode(*d.Tokens, false)
	write(w, http.StatusOK, map[string]string{"prompt": text, "content": text})
}

// tokenizerInfo is what lm-evaluation-harness asks for.
func (s *Server) tokenizerInfo(w http.ResponseWriter, _ *http.Request) {
	info := map[string]any{}
	for name, token := range s.model.Text().Tokenizer.SpecialTokens() {
		info[name] = token
	}
	if s.model.CanChat() {
		if t, err := s.model.Text().Templates.Get("default"); err == nil {
			info["chat_template"] = t.Source()
		}
	}
	write(w, http.StatusOK, info)
}
