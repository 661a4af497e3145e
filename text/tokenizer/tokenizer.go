package tokenizer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Tokenizer maps text to token ids and back. It is immutable after loading and safe for concurrent use.
type Tokenizer struct {
	model         model
	normalizers   []normalizer
	preTokenizers []preTokenizer
	decoders      []decoder

	tokens   []token          // by id
	added    map[string]int32 // content of the added tokens → id
	raw      *matcher         // added tokens found in the text as it is
	prepared *matcher         // added tokens found in the normalized text

	single, pair []templatePart
	special      map[string]string // "bos_token" → its content
	bos, eos     int32             // -1 when there is none, like pad and unk
	pad, unk     int32
	bosIsAdded   bool
	warnings     []string
}

// A token is what the tokenizer knows of one id. Ids without a token have known = false.
type token struct {
	text           string
	known, special bool
	filler         bool // it stands for no token
}

// A model splits one piece of prepared text into tokens.
type model interface {
	// encode appends the ids of s to dst.
	encode(dst []int32, s string, b *budget) []int32
	// apart reports that a piece, cut between two such characters, has the same tokens.
	apart(left, right rune) bool
	// id finds a token of the model by its spelling in the vocabulary.
	id(token string) (int32, bool)
}

// A piece is a part of the text on its way to the model.
type piece struct {
	s     string
	first bool // it begins where the text begins
}

// Decode returns the text of ids; skipSpecial leaves special tokens out. Ids the vocabulary does not have
// contribute nothing. The text is valid UTF-8.
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) string {
	s := t.stream(skipSpecial, true)
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(s.Push(id))
	}
	b.WriteString(s.Flush())
	return b.String()
}

// Token returns the spelling of id in the vocabulary, such as "▁the" or "<0x0A>"; ok is false for an id
// without a token.
func (t *Tokenizer) Token(id int32) (text string, ok bool) {
	if t.Padded(id) {
		return "", false
	}
	return t.tokens[id].text, true
}

// Warnings returns what a user should know of the files: what they ask for and is passed over, in words for a person.
func (t *Tokenizer) Warnings() []string { return slices.Clone(t.warnings) }

// ID returns the id of the token spelt so in the vocabulary.
func (t *Tokenizer) ID(token string) (id int32, ok bool) {
	if id, ok := t.added[token]; ok {
		return id, true
	}
	return t.model.id(token)
}

func (t *Tokenizer) warn(format string, args ...any) {
	t.warnings = append(t.warnings, fmt.Sprintf(format, args...))
}

// VocabSize returns the highest id plus one, padded rows of a GGUF file included.
func (t *Tokenizer) VocabSize() int { return len(t.tokens) }

// IsSpecial tells whether id is a special token, one that Decode can skip.
func (t *Tokenizer) IsSpecial(id int32) bool {
	return id >= 0 && int(id) < len(t.tokens) && t.tokens[id].special
}

// TokenBytes returns the bytes id contributes to a decoded text, which need not be valid UTF-8 on their
// own. What a decoder does at the edges of a whole text, such as dropping its first space, is not applied.
// An id without a token has none.
func (t *Tokenizer) TokenBytes(id int32) []byte {
	s, ok := t.Token(id)
	if !ok {
		return nil
	}
	fused := false
	for _, d := range t.decoders {
		s = d.bytes(s, fused)
		fused = fused || d.fuses()
	}
	return []byte(s)
}

// BOS returns the beginning-of-sequence token; ok is false when the files name none or name one that is
// not in the vocabulary. The same holds for EOS, PAD and UNK.
func (t *Tokenizer) BOS() (id int32, ok bool) { return t.bos, t.bos >= 0 }

// EOS returns the end-of-sequence token.
func (t *Tokenizer) EOS() (id int32, ok bool) { return t.eos, t.eos >= 0 }

// PAD returns the padding token.
func (t *Tokenizer) PAD() (id int32, ok bool) { return t.pad, t.pad >= 0 }

// UNK returns the token for what the vocabulary cannot express.
func (t *Tokenizer) UNK() (id int32, ok bool) { return t.unk, t.unk >= 0 }

// AddsBOS tells whether Encode with special set puts the beginning-of-sequence token in front of the
// text. A prompt that begins with that token already should then be encoded without.
func (t *Tokenizer) AddsBOS() bool { return t.bosIsAdded }

// SpecialTokens returns the content of the named special tokens by the names chat templates use:
// bos_token, eos_token, unk_token, pad_token and so on. The map is the caller's.
func (t *Tokenizer) SpecialTokens() map[string]string { return maps.Clone(t.special) }
