// Package text gives a model's tokenizer and chat template, wherever its files keep them.
package text

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"jamba/format/gguf"
	"jamba/text/chat"
	"jamba/text/tokenizer"
)

// Text is a model's way between messages, text and token ids. It is safe for concurrent use.
type Text struct {
	Tokenizer *tokenizer.Tokenizer
	Templates *chat.Templates // nil: the model has no chat template
}

// Open reads the tokenizer and the chat templates of the model at path: a folder in Hugging Face layout, of which only
// the tokenizer's files are needed, or a .gguf file.
func Open(path string) (*Text, error) {
	if gguf.Embedded(path) {
		return openGGUF(path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return openGGUF(path)
	}
	t := &Text{}
	if t.Tokenizer, err = tokenizer.Load(path); err != nil {
		return nil, err
	}
	t.Templates, err = chat.LoadDir(path)
	return t, err
}

func openGGUF(path string) (*Text, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // metadata outlives it
	t, err := FromGGUF(f.Metadata)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// FromGGUF reads the tokenizer and the chat templates in the metadata of a GGUF file.
func FromGGUF(m gguf.Metadata) (*Text, error) {
	t := &Text{}
	g, err := vocabulary(m)
	if errors.Is(err, gguf.ErrNotFound) {
		err = errors.New("the file holds no tokenizer (tokenizer.ggml.model and tokenizer.ggml.tokens)")
	}
	if err == nil {
		t.Tokenizer, err = tokenizer.FromGGUF(g)
	}
	if err != nil {
		return nil, err
	}
	t.Templates = chat.FromNamed(templates(m), t.Tokenizer.SpecialTokens())
	return t, nil
}

// templates returns the chat templates in a GGUF file's metadata by name; the one without a name is the default.
func templates(m gguf.Metadata) map[string]string {
	const key = "tokenizer.chat_template"
	sources := map[string]string{}
	for _, kv := range m {
		source, ok := kv.Value.(string)
		switch name, named := strings.CutPrefix(kv.Key, key+"."); {
		case !ok:
		case named:
			sources[name] = source
		case kv.Key == key:
			sources["default"] = source
		}
	}
	return sources
}

// vocabulary reads the tokenizer's part of a GGUF file's metadata.
func vocabulary(m gguf.Metadata) (tokenizer.GGUF, error) {
	var g tokenizer.GGUF
	const prefix = "tokenizer.ggml."
	err := errors.Join(
		read(m, prefix+"model", &g.Model), optional(m, prefix+"pre", &g.Pre), read(m, prefix+"tokens", &g.Tokens),
		optional(m, prefix+"scores", &g.Scores), optional(m, prefix+"merges", &g.Merges),
		id(m, prefix+"bos_token_id", &g.BOS), id(m, prefix+"eos_token_id", &g.EOS),
		id(m, prefix+"unknown_token_id", &g.UNK), id(m, prefix+"padding_token_id", &g.PAD),
		flag(m, prefix+"add_bos_token", &g.AddBOS), flag(m, prefix+"add_eos_token", &g.AddEOS),
		flag(m, prefix+"add_space_prefix", &g.AddSpacePrefix), flag(m, prefix+"remove_extra_whitespaces", &g.RemoveExtraWhitespaces),
	)
	if err != nil {
		return g, err
	}
	chars, err := gguf.GetOr[[]int](m, prefix+"precompiled_charsmap", nil)
	if err != nil {
		return g, err
	}
	for _, c := range chars { // an array of single bytes
		g.Charsmap = append(g.Charsmap, byte(c))
	}
	types, err := gguf.GetOr[[]int](m, prefix+"token_type", nil)
	for _, t := range types {
		g.TokenTypes = append(g.TokenTypes, int32(t))
	}
	return g, err
}

func read[T gguf.Value](m gguf.Metadata, key string, v *T) (err error) {
	*v, err = gguf.Get[T](m, key)
	return err
}

func optional[T gguf.Value](m gguf.Metadata, key string, v *T) (err error) {
	*v, err = gguf.GetOr(m, key, *v)
	return err
}

// id reads a token id, -1 if it is absent.
func id(m gguf.Metadata, key string, v *int) error {
	*v = -1
	return optional(m, key, v)
}

// flag reads a boolean, nil if it is absent.
func flag(m gguf.Metadata, key string, v **bool) error {
	b, err := gguf.Get[bool](m, key)
	switch {
	case errors.Is(err, gguf.ErrNotFound):
		return nil
	case err == nil:
		*v = &b
	}
	return err
}
