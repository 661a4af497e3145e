package onig

import (
	"slices"
	"unicode"
)

// A set is a set of characters: ranges from low to high that neither overlap nor touch.
type set []span

type span struct{ lo, hi rune }

func one(r rune) set { return set{{r, r}} }

// union returns the characters of a, of b or of both.
func (a set) union(b set) set {
	if len(b) == 0 {
		return a
	}
	out := make(set, 0, len(a)+len(b))
	for len(a)+len(b) > 0 {
		if len(a) == 0 || len(b) > 0 && b[0].lo < a[0].lo {
			a, b = b, a
		}
		if n := len(out); n > 0 && a[0].lo <= out[n-1].hi+1 {
			out[n-1].hi = max(out[n-1].hi, a[0].hi)
		} else {
			out = append(out, a[0])
		}
		a = a[1:]
	}
	return out
}

// of puts ranges in order.
func of(spans []span) set {
	slices.SortFunc(spans, func(x, y span) int { return int(x.lo - y.lo) })
	var out set
	for _, s := range spans {
		if n := len(out); n > 0 && s.lo <= out[n-1].hi+1 {
			out[n-1].hi = max(out[n-1].hi, s.hi)
		} else {
			out = append(out, s)
		}
	}
	return out
}

// not returns the characters that a does not have.
func (a set) not() set {
	var out set
	at := rune(0)
	for _, s := range a {
		if at < s.lo {
			out = append(out, span{at, s.lo - 1})
		}
		at = s.hi + 1
	}
	if at <= unicode.MaxRune {
		out = append(out, span{at, unicode.MaxRune})
	}
	return out
}

// and returns the characters of both.
func (a set) and(b set) set {
	var out set
	for len(a) > 0 && len(b) > 0 {
		if lo, hi := max(a[0].lo, b[0].lo), min(a[0].hi, b[0].hi); lo <= hi {
			out = append(out, span{lo, hi})
		}
		if a[0].hi < b[0].hi {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return out
}

func (a set) has(r rune) bool {
	_, ok := slices.BinarySearchFunc(a, r, func(s span, r rune) int {
		switch {
		case s.hi < r:
			return -1
		case s.lo > r:
			return 1
		}
		return 0
	})
	return ok
}

// within reports whether b has every character of a.
func (a set) within(b set) bool {
	for i := 0; len(a) > 0; a = a[1:] {
		for i < len(b) && b[i].hi < a[0].lo {
			i++
		}
		if i == len(b) || a[0].lo < b[i].lo || a[0].hi > b[i].hi {
			return false
		}
	}
	return true
}

// ofTable turns one of Go's tables into a set.
func ofTable(t *unicode.RangeTable) set {
	var out []span
	add := func(lo, hi, stride rune) {
		if stride == 1 {
			out = append(out, span{lo, hi})
			return
		}
		for r := lo; r <= hi; r += stride {
			out = append(out, span{r, r})
		}
	}
	for _, r := range t.R16 {
		add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	for _, r := range t.R32 {
		add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	return of(out)
}
