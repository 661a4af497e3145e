package tokenizer

import (
	"fmt"
	"unicode/utf8"
)

// bpe is byte pair encoding by a list of merges, the model of tokenizer.json files and of GGUF kind "gpt2".
// Sennrich, Haddow, Birch: Neural Machine Translation of Rare Words with Subword Units, 2016.
type bpe struct {
	vocab  map[string]int32
	merges map[uint64]merge // left id<<32 | right id
	cache  *wordCache

	borders borders
	longest int // bytes of the longest token

	byteLevel    bool       // pieces come as text and are spelt in byte characters here
	fallback     [256]int32 // byte → id of "<0x..>", -1 when absent; meaningful with byteFallback
	byteFallback bool
	unk          int32  // -1: unknown characters are dropped
	lacksUnk     string // the name of an unknown token that is not in the vocabulary: unknown characters are an error
	fuseUnk      bool
	ignoreMerges bool   // a piece that is a token is that token
	prefix       string // put before every character of a piece but the first
	suffix       string // put after the last character of a piece
}

type merge struct{ rank, id int32 }

func pair(left, right int32) uint64 { return uint64(uint32(left))<<32 | uint64(uint32(right)) }

// newBPE makes the model from its vocabulary and merges; mergesPath names the list for errors.
func newBPE(vocab map[string]int32, merges [][2]string, prefix, mergesPath string) (*bpe, error) {
	m := &bpe{vocab: vocab, merges: make(map[uint64]merge, len(merges)), unk: -1, prefix: prefix, cache: new(wordCache)}
	for b, s := range byteTokens {
		m.fallback[b] = -1
		if id, ok := vocab[s]; ok {
			m.fallback[b] = id
		}
	}
	for s := range vocab {
		m.longest = max(m.longest, len(s))
	}
	for i, pr := range merges {
		unknown := func(s string) error {
			return fmt.Errorf("%s[%d]: merge of %q and %q: %q is not in the vocabulary", mergesPath, i, pr[0], pr[1], s)
		}
		left, ok := vocab[pr[0]]
		if !ok {
			return nil, unknown(pr[0])
		}
		right, ok := vocab[pr[1]]
		if !ok {
			return nil, unknown(pr[1])
		}
		if len(pr[1]) < len(prefix) {
			return nil, fmt.Errorf("%s[%d]: %q is shorter than continuing_subword_prefix %q", mergesPath, i, pr[1], prefix)
		}
		whole := pr[0] + pr[1][len(prefix):]
		id, ok := vocab[whole]
		if !ok {
			return nil, unknown(whole)
		}
		m.merges[pair(left, right)] = merge{rank: int32(i), id: id}
	}
	return m, nil
}

func (m *bpe) id(token string) (int32, bool) {
	id, ok := m.vocab[token]
	return id, ok
}

func (m *bpe) encode(dst []int32, s string, b *budget) []int32 {
	if s == "" {
		return dst
	}
	if len(s) > maxCachedWord {
		return m.encodeWord(dst, s, b)
	}
	ids, ok := m.cache.get(s)
	if ok {
		return append(dst, ids...)
	}
	n := len(dst)
	if dst = m.encodeWord(dst, s, b); !b.failed() {
		m.cache.put(s, dst[n:])
	}
	return dst
}

func (m *bpe) encodeWord(dst []int32, s string, b *budget) []int32 {
	if m.ignoreMerges && len(s) <= m.longest {
		if id, ok := m.vocab[m.spell(s)]; ok {
			return append(dst, id)
		}
	}
	if len(s) <= longWord {
		if b.mayMerge(len(s)) {
			dst = m.mergeWord(dst, m.spell(s), b)
		}
		return dst
	}
	m.borders.once.Do(m.findBorders)
	m.borders.cut(s, b, m.char, func(part string) { dst = m.mergeWord(dst, m.spell(part), b) })
	return dst
}

// spell writes a word as the vocabulary does.
func (m *bpe) spell(s string) string {
	if m.byteLevel {
		return toByteChars(s)
	}
	return s
}

