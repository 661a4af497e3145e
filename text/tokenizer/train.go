package tokenizer

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Kind is a manner of splitting text that a tokenizer can be trained in.
type Kind string

// The kinds of tokenizers that Train makes.
const (
	// KindJamba is SentencePiece's manner with the settings of Jamba's own tokenizer: a space is written "▁", digits stay
	// single, characters that the vocabulary lacks become their bytes, and merges run over the text as a whole. A "▁" in
	// a text comes back as a space.
	KindJamba Kind = "jamba"
	// KindLlama3 works on bytes, behind the split pattern of Llama 3.
	KindLlama3 Kind = "llama3"
	// KindGPT2 works on bytes, behind the split pattern of GPT-2.
	KindGPT2 Kind = "gpt2"
)

// Names of the special tokens that Train gives the first ids to, those of Jamba.
const (
	padToken = "<|pad|>"
	bosToken = "<|startoftext|>"
	eosToken = "<|endoftext|>"
	unkToken = "<|unk|>"
)

// baseSpecial are the special tokens in the order of their ids, with the names that configurations know them by.
var baseSpecial = []struct{ name, content string }{
	{"pad_token", padToken}, {"bos_token", bosToken}, {"eos_token", eosToken}, {"unk_token", unkToken},
}

// ChatMarkers are the added tokens that the messages of Jamba 1.5 and later are written with.
var ChatMarkers = []string{"<|eom|>", "<|bom|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>"}

// TrainOptions say what tokenizer to make. The zero value of all but VocabSize is a default.
type TrainOptions struct {
	Kind         Kind // KindJamba
	VocabSize    int  // of all tokens together
	MinFrequency int  // pairs seen less often are not merged, nor are rarer characters tokens of their own; 2
	// LimitAlphabet bounds the characters that are tokens of their own, the frequent ones first; a quarter of VocabSize.
	// Printable ASCII always is. Kinds that work on bytes have the 256 bytes and no others.
	LimitAlphabet  int
	MaxTokenLength int                     // in characters, for kinds that work on bytes in bytes; 32
	Special        []string                // further special tokens, after <|pad|>, <|startoftext|>, <|endoftext|> and <|unk|>
	Markers        []string                // further added tokens, which decoding does not skip, such as ChatMarkers
	Progress       func(done, total int64) // told of tokens made; may be nil
}

const (
	maxVocab = 1 << 20
	maxAdded = 1 << 16
	// maxTrainWord bounds the bytes of a word while training; longer ones are cut.
	maxTrainWord = 1 << 12
)

// Train makes a BPE tokenizer from texts: beginning with characters or bytes, the most frequent pair of neighbouring
// tokens becomes a new one, over and over (Sennrich, Haddow, Birch: Neural Machine Translation of Rare Words with Subword
// Units, 2016). Among equally frequent pairs that of the lowest ids goes first, as in the Hugging Face tokenizers library,
// so the same texts give the same tokenizer, in whatever order they come. Pairs are counted again only where they change.
//
// Added tokens that are written in the texts are left out. If the texts do not yield enough pairs the vocabulary stays
// smaller than it was asked for. An error of texts ends the training.
func Train(texts iter.Seq2[string, error], o TrainOptions) (*Trained, error) {
	t, err := train(texts, o)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	return t, nil
}

func train(texts iter.Seq2[string, error], o TrainOptions) (*Trained, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	words, err := countWords(texts, o)
	if err != nil {
		return nil, err
	}
	t := &Trained{Kind: o.Kind, Special: len(baseSpecial) + len(o.Special), Markers: len(o.Markers)}
	for _, s := range baseSpecial {
		t.Tokens = append(t.Tokens, s.content)
	}
	t.Tokens = append(append(t.Tokens, o.Special...), o.Markers...)
	added := len(t.Tokens)
	if o.Kind == KindJamba {
		t.Tokens = append(t.Tokens, byteTokens[:]...)
	}
	t.Tokens = append(t.Tokens, o.alphabet(words)...)
	if len(t.Tokens) > o.VocabSize {
		return nil, fmt.Errorf("vocab_size is %d, but %d added tokens and %d bytes and characters come before the first merge",
			o.VocabSize, added, len(t.Tokens)-added)
	}
	m := newMerger(t.Tokens, o)
	for word, n := range words {
		m.addWord(word, n)
	}
	t.Merges = m.run()
	t.Tokens = m.tokens
	return t, nil
}

