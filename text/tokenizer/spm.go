package tokenizer

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

// spm is SentencePiece's BPE: of all neighbours whose concatenation is a piece, the pair with the highest
// score is merged first. Kudo, Richardson: SentencePiece, 2018.
type spm struct {
	ids      map[string]int32 // pieces a merge can make
	reserved map[string]int32 // control, unknown and byte pieces: never made by a merge
	ranks    []int32          // by id: 0 for the highest score
	unused   map[int32]bool   // pieces that merges go through but that do not come out
	user     trie             // user-defined pieces
	maxLen   int              // bytes of the longest piece
	borders  borders
	bytes    [256]int32 // byte → id, -1 when absent or without byte fallback
	unk      int32      // -1: unknown characters are dropped
}

// spmVocab is what a tokenizer of this kind is made of.
type spmVocab struct {
	pieces                           []spmPiece
	userDefinedInside                bool // the model finds user-defined pieces; else they are added tokens
	fallback                         bool // every byte has a piece
	dummyPrefix, removeExtra, escape bool
	chars                            *charsmap // nil: characters stay as they are
	legacy                           bool      // the dummy prefix also comes after added tokens
}

// tokenizer puts the model and the steps around it together.
func (v *spmVocab) tokenizer(cfg Config) (*Tokenizer, error) {
	m := &spm{ids: make(map[string]int32, len(v.pieces)), reserved: map[string]int32{}, unk: -1}
	a := assembly{t: &Tokenizer{model: m}, vocab: make(map[string]int32, len(v.pieces))}
	if len(v.pieces) > maxID {
		return nil, fmt.Errorf("%d pieces, at most %d are supported", len(v.pieces), maxID)
	}
	for b := range m.bytes {
		m.bytes[b] = -1
	}
	a.rows, a.filler = len(v.pieces), map[int32]bool{}
	for i, p := range v.pieces {
		id := int32(i)
		if p.kind == pieceUnused {
			a.filler[id] = true
		}
		if prev, ok := a.vocab[p.text]; ok {
			return nil, fmt.Errorf("pieces %d and %d are both %.100q", prev, id, p.text)
		}
		a.vocab[p.text] = id
		special := p.kind == pieceControl || p.kind == pieceUnknown
		if special || p.kind == pieceUserDefined && !v.userDefinedInside {
			a.added = append(a.added, AddedToken{ID: id, Content: p.text, Special: special})
		}
		if err := m.add(id, p); err != nil {
			return nil, err
		}
	}
	if v.fallback {
		for b, id := range m.bytes {
			if id < 0 {
				return nil, fmt.Errorf("byte fallback without a piece for %s", byteTokens[b])
			}
		}
	}
	m.rank(v.pieces)
	v.steps(a.t, &m.user)
	return a.finish(cfg, false)
}

// steps adds the normalization map and the normalizers, pre-tokenizers and decoders that do what SentencePiece does with spaces.
func (v *spmVocab) steps(t *Tokenizer, user *trie) {
	mark := " "
	switch {
	case v.chars != nil:
		t.normalizers = append(t.normalizers, spmCharsNormalizer{v.chars, user, v.removeExtra, v.escape})
	case v.removeExtra:
		t.normalizers = append(t.normalizers, collapseNormalizer{escape: v.escape})
	}
	if v.escape {
		mark = metaChar
		t.normalizers = append(t.normalizers, replaceNormalizer{literal(" "), metaChar})
	}
	t.decoders = []decoder{spmDecoder{once: v.dummyPrefix && !v.removeExtra, all: v.removeExtra}, byteFallbackDecoder{}, fuseDecoder{}}
	switch {
	case v.dummyPrefix && v.legacy:
		t.normalizers = append(t.normalizers, prependNormalizer(mark))
	case v.dummyPrefix:
		t.preTokenizers = append(t.preTokenizers, metaspaceSplitter{mark, prependFirst, false})
	}
}

// add enters a piece in the model.
func (m *spm) add(id int32, p spmPiece) error {
	switch p.kind {
	case pieceNormal, pieceUserDefined, pieceUnused:
		m.ids[p.text] = id
		m.maxLen = max(m.maxLen, len(p.text))
		switch p.kind {
		case pieceUserDefined:
			m.user.insert(p.text, id)
		case pieceUnused:
			if m.unused == nil {
				m.unused = map[int32]bool{}
			}
			m.unused[id] = true
		}
		return nil
	case pieceByte:
		b, ok := byteToken(p.text)
		if !ok {
			return fmt.Errorf("piece %d: %.100q is no byte piece such as <0x0A>", id, p.text)
		}
		m.bytes[b] = id
	case pieceUnknown:
		if m.unk >= 0 {
			return fmt.Errorf("pieces %d and %d are both of type unknown", m.unk, id)
		}
		m.unk = id
	case pieceControl:
	default:
		return fmt.Errorf("piece %d: type %d is not supported, want 1 to 6", id, p.kind)
	}
	m.reserved[p.text] = id
	return nil
}

