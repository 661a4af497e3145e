package tokenizer

import (
	"strings"
	"unicode"
)

// A preTokenizer splits pieces into smaller ones.
type preTokenizer interface {
	// split appends the parts of p to dst. Empty parts are left out.
	split(dst []piece, p piece) []piece
}

// behavior tells what becomes of the matches of a split.
type behavior string

const (
	removed            behavior = "Removed"
	isolated           behavior = "Isolated"
	mergedWithPrevious behavior = "MergedWithPrevious"
	mergedWithNext     behavior = "MergedWithNext"
	contiguous         behavior = "Contiguous"
)

var behaviors = []behavior{removed, isolated, mergedWithPrevious, mergedWithNext, contiguous}

// splitter cuts a piece at the matches of a pattern.
type splitter struct {
	pattern  pattern
	behavior behavior
	invert   bool // what lies between the matches counts as a match, and the other way round
}

// A span is a part of a text that is a match or lies between matches.
type span struct {
	lo, hi int
	match  bool
}

func (sp splitter) split(dst []piece, p piece) []piece {
	add := func(lo, hi int) {
		if lo < hi {
			dst = append(dst, piece{p.s[lo:hi], p.first && lo == 0})
		}
	}
	if sp.behavior == isolated { // the only kind of the well known tokenizers: no list of spans
		done := 0
		sp.pattern.each(p.s, func(lo, hi int) {
			add(done, lo)
			add(lo, hi)
			done = hi
		})
		add(done, len(p.s))
		return dst
	}
	for _, s := range sp.join(sp.spans(p.s)) {
		if !s.match || sp.behavior != removed {
			add(s.lo, s.hi)
		}
	}
	return dst
}

// spans covers s with matches and what lies between them.
func (sp splitter) spans(s string) []span {
	var all []span
	done := 0
	sp.pattern.each(s, func(lo, hi int) {
		if done < lo {
			all = append(all, span{done, lo, sp.invert})
		}
		all = append(all, span{lo, hi, !sp.invert})
		done = hi
	})
	if done < len(s) {
		all = append(all, span{done, len(s), sp.invert})
	}
	return all
}

// join merges neighbouring spans as the behavior asks, in place.
func (sp splitter) join(all []span) []span {
	switch sp.behavior {
	case mergedWithPrevious:
		out := all[:0]
		previous := false
		for _, s := range all {
			if s.match && !previous && len(out) > 0 {
				out[len(out)-1].hi = s.hi
			} else {
				out = append(out, s)
			}
			previous = s.match
		}
		return out
	case mergedWithNext:
		keep := len(all)
		next := false
		for i := len(all) - 1; i >= 0; i-- {
			s := all[i]
			if s.match && !next && keep < len(all) {
				all[keep].lo = s.lo
			} else {
				keep--
				all[keep] = s
			}
			next = s.match
		}
		return all[keep:]
	case contiguous:
		out := all[:0]
		for i, s := range all {
			if i > 0 && s.match == all[i-1].match {
				out[len(out)-1].hi = s.hi
			} else {
				out = append(out, s)
			}
		}
		return out
	}
	return all
}

// byteLevelSplitter spells pieces in byte characters, after splitting them in GPT-2's manner.
type byteLevelSplitter struct {
	addPrefixSpace bool
	useRegex       bool
	raw            bool // leave the spelling to the model, which saves it for words it has seen
}

func (bl byteLevelSplitter) split(dst []piece, p piece) []piece {
	if bl.addPrefixSpace && !strings.HasPrefix(p.s, " ") {
		p.s = " " + p.s
	}
	n := len(dst)
	if bl.useRegex {
		dst = splitter{pattern: scanner(scanGPT2), behavior: isolated}.split(dst, p)
	} else {
		dst = append(dst, p)
	}
	if !bl.raw {
		for i := range dst[n:] {
			dst[n+i].s = toByteChars(dst[n+i].s)
		}
	}
	return dst
}

// prependScheme tells where a metaspace splitter adds a replacement character.
type prependScheme string

const (
	prependAlways prependScheme = "always"
	prependFirst  prependScheme = "first" // only where the text begins
	prependNever  prependScheme = "never"
)

// metaspaceSplitter writes spaces as a visible character, may put one in front, and may split there.
type metaspaceSplitter struct {
	replacement string
	scheme      prependScheme
	cut         bool
}

func (m metaspaceSplitter) split(dst []piece, p piece) []piece {
	p.s = strings.ReplaceAll(p.s, " ", m.replacement)
	if (m.scheme == prependAlways || m.scheme == prependFirst && p.first) && !strings.HasPrefix(p.s, m.replacement) {
		p.s = m.replacement + p.s
	}
	if !m.cut {
		return append(dst, p)
	}
	return splitter{pattern: literal(m.replacement), behavior: mergedWithNext}.split(dst, p)
}

// isPunctuation is ASCII punctuation and the Unicode category P.
func isPunctuation(r rune) bool {
	return unicode.IsPunct(r) || r < 0x80 && strings.ContainsRune("$+<=>^`|~", r)
}

// scanWords is the pattern \w+|[^\w\s]+.
type scanWords struct{}

func (scanWords) each(s string, yield func(lo, hi int)) {
	const (
		blank = iota
		word
		symbol
	)
	kind := func(r rune) int {
		switch {
		case isWord(r):
			return word
		case unicode.IsSpace(r):
			return blank
		}
		return symbol
	}
	start, current := 0, blank
	for at, r := range s { // an ill-formed byte reads as U+FFFD, a symbol
		if k := kind(r); k != current {
			if current != blank {
				yield(start, at)
			}
			start, current = at, k
		}
	}
	if current != blank {
		yield(start, len(s))
	}
}
