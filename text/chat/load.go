package chat

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"jamba/format/bounded"
	"jamba/text/chat/jinja"
)

const (
	maxConfig    = 64 << 20 // of tokenizer_config.json, which may list many added tokens
	maxTemplates = 64       // files in additional_chat_templates
)

// LoadDir loads the chat templates of a model folder: chat_template.jinja and additional_chat_templates/NAME.jinja, or, if
// there are none, chat_template of tokenizer_config.json, a string or an array of {name, template}. The special tokens
// come from tokenizer_config.json and special_tokens_map.json. It returns nil when the model has no template.
func LoadDir(dir string) (*Templates, error) {
	config, err := readObject(filepath.Join(dir, "tokenizer_config.json"))
	if err != nil {
		return nil, err
	}
	special, err := specialTokens(dir, config)
	if err != nil {
		return nil, err
	}
	sources, err := templateFiles(dir)
	if err == nil && len(sources) == 0 {
		sources, err = configTemplates(config)
		if err != nil {
			err = fmt.Errorf("%s: %w", filepath.Join(dir, "tokenizer_config.json"), err)
		}
	}
	if err != nil {
		return nil, err
	}
	return FromNamed(sources, special), nil
}

// readFile reads a file of at most limit bytes, nil when there is none.
func readFile(path string, limit int64) ([]byte, error) {
	b, err := bounded.ReadFile(path, limit)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("chat: %w", err)
	}
	return b, nil
}

// readObject reads a JSON file that holds an object; an absent file is an empty one.
func readObject(path string) (*jinja.Dict, error) {
	b, err := readFile(path, maxConfig)
	if err != nil || b == nil {
		return jinja.NewDict(), err
	}
	v, err := jinja.DecodeJSON(b)
	if err != nil {
		return nil, fmt.Errorf("chat: %s: %w", path, err)
	}
	d, ok := v.(*jinja.Dict)
	if !ok {
		return nil, fmt.Errorf("chat: %s: found %s, want an object", path, kindOf(v))
	}
	return d, nil
}

// templateFiles reads the .jinja files of a model folder, by name.
func templateFiles(dir string) (map[string]string, error) {
	sources := map[string]string{}
	read := func(name, path string) error {
		b, err := readFile(path, jinja.MaxSource)
		if b != nil {
			sources[name] = string(b)
		}
		return err
	}
	if err := read("default", filepath.Join(dir, "chat_template.jinja")); err != nil {
		return nil, err
	}
	extra := filepath.Join(dir, "additional_chat_templates")
	entries, err := os.ReadDir(extra)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("chat: %w", err)
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".jinja")
		if !ok || e.IsDir() {
			continue
		}
		if len(sources) > maxTemplates {
			return nil, fmt.Errorf("chat: %s: more than %d templates", extra, maxTemplates)
		}
		if err := read(name, filepath.Join(extra, e.Name())); err != nil {
			return nil, err
		}
	}
	return sources, nil
}

// configTemplates returns the templates that tokenizer_config.json holds.
func configTemplates(config *jinja.Dict) (map[string]string, error) {
	v, _ := config.Get("chat_template")
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return map[string]string{"default": v}, nil
	case *jinja.List:
		sources := map[string]string{}
		for i := range v.Len() {
			d, _ := v.At(i).(*jinja.Dict)
			if d == nil {
				return nil, fmt.Errorf("chat_template[%d]: found %s, want an object", i, kindOf(v.At(i)))
			}
			name, _ := d.Get("name")
			source, _ := d.Get("template")
			n, ok1 := name.(string)
			s, ok2 := source.(string)
			if !ok1 || !ok2 {
				return nil, fmt.Errorf("chat_template[%d]: name is %s and template %s, want strings", i, kindOf(name), kindOf(source))
			}
			sources[n] = s
		}
		return sources, nil
	}
	return nil, fmt.Errorf("chat_template: found %s, want a string or an array of {name, template}", kindOf(v))
}

// specialTokens returns the variables that hold special tokens: all fields named ..._token whose value is a string or an
// object with content, and what extra_special_tokens names.
func specialTokens(dir string, config *jinja.Dict) (map[string]string, error) {
	tokens := map[string]string{}
	addTokens(tokens, config, "_token")
	// Newer files list the tokens in full; older ones keep them in a file of its own.
	if _, ok := config.Get("added_tokens_decoder"); ok {
		return tokens, nil
	}
	legacy, err := readObject(filepath.Join(dir, "special_tokens_map.json"))
	if err != nil {
		return nil, err
	}
	addTokens(tokens, legacy, "_token")
	return tokens, nil
}

// addTokens takes the tokens of the fields whose name ends in suffix.
func addTokens(tokens map[string]string, d *jinja.Dict, suffix string) {
	for k, v := range d.All() {
		obj, isObject := v.(*jinja.Dict)
		if isObject && k == "extra_special_tokens" && suffix != "" {
			addTokens(tokens, obj, "")
			continue
		}
		if isObject {
			v, _ = obj.Get("content")
		}
		if s, ok := v.(string); ok && strings.HasSuffix(k, suffix) {
			tokens[k] = s
		}
	}
}
