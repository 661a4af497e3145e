package onig

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// named are Go's tables under the names that the engine has for them, those with more ranges first.
var named = sync.OnceValue(func() (all []struct {
	name     string
	set, not set
},
) {
	for _, name := range strings.Fields("L M N P S Lu Ll Lo Lm Mn Mc Nd No Po Ps Pe So Sm Sc Sk Cf Co Han") {
		t, ok := unicode.Categories[name]
		if !ok {
			t = unicode.Scripts[name]
		}
		all = append(all, struct {
			name     string
			set, not set
		}{name, ofTable(t), ofTable(t).not()})
	}
	return all
})

// surrogates are not in texts: whether a class has them does not matter.
var surrogates = set{{0xD800, 0xDFFF}}

// smooth adds or takes the surrogates, as it makes fewer ranges.
func (a set) smooth() set {
	if a.has(surrogates[0].lo-1) && a.has(surrogates[0].hi+1) {
		return a.union(surrogates)
	}
	return a.and(surrogates.not())
}

// class writes a set as a character class of the engine, which looks ranges up one by one and categories by halving:
// those categories that are within the set stand for their ranges.
func class(s set) string {
	if s.within(surrogates) {
		return `(?!)`
	}
	in, n := cover(s.smooth())
	out, m := cover(s.not().smooth())
	if m < n {
		if out == "" {
			return `[\s\S]`
		}
		return "[^" + out + "]"
	}
	return "[" + in + "]"
}

// cover writes the inside of a class, and how many parts it has.
func cover(s set) (text string, parts int) {
	var b strings.Builder
	rest := s
	if len(s) > 8 {
		for _, c := range named() {
			if !c.set.within(s) {
				continue
			}
			if smaller := rest.and(c.not); len(smaller)+1 < len(rest) {
				fmt.Fprintf(&b, `\p{%s}`, c.name)
				rest = smaller
				parts++
			}
		}
	}
	for _, r := range rest {
		b.WriteString(quoteInClass(r.lo))
		if r.hi > r.lo+1 {
			b.WriteByte('-')
		}
		if r.hi > r.lo {
			b.WriteString(quoteInClass(r.hi))
		}
	}
	return b.String(), parts + len(rest)
}

// quoteInClass writes a character within a class.
func quoteInClass(r rune) string {
	switch {
	case r < 0x30 || '9' < r && r < 'A' || 'Z' < r && r < 'a' || 'z' < r && r < 0xA0 || 0xD800 <= r && r <= 0xDFFF || r == 0xFFFD || r == 0xFEFF:
		return fmt.Sprintf(`\u%04X`, r)
	}
	return string(r)
}

// quote writes a character outside of a class.
func quote(r rune) string {
	if slices.Contains([]rune(`\*+?|{}[]()^$.# `), r) {
		return `\` + string(r)
	}
	if r < 0x20 {
		return fmt.Sprintf(`\u%04X`, r)
	}
	return string(r)
}