// complete fills in the defaults and checks the options.
func (o TrainOptions) complete() (TrainOptions, error) {
	o.Kind = cmp.Or(o.Kind, KindJamba)
	o.MinFrequency = cmp.Or(o.MinFrequency, 2)
	o.MaxTokenLength = cmp.Or(o.MaxTokenLength, 32)
	if o.LimitAlphabet == 0 {
		o.LimitAlphabet = o.VocabSize / 4
	}
	switch {
	case o.Kind != KindJamba && o.Kind != KindLlama3 && o.Kind != KindGPT2:
		return o, fmt.Errorf("kind %.100q is not known; %s, %s and %s are", o.Kind, KindJamba, KindLlama3, KindGPT2)
	case o.VocabSize < 1 || o.VocabSize > maxVocab:
		return o, fmt.Errorf("vocab_size is %d, want 1 to %d", o.VocabSize, maxVocab)
	case o.MinFrequency < 0:
		return o, fmt.Errorf("min_frequency is %d, want 1 or more", o.MinFrequency)
	case o.LimitAlphabet < 0:
		return o, fmt.Errorf("limit_alphabet is %d, want 1 or more", o.LimitAlphabet)
	case o.MaxTokenLength < 0:
		return o, fmt.Errorf("max_token_length is %d, want 1 or more", o.MaxTokenLength)
	case len(o.Special)+len(o.Markers) > maxAdded:
		return o, fmt.Errorf("%d added tokens, at most %d are supported", len(o.Special)+len(o.Markers), maxAdded)
	}
	seen := map[string]bool{}
	for _, s := range baseSpecial {
		seen[s.content] = true
	}
	for _, s := range slices.Concat(o.Special, o.Markers) {
		switch {
		case s == "" || len(s) > maxAddedToken || !utf8.ValidString(s):
			return o, fmt.Errorf("added token %.100q: want valid UTF-8 of 1 to %d bytes", s, maxAddedToken)
		case seen[s]:
			return o, fmt.Errorf("added token %.100q is there twice", s)
		}
		// A token of the model may not be spelt the same.
		if _, isByte := byteToken(s); isByte || utf8.RuneCountInString(s) == 1 {
			return o, fmt.Errorf("added token %.100q: single characters and bytes are tokens anyway", s)
		}
		seen[s] = true
	}
	return o, nil
}

// alphabet returns the tokens that merges begin with, ordered by code point.
func (o *TrainOptions) alphabet(words map[string]int64) []string {
	if o.Kind != KindJamba {
		chars := slices.Clone(byteChars[:])
		slices.Sort(chars) // UTF-8 sorts as code points do
		return chars
	}
	counts := map[rune]int64{}
	for word, n := range words {
		for at := 0; at < len(word); {
			r, size := utf8.DecodeRuneInString(word[at:])
			if r != utf8.RuneError || size > 1 {
				counts[r] += n
			}
			at += size
		}
	}
	keep := map[rune]bool{'\n': true, '\t': true, metaRune: true}
	for r := '!'; r <= '~'; r++ {
		keep[r] = true
	}
	delete(counts, ' ')
	byCount := slices.SortedFunc(maps.Keys(counts), func(a, b rune) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	for _, r := range byCount {
		if len(keep) >= o.LimitAlphabet || counts[r] < int64(o.MinFrequency) {
			break
		}
		keep[r] = true
	}
	var chars []string
	for _, r := range slices.Sorted(maps.Keys(keep)) {
		chars = append(chars, string(r))
	}
	return chars
}

// matcher finds the added tokens in a text.
func (o *TrainOptions) matcher() *matcher {
	m := new(matcher)
	for _, s := range baseSpecial {
		m.add(s.content, matchEntry{})
	}
	for _, s := range slices.Concat(o.Special, o.Markers) {
		m.add(s, matchEntry{})
	}
	return m
}

var metaRune, _ = utf8.DecodeRuneInString(metaChar)

// spell returns a word's first tokens, as the vocabulary spells them; "" for what it may lack.
func (o *TrainOptions) spell(word string, yield func(token string)) {
	if o.Kind != KindJamba {
		for i := range len(word) {
			yield(byteChars[word[i]])
		}
		return
	}
	for at := 0; at < len(word); {
		r, n := utf8.DecodeRuneInString(word[at:])
		switch {
		case r == ' ':
			yield(metaChar)
		case r == utf8.RuneError && n == 1:
			yield("")
		default:
			yield(strings.Clone(word[at : at+n]))
		}
		at += n
	}
}
