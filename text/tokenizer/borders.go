package tokenizer

import (
	"sync"
	"unicode/utf8"
)

// borders tells where a text can be cut so that its parts, merged on their own, give the tokens of the whole: between two
// characters that stand side by side in no token that is merged. It is made when a long text asks for it.
type borders struct {
	once   sync.Once
	joined map[uint64]bool // left<<32 | right: characters that a merge may bring together
	none   bool            // nothing is known
}

// A text is cut where it is longer than longWord, into parts of at least half of that: merging takes some 60 bytes of
// memory for a byte.
const longWord = 1 << 14

// maxWord bounds the bytes merged as one word, where no border is found.
const maxWord = 8 << 20

// join notes that two characters may come together.
func (b *borders) join(left, right rune) {
	if b.joined == nil {
		b.joined = map[uint64]bool{}
	}
	b.joined[pair(left, right)] = true
}

// within notes all neighbours in a token.
func (b *borders) within(token string) {
	if !utf8.ValidString(token) {
		b.none = true // it may begin or end within a character
		return
	}
	left := rune(-1)
	for _, r := range token {
		if left >= 0 {
			b.join(left, r)
		}
		left = r
	}
}

// between notes the neighbours where two tokens meet.
func (b *borders) between(left, right string) {
	l, n := utf8.DecodeLastRuneInString(left)
	r, m := utf8.DecodeRuneInString(right)
	if l == utf8.RuneError && n < 3 || r == utf8.RuneError && m < 3 {
		b.none = true
		return
	}
	b.join(l, r)
}

// cut yields a text in parts that merge as the whole does. char returns a character and its length in the text; -1 for
// one that has no token, beside which there is no border: what becomes of unknown ones depends on their neighbours. cut
// ends the budget when a part would be too long.
func (b *borders) cut(s string, work *budget, char func(string) (rune, int), yield func(string)) {
	for !work.failed() && s != "" {
		n := len(s)
		if n > longWord && !b.none {
			n = b.first(s, longWord/2, char)
		}
		if !work.mayMerge(n) {
			return
		}
		yield(s[:n])
		s = s[n:]
	}
}

// first returns the first border in s after at, or the length of s.
func (b *borders) first(s string, at int, char func(string) (rune, int)) int {
	for at < len(s) && !utf8.RuneStart(s[at]) {
		at++
	}
	left := rune(-1)
	for at < len(s) {
		right, n := char(s[at:])
		if left >= 0 && right >= 0 && !b.joined[pair(left, right)] {
			return at
		}
		left = right
		at += n
	}
	return len(s)
}
