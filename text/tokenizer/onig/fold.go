package onig

import (
	"sync"
	"unicode"

	"golang.org/x/text/cases"
)

// folds tells which characters are the same when case is ignored.
type folds struct {
	cased  map[rune]set    // a character and those that differ from it in case alone; characters without are left out
	long   map[rune]string // characters that fold to several: ß to ss
	unlong map[string]set  // the other way
}

// newPairs differ in case alone since Unicode 15.1 and 16; Go's tables may lack them.
var newPairs = [][2]rune{{0x1C89, 0x1C8A}, {0xA7CB, 0x264}, {0xA7CC, 0xA7CD}, {0xA7DA, 0xA7DB}, {0xA7DC, 0x19B}, {0x390, 0x1FD3}, {0x3B0, 0x1FE3}, {0xFB05, 0xFB06}}

// longFolds is where characters are that fold to several.
var longFolds = set{{0xDF, 0xDF}, {0x130, 0x130}, {0x149, 0x149}, {0x1F0, 0x1F0}, {0x390, 0x3B0}, {0x587, 0x587}, {0x1E96, 0x1FFC}, {0xFB00, 0xFB17}}

var caseFolds = sync.OnceValue(func() folds {
	f := folds{cased: map[rune]set{}, long: map[rune]string{}, unlong: map[string]set{}}
	for r := rune(0); r < 0x1F000; r++ {
		if unicode.SimpleFold(r) == r {
			continue
		}
		s := one(r)
		for q := unicode.SimpleFold(r); q != r; q = unicode.SimpleFold(q) {
			s = s.union(one(q))
		}
		f.cased[r] = s
	}
	pair := func(a, b rune) {
		s := f.same(a).union(f.same(b))
		f.cased[a], f.cased[b] = s, s
	}
	for _, p := range newPairs {
		pair(p[0], p[1])
	}
	for r := rune(0x10D50); r <= 0x10D65; r++ { // Garay
		pair(r, r+0x20)
	}
	fold := cases.Fold()
	for _, block := range longFolds {
		for r := block.lo; r <= block.hi; r++ {
			if to := fold.String(string(r)); len([]rune(to)) > 1 {
				f.long[r] = to
				f.unlong[to] = f.unlong[to].union(one(r))
			}
		}
	}
	return f
})

// same returns the characters that r stands for when case is ignored.
func (f folds) same(r rune) set {
	if s, ok := f.cased[r]; ok {
		return s
	}
	return one(r)
}

// close adds to s what differs from its characters in case alone.
func (f folds) close(s set) set {
	var more []span
	for r, same := range f.cased {
		if s.has(r) {
			more = append(more, same...)
		}
	}
	return s.union(of(more))
}

// folded returns text in the case in which unlong has it.
func folded(text string) string {
	return cases.Fold().String(text)
}
