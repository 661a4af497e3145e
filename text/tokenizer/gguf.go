package tokenizer

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// GGUF is the tokenizer part of a GGUF file's metadata: the keys tokenizer.ggml.*.
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
type GGUF struct {
	Model string // "llama" or "gpt2"
	Pre   string // kind of pre-tokenizer, for gpt2

	Tokens     []string
	Scores     []float32 // for llama
	TokenTypes []int32   // nil: all are normal
	Merges     []string  // for gpt2: "left right"

	// Ids of the special tokens; -1 when the file does not say. Llama has the defaults 1, 2, 0, none.
	BOS, EOS, UNK, PAD int

	AddBOS, AddEOS         *bool // nil: the default of Model and Pre
	AddSpacePrefix         *bool // for llama; nil: yes
	RemoveExtraWhitespaces *bool // for llama; nil: no

	Charsmap []byte // for llama: SentencePiece's normalization map; nil: none
}

// FromGGUF makes a tokenizer of a GGUF file's vocabulary. Control tokens become special added tokens,
// user-defined ones added tokens that are not special.
func FromGGUF(g GGUF) (*Tokenizer, error) {
	t, err := fromGGUF(g)
	if err != nil {
		return nil, fmt.Errorf("gguf: tokenizer.ggml.%w", err)
	}
	return t, nil
}

func fromGGUF(g GGUF) (*Tokenizer, error) {
	n := len(g.Tokens)
	if n == 0 || n > maxID {
		return nil, fmt.Errorf("tokens: %d tokens, want 1 to %d", n, maxID)
	}
	if g.TokenTypes != nil && len(g.TokenTypes) != n {
		return nil, fmt.Errorf("token_type: %d types for %d tokens", len(g.TokenTypes), n)
	}
	switch g.Model {
	case "llama":
		return g.llama()
	case "gpt2":
		return g.gpt2()
	}
	return nil, fmt.Errorf("model: %.100q is not supported (supported: llama, gpt2)", g.Model)
}

// kind returns the type of a token. Rows that only fill up the vocabulary are unused, whatever type they have: converters
// give them names like [PAD310] or none.
func (g *GGUF) kind(id int) pieceType {
	kind := pieceNormal
	if g.TokenTypes != nil {
		kind = pieceType(g.TokenTypes[id])
	}
	named := slices.Contains([]int{g.BOS, g.EOS, g.UNK, g.PAD}, id)
	if g.Tokens[id] == fillerName(id) || g.Tokens[id] == "" && !named && kind != pieceUnknown {
		return pieceUnused
	}
	return kind
}

// text returns the token's text; empty ones get a name of their own, since they may be many.
func (g *GGUF) text(id int) string {
	if g.Tokens[id] == "" {
		return fmt.Sprintf("[EMPTY_%d]", id)
	}
	return g.Tokens[id]
}

// config names the special tokens; defaults are their ids where the file does not say. An id outside the vocabulary is
// passed over with a warning, for the default as in llama.cpp, unless there is none and its token is to be put around a text.
func (g *GGUF) config(addBOS bool, bos, eos, unk int) (cfg Config, warnings []string, err error) {
	cfg = Config{Special: map[string]string{}, AddBOS: g.AddBOS, AddEOS: g.AddEOS}
	if cfg.AddBOS == nil {
		cfg.AddBOS = &addBOS
	}
	for _, s := range []struct {
		key, name    string
		id, fallback int
		added        *bool
	}{
		{"bos_token_id", "bos_token", g.BOS, bos, cfg.AddBOS},
		{"eos_token_id", "eos_token", g.EOS, eos, cfg.AddEOS},
		{"unknown_token_id", "unk_token", g.UNK, unk, nil},
		{"padding_token_id", "pad_token", g.PAD, -1, nil},
	} {
		id := s.id
		if id < 0 || id == math.MaxUint32 { // how some writers say that there is none
			if id = s.fallback; id >= len(g.Tokens) {
				id = -1
			}
		}
		if id >= len(g.Tokens) {
			left := id
			if id = s.fallback; id >= len(g.Tokens) {
				id = -1
			}
			if id < 0 && s.added != nil && *s.added {
				return cfg, nil, fmt.Errorf("%s: %d, but there are only %d tokens, and the file asks for it around every text", s.key, left, len(g.Tokens))
			}
			warning := fmt.Sprintf("tokenizer.ggml.%s: %d is passed over, there are only %d tokens", s.key, left, len(g.Tokens))
			if id >= 0 {
				warning += fmt.Sprintf(": the default %d is taken", id)
			}
			warnings = append(warnings, warning)
		}
		if id >= 0 {
			cfg.Special[s.name] = g.text(id)
		}
	}
	return cfg, warnings, nil
}

