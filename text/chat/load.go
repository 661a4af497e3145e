package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"jamba/internal/bounded"
	"jamba/internal/printable"
	"jamba/jinja"
)

const (
	maxConfig    = 64 << 20 // of tokenizer_config.json, which may list many added tokens
	maxField     = 8 << 20  // of a field that is used
	maxFields    = 1000
	maxTemplates = 64 // of a model
)

// LoadDir loads the chat templates of a model folder: chat_template.jinja and additional_chat_templates/NAME.jinja, or, if
// there are none, chat_template of tokenizer_config.json, a string or an array of {name, template}. The special tokens
// come from tokenizer_config.json and special_tokens_map.json. It returns nil when the model has no template.
func LoadDir(dir string) (*Templates, error) {
	config, err := readObject(filepath.Join(dir, "tokenizer_config.json"), func(field string) bool {
		return field == "chat_template" || isTokenField(field)
	})
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

// readObject reads the fields of a JSON object that keep names; an absent file is an empty object. The others, among them
// thousands of added tokens, are passed over.
func readObject(path string, keep func(field string) bool) (*jinja.Dict, error) {
	b, err := readFile(path, maxConfig)
	if err != nil || b == nil {
		return jinja.NewDict(), err
	}
	d, err := fields(json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(b, []byte("\ufeff")))), keep)
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("json: %w", io.ErrUnexpectedEOF)
	}
	if err != nil {
		return nil, fmt.Errorf("chat: %s: %w", path, err)
	}
	return d, nil
}

func fields(in *json.Decoder, keep func(string) bool) (*jinja.Dict, error) {
	d := jinja.NewDict()
	t, err := in.Token()
	if err != nil {
		return nil, fmt.Errorf("json: %w", err)
	}
	if t != json.Delim('{') {
		return nil, fmt.Errorf("found %s, want an object", kindOfToken(t))
	}
	kept := 0
	for in.More() {
		var raw json.RawMessage
		t, err := in.Token()
		if err == nil {
			err = in.Decode(&raw)
		}
		if err != nil {
			return nil, fmt.Errorf("json: at byte %d: %w", in.InputOffset(), err)
		}
		name, _ := t.(string)
		if name == addedTokens {
			d.Set(name, true) // of which only the presence counts
		}
		if !keep(name) {
			continue
		}
		if kept++; kept > maxFields {
			return nil, fmt.Errorf("more than %d fields that name tokens", maxFields)
		}
		if len(raw) > maxField {
			return nil, fmt.Errorf("%s: larger than %d bytes", printable.Cut(name, 60), maxField)
		}
		v, err := jinja.DecodeJSON(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", printable.Cut(name, 60), err)
		}
		d.Set(name, v)
	}
	if _, err := in.Token(); err != nil {
		return nil, fmt.Errorf("json: at byte %d: %w", in.InputOffset(), err)
	}
	return d, nil
}

// kindOfToken is kindOf for what a JSON text begins with.
func kindOfToken(t json.Token) string {
	if t == json.Delim('[') {
		return "an array"
	}
	return kindOf(t)
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
		if v.Len() > maxTemplates {
			return nil, fmt.Errorf("chat_template: %d templates, at most %d are read", v.Len(), maxTemplates)
		}
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

const (
	tokenSuffix = "_token"
	extraTokens = "extra_special_tokens"
	addedTokens = "added_tokens_decoder"
)

func isTokenField(name string) bool {
	return name == extraTokens || strings.HasSuffix(name, tokenSuffix)
}

// specialTokens returns the variables that hold special tokens: all fields named ..._token whose value is a string or an
// object with content, and what extra_special_tokens names.
func specialTokens(dir string, config *jinja.Dict) (map[string]string, error) {
	tokens := map[string]string{}
	addTokens(tokens, config, tokenSuffix)
	// Newer files list the tokens in full; older ones keep them in a file of its own.
	if _, ok := config.Get(addedTokens); ok {
		return tokens, nil
	}
	legacy, err := readObject(filepath.Join(dir, "special_tokens_map.json"), isTokenField)
	if err != nil {
		return nil, err
	}
	addTokens(tokens, legacy, tokenSuffix)
	return tokens, nil
}

// addTokens takes the tokens of the fields whose name ends in suffix.
func addTokens(tokens map[string]string, d *jinja.Dict, suffix string) {
	for k, v := range d.All() {
		obj, isObject := v.(*jinja.Dict)
		if isObject && k == extraTokens && suffix != "" {
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
