package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// FromJSON reads a tokenizer.json of the Hugging Face tokenizers library with a BPE model. cfg is what
// stands beside it; a zero Config will do. The file's truncation and padding are left to the caller.
func FromJSON(data []byte, cfg Config) (*Tokenizer, error) {
	t, err := fromJSON(data, cfg)
	if err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	return t, nil
}

func fromJSON(data []byte, cfg Config) (*Tokenizer, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not valid UTF-8")
	}
	var file struct {
		AddedTokens   []addedTokenJSON `json:"added_tokens"`
		Normalizer    json.RawMessage  `json:"normalizer"`
		PreTokenizer  json.RawMessage  `json:"pre_tokenizer"`
		PostProcessor json.RawMessage  `json:"post_processor"`
		Decoder       json.RawMessage  `json:"decoder"`
		Model         json.RawMessage  `json:"model"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, err
	}
	m, err := readModel(file.Model)
	if err != nil {
		return nil, err
	}
	a := assembly{t: &Tokenizer{model: m}, vocab: m.vocab}
	if m.lacksUnk != "" {
		a.t.warn("tokenizer.json: model.unk_token: %.100q is not in the vocabulary; a text that needs it is an error", m.lacksUnk)
	}
	for i, aj := range file.AddedTokens {
		at, err := aj.token()
		if err != nil {
			return nil, fmt.Errorf("added_tokens[%d]: %w", i, err)
		}
		a.added = append(a.added, at)
	}
	p := parts{t: a.t}
	if err := p.normalizer(file.Normalizer, "normalizer", 0); err != nil {
		return nil, err
	}
	if err := p.preTokenizer(file.PreTokenizer, "pre_tokenizer", 0); err != nil {
		return nil, err
	}
	if err := p.decoder(file.Decoder, "decoder", 0); err != nil {
		return nil, err
	}
	if absent(file.Decoder) {
		a.t.decoders = []decoder{joinDecoder{}}
	}
	if err := p.postProcessor(file.PostProcessor, "post_processor", 0); err != nil {
		return nil, err
	}
	if !p.hasTemplate {
		// The reference has no ear for add_bos_token and add_eos_token beside a tokenizer.json.
		for _, s := range []struct {
			key   string
			added *bool
		}{{"add_bos_token", cfg.AddBOS}, {"add_eos_token", cfg.AddEOS}} {
			if s.added != nil && *s.added {
				a.t.warn("tokenizer_config.json: %s is passed over, since tokenizer.json, which decides, has no post-processor that adds it", s.key)
			}
		}
		a.t.single, a.t.pair = frame(-1, -1)
	}
	// The model can spell byte characters itself, and then only for words it has not seen.
	if n := len(a.t.preTokenizers); n > 0 {
		if bl, ok := a.t.preTokenizers[n-1].(byteLevelSplitter); ok {
			bl.raw = true
			a.t.preTokenizers[n-1] = bl
			m.byteLevel = true
		}
	}
	return a.finish(cfg, true)
}

type modelJSON struct {
	Type          string           `json:"type"`
	Dropout       *float64         `json:"dropout"`
	UnkToken      *string          `json:"unk_token"`
	Prefix        *string          `json:"continuing_subword_prefix"`
	Suffix        *string          `json:"end_of_word_suffix"`
	FuseUnk       bool             `json:"fuse_unk"`
	ByteFallback  bool             `json:"byte_fallback"`
	IgnoreMerges  bool             `json:"ignore_merges"`
	CacheCapacity json.RawMessage  `json:"cache_capacity"`
	Vocab         map[string]int32 `json:"vocab"`
	Merges        mergesJSON       `json:"merges"`
}

func readModel(raw json.RawMessage) (*bpe, error) {
	if absent(raw) {
		return nil, errors.New("model: missing")
	}
	var j modelJSON
	if err := strict(raw, "model", &j); err != nil {
		// A model of another type has other fields: its type is the better message.
		var kind struct {
			Type string `json:"type"`
		}
		if json.Unmarshal(raw, &kind) == nil && kind.Type != "BPE" && kind.Type != "" {
			return nil, unsupported("model", kind.Type, "BPE")
		}
		return nil, err
	}
	// Files of the first versions have no type.
	if j.Type != "BPE" && (j.Type != "" || j.Merges == nil) {
		return nil, unsupported("model", j.Type, "BPE")
	}
	if j.Dropout != nil && *j.Dropout != 0 {
		return nil, fmt.Errorf("model.dropout: %g: random merges are not supported, want null or 0", *j.Dropout)
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	m, err := newBPE(j.Vocab, j.Merges, text(j.Prefix), "model.merges")
	if err != nil {
		return nil, err
	}
	m.suffix = text(j.Suffix)
	if n := len(m.prefix) + len(m.suffix); n > maxAddedToken {
		return nil, fmt.Errorf("model: continuing_subword_prefix and end_of_word_suffix have %d bytes, at most %d are supported", n, maxAddedToken)
	}
	m.fuseUnk, m.byteFallback, m.ignoreMerges = j.FuseUnk, j.ByteFallback, j.IgnoreMerges
	if unk := text(j.UnkToken); unk != "" {
		if id, ok := j.Vocab[unk]; ok {
			m.unk = id
		} else {
			m.lacksUnk = unk
		}
	}
	return m, nil
}

// mergesJSON are pairs, written as such or as strings with one space.
type mergesJSON [][2]string

func (m *mergesJSON) UnmarshalJSON(data []byte) error {
	rest := bytes.TrimLeft(bytes.TrimPrefix(data, []byte("[")), " \t\r\n")
	if bytes.HasPrefix(rest, []byte(`"`)) {
		return m.lines(data)
	}
	var pairs [][]string
	if err := json.Unmarshal(data, &pairs); err != nil {
		return fmt.Errorf("merges: want an array of strings or of pairs of strings: %w", err)
	}
	*m = make(mergesJSON, len(pairs))
	for i, p := range pairs {
		if len(p) != 2 {
			return fmt.Errorf("merges[%d]: %d strings, want 2", i, len(p))
		}
		(*m)[i] = [2]string{p[0], p[1]}
	}
	return nil
}

// lines reads the older form.
func (m *mergesJSON) lines(data []byte) error {
	var lines []string
	if err := json.Unmarshal(data, &lines); err != nil {
		return fmt.Errorf("merges: %w", err)
	}
	*m = make(mergesJSON, 0, len(lines))
	for i, line := range lines {
		if strings.HasPrefix(line, "#version") {
			continue
		}
		a, b, ok := strings.Cut(line, " ")
		if !ok || strings.Contains(b, " ") {
			return fmt.Errorf("merges[%d]: %.100q, want two tokens with a space between", i, line)
		}
		*m = append(*m, [2]string{a, b})
	}
	return nil
}

func absent(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// strict decodes a component. A field that is not known could change what the component does.
func strict(raw json.RawMessage, path string, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

func unsupported(path, kind string, known ...string) error {
	return fmt.Errorf("%s: type %.100q is not supported (supported: %s)", path, kind, strings.Join(known, ", "))
}
