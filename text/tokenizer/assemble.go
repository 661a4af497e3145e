package tokenizer

import (
	"fmt"
	"maps"
	"slices"
)

// maxID bounds ids before they are compared with the size of the vocabulary.
const maxID = 1 << 28

// Bounds on what a file may ask for.
const (
	maxAddedToken = 1024          // bytes of an added token: finding them costs up to this per byte of text
	maxGrowth     = lengthPerByte // how many times longer decoders may make a text
)

// assembly collects the parts of a tokenizer while a file is read.
type assembly struct {
	t     *Tokenizer
	vocab map[string]int32 // of the model
	added []AddedToken     // of two with the same content the later counts
	rows  int              // of the vocabulary, if the file says
	// filler are rows of the vocabulary, besides those called [PAD0] and so on, that only fill it up.
	filler map[int32]bool
}

// finish checks the parts against each other and fills in what follows from them. A template of the file
// is kept; without one the configuration's AddBOS and AddEOS decide.
func (a *assembly) finish(cfg Config, hasTemplate bool) (*Tokenizer, error) {
	t := a.t
	t.special = map[string]string{}
	maps.Copy(t.special, cfg.Special)
	a.added = append(a.added, cfg.Added...)
	a.nameSpecial(cfg.Extra)
	if err := a.number(); err != nil {
		return nil, err
	}
	if err := a.match(); err != nil {
		return nil, err
	}
	t.warnExtra(cfg.Extra)
	t.bos, t.eos = t.named("bos_token"), t.named("eos_token")
	t.pad, t.unk = t.named("pad_token"), t.named("unk_token")
	if !hasTemplate {
		bos, eos := int32(-1), int32(-1)
		if cfg.AddBOS != nil && *cfg.AddBOS {
			bos = t.bos
		}
		if cfg.AddEOS != nil && *cfg.AddEOS {
			eos = t.eos
		}
		t.single, t.pair = frame(bos, eos)
	}
	if err := t.checkTemplates(); err != nil {
		return nil, err
	}
	return t, a.checkDecoders()
}

// warnExtra names special tokens that have no id. The reference gives them new ones at the end of the vocabulary, for which a
// model has no embeddings unless it was resized.
func (t *Tokenizer) warnExtra(contents []string) {
	var lacking []string
	for _, content := range contents {
		if _, ok := t.ID(content); !ok && !slices.Contains(lacking, content) {
			lacking = append(lacking, content)
		}
	}
	if n := len(lacking); n > 0 {
		shown := ""
		for i, content := range lacking[:min(n, 5)] {
			if i > 0 {
				shown += ", "
			}
			shown += fmt.Sprintf("%.40q", content)
		}
		if n > 5 {
			shown += fmt.Sprintf(" and %d more", n-5)
		}
		t.warn("tokenizer_config.json: special tokens that the vocabulary does not have are read as text, where the reference gives them new ids: %s", shown)
	}
}

// checkDecoders fits the decoders together and sees to it that decoding, which knows no errors, is bounded.
func (a *assembly) checkDecoders() error {
	for i, d := range a.t.decoders {
		if _, ok := d.(byteFallbackDecoder); ok && i+1 < len(a.t.decoders) {
			_, fuse := a.t.decoders[i+1].(fuseDecoder)
			a.t.decoders[i] = byteFallbackDecoder{whole: !fuse}
		}
	}
	growth, slow := 1.0, false
	for _, d := range a.t.decoders {
		if r, ok := d.(replaceDecoder); ok {
			growth *= replaceGrowth(r.pattern, r.content)
			_, isRegex := r.pattern.(regex)
			slow = slow || isRegex
		}
	}
	if growth > maxGrowth {
		return fmt.Errorf("decoder: can make a token %.3g times longer, at most %d are supported", growth, maxGrowth)
	}
	if !slow {
		return nil
	}
	b := a.budget()
	for _, k := range a.t.tokens {
		for _, d := range a.t.decoders {
			if r, ok := d.(replaceDecoder); ok {
				k.text = replaceAll(k.text, r.pattern, r.content, b)
			}
		}
		if b.failed() {
			return fmt.Errorf("decoder: %w", b.err)
		}
	}
	return nil
}

// budget bounds what reading the file may cost.
func (a *assembly) budget() *budget {
	size := 0
	for text := range a.vocab {
		size += len(text)
	}
	for _, at := range a.added {
		size += len(at.Content)
	}
	return newBudget(size)
}

// nameSpecial makes added tokens of the special tokens that are only in the model's vocabulary: those with a name, and extra.
func (a *assembly) nameSpecial(extra []string) {
	var contents []string
	for _, name := range slices.Sorted(maps.Keys(a.t.special)) {
		contents = append(contents, a.t.special[name])
	}
	for _, content := range append(contents, extra...) {
		isAdded := slices.ContainsFunc(a.added, func(t AddedToken) bool { return t.Content == content })
		if id, ok := a.t.model.id(content); ok && !isAdded {
			a.added = append(a.added, AddedToken{ID: id, Content: content, Special: true})
		}
	}
}

