package text

import (
	"fmt"

	"jamba/format/gguf"
	"jamba/text/chat"
	"jamba/text/tokenizer"
)

// Export returns the tokenizer and, with the chat templates, its metadata in a GGUF file, of a folder in Hugging Face
// layout, for an embedding of vocab rows, and what is lost on the way. It is an error if GGUF cannot hold the tokenizer or if it has
// more tokens than the embedding; one that wraps fs.ErrNotExist if there is no tokenizer.
func Export(dir string, vocab int) (t *tokenizer.Tokenizer, m gguf.Metadata, lost []string, err error) {
	t, err = tokenizer.Load(dir)
	if err != nil {
		return nil, nil, nil, err
	}
	g, lost, err := t.GGUF()
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", dir, err)
	}
	if n := len(g.Tokens); n > vocab {
		return nil, nil, nil, fmt.Errorf("%s: the tokenizer has %d tokens, the embedding %d rows", dir, n, vocab)
	}
	for id := len(g.Tokens); id < vocab; id++ {
		g.Tokens = append(g.Tokens, fmt.Sprintf("[PAD%d]", id))
		g.TokenTypes = append(g.TokenTypes, unusedToken)
		if g.Scores != nil {
			g.Scores = append(g.Scores, -1e9)
		}
	}
	templates, err := chat.LoadDir(dir)
	if err != nil {
		return nil, nil, nil, err
	}
	keys, bad := templateKeys(templates)
	return t, append(metadata(g), keys...), append(lost, bad...), nil
}

// unusedToken is the type of tokens that stand for rows of the embedding without any.
const unusedToken = 5

// metadata is the inverse of vocabulary.
func metadata(g tokenizer.GGUF) (m gguf.Metadata) {
	put := func(key string, v any) { m = append(m, gguf.KV{Key: "tokenizer.ggml." + key, Value: v}) }
	put("model", g.Model)
	if g.Pre != "" {
		put("pre", g.Pre)
	}
	put("tokens", g.Tokens)
	if g.Scores != nil {
		put("scores", g.Scores)
	}
	put("token_type", g.TokenTypes)
	if g.Merges != nil {
		put("merges", g.Merges)
	}
	if g.Charsmap != nil {
		put("precompiled_charsmap", g.Charsmap)
	}
	for _, id := range []struct {
		key string
		id  int
	}{{"bos_token_id", g.BOS}, {"eos_token_id", g.EOS}, {"unknown_token_id", g.UNK}, {"padding_token_id", g.PAD}} {
		if id.id >= 0 {
			put(id.key, uint32(id.id))
		}
	}
	for _, flag := range []struct {
		key string
		on  *bool
	}{
		{"add_bos_token", g.AddBOS},
		{"add_eos_token", g.AddEOS},
		{"add_space_prefix", g.AddSpacePrefix},
		{"remove_extra_whitespaces", g.RemoveExtraWhitespaces},
	} {
		if flag.on != nil {
			put(flag.key, *flag.on)
		}
	}
	return m
}

// templateKeys is the inverse of templates. Those that cannot be read are lost.
func templateKeys(ts *chat.Templates) (m gguf.Metadata, lost []string) {
	if ts == nil {
		return nil, nil
	}
	const key = "tokenizer.chat_template"
	var others []string
	for _, name := range ts.Names() {
		t, err := ts.Get(name)
		if err != nil {
			lost = append(lost, err.Error())
			continue
		}
		if name == "default" {
			m = append(m, gguf.KV{Key: key, Value: t.Source()})
			continue
		}
		others = append(others, name)
		m = append(m, gguf.KV{Key: key + "." + name, Value: t.Source()})
	}
	if others != nil {
		m = append(m, gguf.KV{Key: key + "s", Value: others})
	}
	return m, lost
}