// rank numbers the scores from the highest.
func (m *spm) rank(pieces []spmPiece) {
	score := func(p spmPiece) float32 {
		if math.IsNaN(float64(p.score)) {
			return float32(math.Inf(-1))
		}
		return p.score
	}
	order := make([]int32, len(pieces))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(score(pieces[b]), score(pieces[a])) })
	m.ranks = make([]int32, len(pieces))
	for i, id := range order {
		m.ranks[id] = int32(i)
		if i > 0 && score(pieces[id]) == score(pieces[order[i-1]]) {
			m.ranks[id] = m.ranks[order[i-1]]
		}
	}
}

func (m *spm) id(token string) (int32, bool) {
	if id, ok := m.ids[token]; ok {
		return id, true
	}
	id, ok := m.reserved[token]
	return id, ok
}

func (m *spm) encode(dst []int32, s string, b *budget) []int32 {
	if len(s) <= longWord {
		if b.mayMerge(len(s)) {
			dst = m.mergeWord(dst, s)
		}
		return dst
	}
	m.findBorders()
	m.borders.cut(s, b, m.char, func(part string) { dst = m.mergeWord(dst, part) })
	return dst
}

// findBorders looks at the pieces.
func (m *spm) findBorders() {
	m.borders.once.Do(func() {
		for p := range m.ids {
			m.borders.within(p)
		}
	})
}

// char returns the first character of s, -1 if it is no piece or an unused one, and its length.
func (m *spm) char(s string) (r rune, n int) {
	r, n = utf8.DecodeRuneInString(s)
	if id, ok := m.ids[s[:n]]; !ok || m.unused[id] || r == utf8.RuneError && n == 1 {
		return -1, n
	}
	return r, n
}

func (m *spm) mergeWord(dst []int32, s string) []int32 {
	sc := getScratch()
	defer sc.release()
	sc.grow(s)
	for at := 0; at < len(s); {
		sym := symbol{lo: int32(at)}
		_, n, _ := m.user.longest(s[at:])
		if n > 0 {
			sym.state = frozen
		} else {
			_, n = utf8.DecodeRuneInString(s[at:])
		}
		at += n
		sym.hi = int32(at)
		sc.symbols = append(sc.symbols, sym)
	}
	syms := sc.symbols
	link(syms)
	w := spmWord{m: m, s: s, sc: sc}
	for i := range syms {
		w.consider(int32(i))
	}
	for len(sc.agenda) > 0 {
		top := sc.agenda.pop()
		left := top.left
		right := syms[left].next
		// Symbols only grow, so an equal length means that neither has changed.
		if syms[left].state == gone || right < 0 || syms[right].hi-syms[left].lo != top.check {
			continue
		}
		syms[left].hi = syms[right].hi
		unlink(syms, left, right)
		if prev := syms[left].prev; prev >= 0 {
			w.consider(prev)
		}
		w.consider(left)
	}
	for i := range syms {
		if syms[i].state != gone {
			dst = w.emit(dst, s[syms[i].lo:syms[i].hi])
		}
	}
	return dst
}

// spmWord is the text being merged.
type spmWord struct {
	m        *spm
	s        string
	sc       *scratch
	halves   map[string]int // unused piece → where the last merge that could make it cuts it
	afterUnk bool
}

// consider puts the merge of symbol left with its successor on the agenda, if it makes a piece.
func (w *spmWord) consider(left int32) {
	l := w.sc.symbols[left]
	if l.next < 0 || l.state == frozen {
		return
	}
	r := w.sc.symbols[l.next]
	if r.state == frozen || int(r.hi-l.lo) > w.m.maxLen {
		return
	}
	id, ok := w.m.ids[w.s[l.lo:r.hi]]
	if !ok {
		return
	}
	w.sc.agenda.push(pending{rank: w.m.ranks[id], left: left, check: r.hi - l.lo})
	if w.m.unused[id] {
		if w.halves == nil {
			w.halves = map[string]int{}
		}
		w.halves[w.s[l.lo:r.hi]] = int(l.hi - l.lo)
	}
}

// emit appends the ids of a finished symbol. An unused piece that no merge has made, a single character, is unknown, as in
// SentencePiece 0.2.3; up to 0.2.0 it came out.
func (w *spmWord) emit(dst []int32, p string) []int32 {
	id, ok := w.m.ids[p]
	if ok && w.m.unused[id] {
		if cut, ok := w.halves[p]; ok {
			return w.emit(w.emit(dst, p[:cut]), p[cut:])
		}
		ok = false
	}
	if ok {
		w.afterUnk = false
		return append(dst, id)
	}
	n := len(dst)
	for i := range len(p) {
		if w.m.bytes[p[i]] < 0 {
			dst = dst[:n]
			break
		}
		dst = append(dst, w.m.bytes[p[i]])
	}
	if len(dst) > n {
		w.afterUnk = false
		return dst
	}
	if w.m.unk >= 0 && !w.afterUnk {
		dst = append(dst, w.m.unk)
	}
	w.afterUnk = true
	return dst
}