// llama is SentencePiece BPE.
func (g *GGUF) llama() (*Tokenizer, error) {
	if len(g.Scores) != len(g.Tokens) {
		return nil, fmt.Errorf("scores: %d scores for %d tokens", len(g.Scores), len(g.Tokens))
	}
	v := spmVocab{
		pieces: make([]spmPiece, len(g.Tokens)), escape: true, legacy: true,
		dummyPrefix: isTrue(g.AddSpacePrefix), removeExtra: g.RemoveExtraWhitespaces != nil && *g.RemoveExtraWhitespaces,
	}
	if len(g.Charsmap) > 0 {
		c, err := newCharsmap(g.Charsmap)
		if err != nil {
			return nil, fmt.Errorf("precompiled_charsmap: %w", err)
		}
		v.chars = c
	}
	for i := range g.Tokens {
		v.pieces[i] = spmPiece{g.text(i), g.Scores[i], g.kind(i)}
		if g.kind(i) == 0 { // undefined
			v.pieces[i].kind = pieceNormal
		}
	}
	cfg, warnings, err := g.config(true, 1, 2, 0)
	if err != nil {
		return nil, err
	}
	t, err := v.tokenizer(cfg)
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	t.warnings = append(t.warnings, warnings...)
	return t, nil
}

// gpt2 is byte-level BPE. Of the tokens of the type unused those that merges make, single bytes and, where whole words are looked up
// first, all come out nevertheless, as in llama.cpp.
func (g *GGUF) gpt2() (*Tokenizer, error) {
	pre, err := g.preTokenizer()
	if err != nil {
		return nil, err
	}
	if g.Merges == nil {
		return nil, errors.New("merges: missing")
	}
	a := assembly{vocab: make(map[string]int32, len(g.Tokens)), rows: len(g.Tokens), filler: map[int32]bool{}}
	for i := range g.Tokens {
		text := g.text(i)
		if prev, ok := a.vocab[text]; ok {
			return nil, fmt.Errorf("tokens: %d and %d are both %.100q", prev, i, text)
		}
		a.vocab[text] = int32(i)
		switch kind := g.kind(i); kind {
		case pieceControl, pieceUnknown, pieceUserDefined:
			a.added = append(a.added, AddedToken{ID: int32(i), Content: text, Special: kind != pieceUserDefined})
		case pieceUnused:
			a.filler[int32(i)] = utf8.RuneCountInString(text) > 1 && !pre.ignoreMerges
		case 0, pieceNormal, pieceByte:
		default:
			return nil, fmt.Errorf("token_type: token %d has type %d, want 0 to 6", i, kind)
		}
	}
	merges := make([][2]string, len(g.Merges))
	for i, line := range g.Merges {
		// The left token is never empty, so a space at the start belongs to it.
		cut := -1
		if line != "" {
			cut = strings.IndexByte(line[1:], ' ') + 1
		}
		if cut < 1 {
			return nil, fmt.Errorf("merges[%d]: %.100q, want two tokens with a space between", i, line)
		}
		merges[i] = [2]string{line[:cut], line[cut+1:]}
		delete(a.filler, a.vocab[line[:cut]+line[cut+1:]])
	}
	m, err := newBPE(a.vocab, merges, "", "merges")
	if err != nil {
		return nil, err
	}
	m.ignoreMerges, m.byteLevel = pre.ignoreMerges, true
	a.t = &Tokenizer{model: m, decoders: []decoder{byteLevelDecoder{}}}
	for _, expr := range pre.patterns {
		pt, err := newPattern("pre", expr)
		if err != nil {
			return nil, err
		}
		a.t.preTokenizers = append(a.t.preTokenizers, splitter{pattern: pt, behavior: isolated})
	}
	cfg, warnings, err := g.config(pre.addBOS, -1, -1, -1)
	if err != nil {
		return nil, err
	}
	t, err := a.finish(cfg, false)
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	t.warnings = append(t.warnings, warnings...)
	return t, nil
}

func (g *GGUF) preTokenizer() (ggufPre, error) {
	name := g.Pre
	if name == "" {
		name = "default"
	}
	for _, pre := range ggufPres {
		if slices.Contains(strings.Fields(pre.names), name) {
			return pre, nil
		}
	}
	if what, ok := ggufOther[name]; ok {
		return ggufPre{}, fmt.Errorf("pre: %q is not supported: %s", name, what)
	}
	return ggufPre{}, fmt.Errorf("pre: %.100q is not supported: no kind of pre-tokenizer of that name is known", name)
}
