package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A matcher finds the added tokens in a text: the leftmost, among those the longest.
type matcher struct {
	entries []matchEntry
	texts   []string // of the entries
	trie    trie
}

type matchEntry struct {
	id                         int32
	singleWord, lstrip, rstrip bool
}

// add makes the matcher find pattern. An empty pattern is never found; of two equal patterns the first counts.
func (m *matcher) add(pattern string, e matchEntry) {
	if pattern == "" {
		return
	}
	if m.trie.insert(pattern, int32(len(m.entries))) {
		m.entries, m.texts = append(m.entries, e), append(m.texts, pattern)
	}
}

// split cuts s into the added tokens (id >= 0) and the stretches between them (id < 0, never empty).
func (m *matcher) split(s string, b *budget, yield func(id int32, lo, hi int)) {
	m.splitUnless(s, b, nil, yield)
}

// splitUnless is split that takes a match for text if skip, unless it is nil, says so of its token and where it stands.
func (m *matcher) splitUnless(s string, b *budget, skip func(id int32, lo, hi int) bool, yield func(id int32, lo, hi int)) {
	done, looked := 0, 0 // s[:done] has been yielded
	for at := 0; at < len(s); {
		entry, n, steps := m.trie.longest(s[at:])
		if looked += steps; looked > 1<<12 {
			if !b.spend(looked * trieWork) {
				return
			}
			looked = 0
		}
		if n == 0 {
			at++
			continue
		}
		e := m.entries[entry]
		lo, hi := at, at+n
		if skip != nil && skip(e.id, lo, hi) {
			at++
			continue
		}
		at = hi
		if e.singleWord && (endsWithWord(s[:lo]) || startsWithWord(s[hi:])) {
			continue
		}
		if e.lstrip {
			lo = done + len(strings.TrimRightFunc(s[done:lo], unicode.IsSpace))
		}
		if e.rstrip {
			hi = len(s) - len(strings.TrimLeftFunc(s[hi:], unicode.IsSpace))
			at = hi
		}
		if done < lo {
			yield(-1, done, lo)
		}
		yield(e.id, lo, hi)
		done = hi
		if looked++; b.failed() {
			return
		}
	}
	if done < len(s) {
		yield(-1, done, len(s))
	}
}

func endsWithWord(s string) bool {
	r, n := utf8.DecodeLastRuneInString(s)
	return n > 0 && isWord(r)
}

func startsWithWord(s string) bool {
	r, n := utf8.DecodeRuneInString(s)
	return n > 0 && isWord(r)
}

// isWord is the regular expression class \w of Unicode TS #18, annex C: letters, marks, decimal digits,
// connector punctuation and joiners.
func isWord(r rune) bool {
	if r < utf8.RuneSelf {
		return r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	return unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic, unicode.Join_Control)
}

// A trie holds byte strings and finds the longest that begins a text.
type trie struct {
	edges  map[uint64]int32 // node<<8 | byte → node; the root is 0
	values []int32          // by node: the value of the string that ends there, or -1
	starts [256]bool        // bytes with an edge from the root: most texts fail here, before any map look-up
}

// insert adds s with a value; it reports false, and changes nothing, when s is there already.
func (t *trie) insert(s string, value int32) bool {
	if t.edges == nil {
		t.edges = map[uint64]int32{}
		t.values = []int32{-1}
	}
	node := int32(0)
	for i := range len(s) {
		key := uint64(node)<<8 | uint64(s[i])
		next, ok := t.edges[key]
		if !ok {
			next = int32(len(t.values))
			t.values = append(t.values, -1)
			t.edges[key] = next
		}
		node = next
	}
	if t.values[node] >= 0 {
		return false
	}
	t.values[node] = value
	if s != "" {
		t.starts[s[0]] = true
	}
	return true
}

// longest returns the value and length of the longest string that s begins with, and how many bytes it looked at; length
// 0 means none.
func (t *trie) longest(s string) (value int32, length, steps int) {
	if s == "" || !t.starts[s[0]] {
		return 0, 0, 0
	}
	node := int32(0)
	for steps < len(s) {
		next, ok := t.edges[uint64(node)<<8|uint64(s[steps])]
		steps++
		if !ok {
			break
		}
		node = next
		if v := t.values[node]; v >= 0 {
			value, length = v, steps
		}
	}
	return value, length, steps
}