// number fills t.tokens and t.added and checks that ids and contents are one to one.
func (a *assembly) number() error {
	t := a.t
	// Ids are bounded by the number of tokens before anything is sized by them: real vocabularies have
	// small gaps if any.
	limit := 4*(len(a.vocab)+len(a.added)) + 1<<16
	high := a.rows - 1
	check := func(text string, id int32) error {
		if id < 0 || int(id) >= limit {
			return fmt.Errorf("token %.100q: id %d is out of range: with %d tokens ids below %d are accepted",
				text, id, len(a.vocab)+len(a.added), limit)
		}
		high = max(high, int(id))
		return nil
	}
	for text, id := range a.vocab {
		if err := check(text, id); err != nil {
			return err
		}
	}
	for _, at := range a.added {
		if err := check(at.Content, at.ID); err != nil {
			return fmt.Errorf("added_tokens: %w", err)
		}
	}
	t.tokens = make([]token, high+1)
	for text, id := range a.vocab {
		if k := &t.tokens[id]; k.known {
			return fmt.Errorf("tokens %.100q and %.100q both have id %d", min(k.text, text), max(k.text, text), id)
		}
		t.tokens[id] = token{text: text, known: true, filler: a.filler[id] || text == fillerName(int(id))}
	}
	t.added = make(map[string]int32, len(a.added))
	for _, at := range a.added {
		if id, ok := t.added[at.Content]; ok && id != at.ID {
			return fmt.Errorf("added_tokens: %.100q has ids %d and %d", at.Content, id, at.ID)
		}
		if id, ok := a.vocab[at.Content]; ok && id != at.ID {
			return fmt.Errorf("added_tokens: %.100q has id %d, but %d in the vocabulary", at.Content, at.ID, id)
		}
		if k := t.tokens[at.ID]; k.known && k.text != at.Content {
			return fmt.Errorf("added_tokens: %.100q has id %d, which is that of %.100q", at.Content, at.ID, k.text)
		}
		t.added[at.Content] = at.ID
		// One of the type unused that is added all the same is found in texts.
		t.tokens[at.ID] = token{text: at.Content, known: true, special: at.Special, filler: at.Content == fillerName(int(at.ID))}
	}
	return nil
}

// match builds the matchers of the added tokens.
func (a *assembly) match() error {
	t := a.t
	t.raw, t.prepared = new(matcher), new(matcher)
	b := a.budget()
	// Of two with the same content the later counts; where two are the same once normalized the first
	// does, and special ones come before others.
	last := map[string]AddedToken{}
	for _, at := range a.added {
		last[at.Content] = at
	}
	for _, special := range []bool{true, false} {
		for _, at := range a.added {
			at, ok := last[at.Content]
			if !ok || at.Special != special {
				continue
			}
			delete(last, at.Content)
			if len(at.Content) > maxAddedToken {
				return fmt.Errorf("added_tokens: id %d: token of %d bytes, at most %d are supported", at.ID, len(at.Content), maxAddedToken)
			}
			if t.find(at, b); b.failed() {
				return fmt.Errorf("added_tokens: id %d, normalized: %w", at.ID, b.err)
			}
		}
	}
	return nil
}

// find makes the tokenizer find an added token in texts.
func (t *Tokenizer) find(at AddedToken, b *budget) {
	e := matchEntry{id: at.ID, singleWord: at.SingleWord, lstrip: at.LStrip, rstrip: at.RStrip}
	if !at.Normalized {
		t.raw.add(at.Content, e)
		return
	}
	// What a normalizer makes of the token may be long; it takes memory for each byte.
	if content := t.normalize(at.Content, true, b); b.spend(wordWork * len(content)) {
		t.prepared.add(content, e)
	}
}

// named returns the id of a named special token, or -1.
func (t *Tokenizer) named(name string) int32 {
	if content, ok := t.special[name]; ok {
		if id, ok := t.ID(content); ok {
			return id
		}
	}
	return -1
}

// checkTemplates checks the ids of the templates and finds out whether one puts BOS in front. A file that
// names no BOS has it in the template's first token.
func (t *Tokenizer) checkTemplates() error {
	for _, p := range slices.Concat(t.single, t.pair) {
		for _, id := range p.ids {
			if _, ok := t.Token(id); !ok {
				return fmt.Errorf("post_processor: id %d is not in the vocabulary", id)
			}
		}
	}
	if len(t.single) == 0 || len(t.single[0].ids) == 0 {
		return nil
	}
	first := t.single[0].ids[0]
	if t.bos < 0 {
		t.bos = first
		if text := t.tokens[first].text; t.special["bos_token"] == "" {
			t.special["bos_token"] = text
		}
	}
	t.bosIsAdded = t.bos == first
	return nil
}
