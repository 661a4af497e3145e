package tokenizer

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

type found struct {
	id   int32
	text string
}

func splitAll(m *matcher, s string) (all []found) {
	m.split(s, nil, func(id int32, lo, hi int) { all = append(all, found{id, s[lo:hi]}) })
	return all
}

func TestMatcher(t *testing.T) {
	m := new(matcher)
	m.add("<a>", matchEntry{id: 0})
	m.add("<a><b>", matchEntry{id: 1})
	m.add("<l>", matchEntry{id: 2, lstrip: true})
	m.add("<r>", matchEntry{id: 3, rstrip: true})
	m.add("w", matchEntry{id: 4, singleWord: true})
	m.add(" s", matchEntry{id: 5})
	m.add("<a>", matchEntry{id: 6}) // the first counts
	m.add("", matchEntry{id: 7})    // never found
	for s, want := range map[string][]found{
		"":               nil,
		"plain":          {{-1, "plain"}},
		"<a>":            {{0, "<a>"}},
		"x<a><b>y<a><":   {{-1, "x"}, {1, "<a><b>"}, {-1, "y"}, {0, "<a>"}, {-1, "<"}},
		"x \n<l>  y":     {{-1, "x"}, {2, " \n<l>"}, {-1, "  y"}},
		"x <r> \u00a0 y": {{-1, "x "}, {3, "<r> \u00a0 "}, {-1, "y"}},
		"<r>  <l>":       {{3, "<r>  "}, {2, "<l>"}},
		"<r> s":          {{3, "<r> "}, {-1, "s"}}, // the space is gone when " s" is looked for
		"w we éw w1 _w":  {{4, "w"}, {-1, " we éw w1 _w"}},
		"(w)\xffw":       {{-1, "("}, {4, "w"}, {-1, ")\xff"}, {4, "w"}},
	} {
		if got := splitAll(m, s); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
}

// The matcher finds what a search at every place finds, and loses nothing.
func TestMatcherIsTheSlowSearch(t *testing.T) {
	patterns := []string{"ab", "abab", "b", "ba<", "<", "<<a"}
	m := new(matcher)
	for i, p := range patterns {
		m.add(p, matchEntry{id: int32(i)})
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOfN(rapid.RuneFrom([]rune("ab<é")), 0, 30, -1).Draw(t, "text")
		var want []found
		between := ""
		flush := func() {
			if between != "" {
				want = append(want, found{-1, between})
				between = ""
			}
		}
		for i := 0; i < len(s); {
			best := -1
			for k, p := range patterns {
				if strings.HasPrefix(s[i:], p) && (best < 0 || len(p) > len(patterns[best])) {
					best = k
				}
			}
			if best < 0 {
				between += s[i : i+1]
				i++
				continue
			}
			flush()
			want = append(want, found{int32(best), patterns[best]})
			i += len(patterns[best])
		}
		flush()
		if got := splitAll(m, s); !slices.Equal(got, want) {
			t.Fatalf("%q: %v, want %v", s, got, want)
		}
	})
}
