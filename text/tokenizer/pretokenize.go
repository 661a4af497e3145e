package tokenizer

import (
	"strings"
	"unicode"

	"jamba/text/tokenizer/onig"
)

// A preTokenizer splits pieces into smaller ones.
type preTokenizer interface {
	// split yields the parts of p. Empty parts are left out.
	split(p piece, b *budget, yield func(piece))
	// across tells what becomes of a seam within a piece, whether the piece is always split there, and whether what is done on
	// its two sides is independent.
	across(s seam) (_ seam, splits, ok bool)
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

func (sp splitter) split(p piece, b *budget, yield func(piece)) {
	add := func(lo, hi int) {
		if lo < hi && !b.failed() {
			yield(piece{p.s[lo:hi], p.first && lo == 0})
		}
	}
	done := 0
	if sp.behavior == isolated { // the only kind of the well known tokenizers
		sp.pattern.each(p.s, b, func(lo, hi int) {
			add(done, lo)
			add(lo, hi)
			done = hi
		})
		add(done, len(p.s))
		return
	}
	j := joiner{behavior: sp.behavior, yield: func(s span) {
		if !s.match || sp.behavior != removed {
			add(s.lo, s.hi)
		}
	}}
	sp.pattern.each(p.s, b, func(lo, hi int) {
		if done < lo {
			j.push(span{done, lo, sp.invert})
		}
		j.push(span{lo, hi, !sp.invert})
		done = hi
	})
	if done < len(p.s) {
		j.push(span{done, len(p.s), sp.invert})
	}
	j.flush()
}

// joiner merges neighbouring spans as a behavior asks. It keeps one span back.
type joiner struct {
	behavior behavior
	yield    func(span)
	kept     span
	full     bool
	sealed   bool // nothing more is merged into the span that is kept
}

func (j *joiner) push(s span) {
	if j.full && !j.sealed && j.joins(s.match) {
		j.kept.hi = s.hi
		j.sealed = j.behavior != contiguous
		return
	}
	j.flush()
	j.kept, j.full, j.sealed = s, true, false
}

// joins tells whether the next span, a match or not, belongs to the one that is kept.
func (j *joiner) joins(match bool) bool {
	switch j.behavior {
	case mergedWithPrevious:
		return match && !j.kept.match
	case mergedWithNext:
		return !match && j.kept.match
	case contiguous:
		return match == j.kept.match
	}
	return false
}

func (j *joiner) flush() {
	if j.full {
		j.yield(j.kept)
	}
	j.full = false
}

// byteLevelSplitter spells pieces in byte characters, after splitting them in GPT-2's manner.
type byteLevelSplitter struct {
	addPrefixSpace bool
	useRegex       bool
	raw            bool // leave the spelling to the model, which saves it for words it has seen
}

func (bl byteLevelSplitter) split(p piece, b *budget, yield func(piece)) {
	if bl.addPrefixSpace && !strings.HasPrefix(p.s, " ") {
		p.s = " " + p.s
	}
	if !bl.raw {
		next := yield
		yield = func(p piece) {
			p.s = toByteChars(p.s)
			next(p)
		}
	}
	if bl.useRegex {
		splitter{pattern: gpt2Words, behavior: isolated}.split(p, b, yield)
		return
	}
	yield(p)
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

func (m metaspaceSplitter) split(p piece, b *budget, yield func(piece)) {
	p.s = strings.ReplaceAll(p.s, " ", m.replacement)
	if (m.scheme == prependAlways || m.scheme == prependFirst && p.first) && !strings.HasPrefix(p.s, m.replacement) {
		p.s = m.replacement + p.s
	}
	if !m.cut {
		yield(p)
		return
	}
	splitter{pattern: literal(m.replacement), behavior: mergedWithNext}.split(p, b, yield)
}

// isPunctuation is ASCII punctuation and the Unicode category P.
func isPunctuation(r rune) bool {
	return unicode.IsPunct(r) || r < 0x80 && strings.ContainsRune("$+<=>^`|~", r)
}

// scanWords is the pattern \w+|[^\w\s]+.
type scanWords struct{ near }

var wordNeighbours near = onig.Lazily(`\w+|[^\w\s]+`)

func (scanWords) each(s string, _ *budget, yield func(lo, hi int)) {
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
