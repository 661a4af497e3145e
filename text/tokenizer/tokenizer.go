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
	// id finds a token of the model by its spelling in the vocabulary.
	id(token string) (int32, bool)
}

// A piece is a part of the text on its way to the model.
type piece struct {
	s     string
	first bool // it begins where the text begins
}

// Encode returns the ids of text. Added tokens written out in the text are always recognised; special
// asks for the ids which the file's template puts around a text, such as the beginning-of-sequence token.
//
// It is an error if the file's regular expressions or normalizers cost more than a bound in proportion to
// the text allows, if the text has a stretch of more than 8 MiB in which any two neighbours may merge, or if the
// file names an unknown token that it does not have and the text needs it. Memory beyond the ids is that of
// the normalized text, if it is another.
func (t *Tokenizer) Encode(text string, special bool) ([]int32, error) {
	b := newBudget(len(text))
	ids := t.encode(nil, text, b, nil)
	if special {
		ids = expand(t.single, ids, nil, b)
	}
	return done(ids, b)
}

// EncodePair returns the ids of two texts, first before second, joined by the file's template for pairs when
// special is set. Errors are those of Encode.
func (t *Tokenizer) EncodePair(first, second string, special bool) ([]int32, error) {
	b := newBudget(len(first) + len(second))
	idsA, idsB := t.encode(nil, first, b, nil), t.encode(nil, second, b, nil)
	if !special {
		return done(append(idsA, idsB...), b)
	}
	return done(expand(t.pair, idsA, idsB, b), b)
}

// done is the end of a call.
func done(ids []int32, b *budget) ([]int32, error) {
	if b.err != nil {
		return nil, fmt.Errorf("tokenizer: %w", b.err)
	}
	return ids, nil
}

// encode appends the ids of text. Where literal, unless it is nil, is true, text has no control tokens; see EncodeLiteral.
func (t *Tokenizer) encode(dst []int32, text string, b *budget, literal func(at int) bool) []int32 {
	var g *Guard
	if literal != nil {
		g = t.Guard()
	}
	t.raw.splitUnless(text, b, t.guarded(literal), func(id int32, lo, hi int) {
		if id >= 0 {
			dst = append(dst, id)
			return
		}
		s := t.normalize(text[lo:hi], b)
		var inside func(at int) bool
		if literal != nil {
			inside = t.literalInside(g, text[lo:hi], s, b, func(at int) bool { return literal(lo + at) })
		}
		t.prepared.splitUnless(s, b, t.guarded(inside), func(id int32, l, h int) {
			if id >= 0 {
				dst = append(dst, id)
				return
			}
			preTokenize(t.preTokenizers, piece{s[l:h], lo == 0 && l == 0}, b, func(p piece) {
				dst = t.model.encode(dst, p.s, b)
				b.fits(len(dst))
			})
		})
	})
	return dst
}

// normalize prepares a stretch of text.
func (t *Tokenizer) normalize(s string, b *budget) string {
	for _, n := range t.normalizers {
		if s = n.normalize(s, b); b.failed() || !b.fits(len(s)) {
			return ""
		}
	}
	return s
}

// preTokenize yields the pieces of p one after the other: there is no list of them, which would be larger than the text.
func preTokenize(pts []preTokenizer, p piece, b *budget, yield func(piece)) {
	for _, pt := range slices.Backward(pts) {
		next := yield
		yield = func(p piece) {
			if b.spend(splitWork+len(p.s)) && b.fits(len(p.s)) {
				pt.split(p, b, next)
			}
		}
	}
	yield(p)
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
