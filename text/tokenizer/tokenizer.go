package tokenizer

import (
	"maps"
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
}

// A token is what the tokenizer knows of one id. Ids without a token have known = false.
type token struct {
	text           string
	known, special bool
}

// A model splits one piece of prepared text into tokens.
type model interface {
	// encode appends the ids of s to dst.
	encode(dst []int32, s string) []int32
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
// Encode never fails. A file's regular expression that exceeds its time limit leaves the rest of the text
// unsplit; the ids still decode to the text.
func (t *Tokenizer) Encode(text string, special bool) []int32 {
	ids := t.encode(nil, text)
	if !special {
		return ids
	}
	return expand(t.single, ids, nil)
}

// EncodePair returns the ids of two texts, a before b, joined by the file's template for pairs when
// special is set.
func (t *Tokenizer) EncodePair(a, b string, special bool) []int32 {
	idsA, idsB := t.encode(nil, a), t.encode(nil, b)
	if !special {
		return append(idsA, idsB...)
	}
	return expand(t.pair, idsA, idsB)
}

func (t *Tokenizer) encode(dst []int32, text string) []int32 {
	t.raw.split(text, func(id int32, lo, hi int) {
		if id >= 0 {
			dst = append(dst, id)
			return
		}
		s := text[lo:hi]
		for _, n := range t.normalizers {
			s = n.normalize(s)
		}
		t.prepared.split(s, func(id int32, l, h int) {
			if id >= 0 {
				dst = append(dst, id)
				return
			}
			dst = t.encodeSegment(dst, piece{s[l:h], lo == 0 && l == 0})
		})
	})
	return dst
}

// encodeSegment appends the ids of a stretch of normalized text without added tokens.
func (t *Tokenizer) encodeSegment(dst []int32, p piece) []int32 {
	pieces := []piece{p}
	for _, pt := range t.preTokenizers {
		next := make([]piece, 0, len(pieces))
		for _, p := range pieces {
			next = pt.split(next, p)
		}
		pieces = next
	}
	for _, p := range pieces {
		dst = t.model.encode(dst, p.s)
	}
	return dst
}

// Decode returns the text of ids; skipSpecial leaves special tokens out. Ids the vocabulary does not have
// contribute nothing. The text is valid UTF-8.
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) string {
	s := t.Stream(skipSpecial)
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
	if id < 0 || int(id) >= len(t.tokens) {
		return "", false
	}
	return t.tokens[id].text, t.tokens[id].known
}

// ID returns the id of the token spelt so in the vocabulary.
func (t *Tokenizer) ID(token string) (id int32, ok bool) {
	if id, ok := t.added[token]; ok {
		return id, true
	}
	return t.model.id(token)
}

// VocabSize returns the highest id plus one.
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