// char returns the first character of s as the vocabulary spells it, -1 if that is no token, and its length in s.
func (m *bpe) char(s string) (r rune, n int) {
	if m.byteLevel {
		n = 1
	} else if r, n = utf8.DecodeRuneInString(s); r == utf8.RuneError && n == 1 {
		return -1, n
	}
	spelt := m.spell(s[:n])
	if _, ok := m.vocab[spelt]; !ok {
		return -1, n
	}
	r, _ = utf8.DecodeRuneInString(spelt)
	return r, n
}

// findBorders looks at what the merges bring together.
func (m *bpe) findBorders() {
	if m.prefix != "" || m.suffix != "" { // the parts would be spelt otherwise
		m.borders.none = true
		return
	}
	high := int32(-1)
	for _, id := range m.vocab {
		high = max(high, id)
	}
	texts := make([]string, high+1) // ids are bounded when a file is read
	for text, id := range m.vocab {
		texts[id] = text
	}
	for parts := range m.merges {
		m.borders.between(texts[parts>>32], texts[uint32(parts)])
	}
}

func (m *bpe) mergeWord(dst []int32, s string, b *budget) []int32 {
	sc := getScratch()
	defer sc.release()
	m.addSymbols(sc, s, b)
	syms := sc.symbols
	link(syms)
	for i := range syms {
		m.consider(sc, int32(i))
	}
	for len(sc.agenda) > 0 {
		top := sc.agenda.pop()
		left := top.left
		right := syms[left].next
		if syms[left].state == gone || right < 0 {
			continue
		}
		if mg, ok := m.merges[pair(syms[left].id, syms[right].id)]; !ok || mg.id != top.check {
			continue // one of the two has been merged with another symbol meanwhile
		}
		syms[left].id = top.check
		unlink(syms, left, right)
		if prev := syms[left].prev; prev >= 0 {
			m.consider(sc, prev)
		}
		m.consider(sc, left)
	}
	for i := range syms {
		if syms[i].state != gone {
			dst = append(dst, syms[i].id)
		}
	}
	return dst
}

// consider puts the merge of symbol left with its successor on the agenda, if there is such a merge.
func (m *bpe) consider(sc *scratch, left int32) {
	right := sc.symbols[left].next
	if right < 0 {
		return
	}
	if mg, ok := m.merges[pair(sc.symbols[left].id, sc.symbols[right].id)]; ok {
		sc.agenda.push(pending{rank: mg.rank, left: left, check: mg.id})
	}
}

// addSymbols appends a symbol for every character of s, or one for every byte of a character the
// vocabulary lacks.
func (m *bpe) addSymbols(sc *scratch, s string, b *budget) {
	sc.grow(s)
	afterUnk := false
	for i := 0; i < len(s); {
		_, n := utf8.DecodeRuneInString(s[i:])
		c := s[i : i+n]
		if m.prefix != "" && i > 0 {
			c = m.prefix + c
		}
		i += n
		if m.suffix != "" && i == len(s) {
			c += m.suffix
		}
		if id, ok := m.vocab[c]; ok {
			sc.symbols = append(sc.symbols, symbol{id: id})
			afterUnk = false
			continue
		}
		if m.addBytes(sc, c) {
			afterUnk = false
			continue
		}
		if m.lacksUnk != "" {
			b.fail(fmt.Errorf("the text needs the unknown token %.100q, which the vocabulary does not have", m.lacksUnk))
			return
		}
		if m.unk >= 0 && (!afterUnk || !m.fuseUnk) {
			sc.symbols = append(sc.symbols, symbol{id: m.unk})
		}
		afterUnk = true
	}
}

// addBytes appends the byte-fallback tokens of c if all of them exist.
func (m *bpe) addBytes(sc *scratch, c string) bool {
	if !m.byteFallback {
		return false
	}
	for i := range len(c) {
		if m.fallback[c[i]] < 0 {
			return false
		}
	}
	for i := range len(c) {
		sc.symbols = append(sc.symbols, symbol{id: m.fallback[c[i]]})
	}
	return true
}
