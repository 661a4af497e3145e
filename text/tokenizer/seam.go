package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A seam is a place between two characters at which a text may be cut: its parts, encoded on their own, have the ids of the
// whole. Each step of a tokenizer tells what it makes of the two characters, and whether anything that it does there depends
// on both; from the first step on that always splits there, nothing can.
type seam struct{ left, right rune }

// seams finds places to cut texts. It is for one goroutine.
type seams struct {
	t     *Tokenizer
	ascii [utf8.RuneSelf][utf8.RuneSelf]int8 // 1: a seam; -1: none
	known map[seam]bool
}

// textPart is about how many bytes of a text are encoded at a time.
const textPart = 1 << 16

// cut returns the length of a part that s begins with, part or more bytes. It looks at half of what the part would be, then
// on from twice as much: also where there is no seam, the time is that of looking at the text once.
func (c *seams) cut(s string, part int) int {
	for at := part; at < len(s); at *= 2 {
		for at < len(s) && !utf8.RuneStart(s[at]) {
			at++
		}
		end := min(len(s), at+max(1<<12, at/2))
		left, _ := utf8.DecodeLastRuneInString(s[:at])
		for i := at; i < end; {
			right, n := utf8.DecodeRuneInString(s[i:])
			if c.at(seam{left, right}) && alone(s[i+n:]) {
				return i
			}
			left, i = right, i+n
		}
	}
	return len(s)
}

// alone reports that what s begins with is no mark, nor else something that belongs to the character before.
func alone(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return s != "" && plain(r)
}

// plain tells of characters about which all steps and their tables agree: ASCII, letters and punctuation, less letters that
// are vowel signs.
func plain(r rune) bool {
	return r < utf8.RuneSelf || unicode.In(r, unicode.L, unicode.P) && !unicode.Is(unicode.Other_Grapheme_Extend, r) && r != 'ำ' && r != 'ຳ'
}

func (c *seams) at(s seam) bool {
	if s.left < utf8.RuneSelf && s.right < utf8.RuneSelf {
		known := &c.ascii[s.left][s.right]
		if *known == 0 {
			*known = -1
			if c.t.seam(s) {
				*known = 1
			}
		}
		return *known > 0
	}
	is, ok := c.known[s]
	if !ok {
		is = plain(s.left) && plain(s.right) && c.t.seam(s)
		if c.known == nil {
			c.known = map[seam]bool{}
		}
		c.known[s] = is
	}
	return is
}

// seam reports whether texts may be cut there.
func (t *Tokenizer) seam(s seam) bool {
	var ok bool
	for _, n := range t.normalizers {
		if s, ok = n.across(s); !ok {
			return false
		}
	}
	if !t.prepared.apart(s) {
		return false
	}
	for _, pt := range t.preTokenizers {
		var splits bool
		if s, splits, ok = pt.across(s); !ok || splits {
			return ok
		}
	}
	return t.model.apart(s.left, s.right)
}

// apart reports that no token that is looked for crosses the seam or takes anything from its other side.
func (m *matcher) apart(s seam) bool {
	for i, text := range m.texts {
		e := m.entries[i]
		first, _ := utf8.DecodeRuneInString(text)
		last, _ := utf8.DecodeLastRuneInString(text)
		switch {
		case strings.Contains(text, string(s.left)+string(s.right)):
		case e.lstrip && unicode.IsSpace(s.left), e.rstrip && unicode.IsSpace(s.right):
		case e.singleWord && (first == s.right && isWord(s.left) || last == s.left && isWord(s.right)):
		default:
			continue
		}
		return false
	}
	return true
}

// across is true if neither character is in a match, but for one that is all of it.
func (n replaceNormalizer) across(s seam) (seam, bool) {
	if n.pattern.Touches(s.left) {
		if l, ok := n.pattern.(literal); !ok || !l.Holds(s.left) || n.content == "" {
			return s, false
		}
		s.left, _ = utf8.DecodeLastRuneInString(n.content)
	}
	if n.pattern.Touches(s.right) {
		if l, ok := n.pattern.(literal); !ok || !l.Holds(s.right) || n.content == "" {
			return s, false
		}
		s.right, _ = utf8.DecodeRuneInString(n.content)
	}
	return s, true
}

func (n prependNormalizer) across(s seam) (seam, bool) { return s, true }

// rest is for a text that goes on.
func (n prependNormalizer) rest() normalizer { return stripNormalizer{} }

func (n stripNormalizer) across(s seam) (seam, bool) { return s, !unicode.IsSpace(s.left) }

func (n stripNormalizer) rest() normalizer { return stripNormalizer{right: n.right} }

func (n collapseNormalizer) across(s seam) (seam, bool) {
	return s, s.left != ' ' && s.left != metaRune
}

func (n collapseNormalizer) rest() normalizer {
	n.goesOn = true
	return n
}

// across of a function that goes rune by rune.
func (n mapNormalizer) across(s seam) (seam, bool) {
	left, right := n(string(s.left)), n(string(s.right))
	s.left, _ = utf8.DecodeLastRuneInString(left)
	s.right, _ = utf8.DecodeRuneInString(right)
	return s, left != "" && right != ""
}

func (n formNormalizer) across(s seam) (seam, bool) {
	form := norm.Form(n)
	left, right := form.PropertiesString(string(s.left)), form.PropertiesString(string(s.right))
	return s, left.BoundaryBefore() && form.IsNormalString(string(s.left)) &&
		right.BoundaryBefore() && right.BoundaryAfter() && form.IsNormalString(string(s.right))
}

// across is true between characters that are clusters of their own.
func (n precompiledNormalizer) across(s seam) (seam, bool) {
	if s.left >= utf8.RuneSelf || s.right >= utf8.RuneSelf || s.left == '\r' {
		return s, false
	}
	left, right := n.normalize(string(s.left), nil), n.normalize(string(s.right), nil)
	s.left, _ = utf8.DecodeLastRuneInString(left)
	s.right, _ = utf8.DecodeRuneInString(right)
	return s, left != "" && right != ""
}

// across is false: nothing tells which strings of the map the two could be within.
func (n spmCharsNormalizer) across(s seam) (seam, bool) { return s, false }

// across tells whether a piece is always split at the seam. Where it is not, the parts of a piece are split as it is.
func (sp splitter) across(s seam) (_ seam, splits, ok bool) {
	if !sp.pattern.Apart(s.left, s.right) {
		return s, false, false
	}
	switch {
	case sp.behavior == isolated || sp.behavior == removed:
		splits = sp.pattern.Holds(s.left) || sp.pattern.Holds(s.right)
	case sp.behavior == mergedWithPrevious && !sp.invert:
		splits = sp.pattern.Holds(s.left)
	case sp.behavior == mergedWithNext && !sp.invert:
		splits = sp.pattern.Holds(s.right)
	}
	return s, splits, true
}

func (bl byteLevelSplitter) across(s seam) (_ seam, splits, ok bool) {
	if bl.addPrefixSpace && s.right != ' ' {
		return s, false, false
	}
	if bl.useRegex {
		return splitter{pattern: gpt2Words, behavior: isolated}.across(s)
	}
	if !bl.raw {
		s, ok = mapNormalizer(toByteChars).across(s)
		return s, false, ok
	}
	return s, false, true
}

func (m metaspaceSplitter) across(s seam) (_ seam, splits, ok bool) {
	s, _ = replaceNormalizer{literal(" "), m.replacement}.across(s)
	sign, _ := utf8.DecodeRuneInString(m.replacement)
	if m.scheme == prependAlways && s.right != sign {
		return s, false, false
	}
	return s, m.cut && s.right == sign, true
}

func (m *bpe) apart(left, right rune) bool {
	if m.ignoreMerges { // a token may be none that merges make
		return false
	}
	m.borders.once.Do(m.findBorders)
	l := string(left)
	if m.byteLevel {
		l = l[len(l)-1:]
	}
	return m.borders.apart(l, string(right), m.char)
}

func (m *spm) apart(left, right rune) bool {
	if len(m.unused) > 0 { // what becomes of one depends on where it was made before
		return false
	}
	m.findBorders()
	return m.borders.apart(string(left), string(right), m.char)
}

// apart reports whether there is a border between two characters.
func (b *borders) apart(left, right string, char func(string) (rune, int)) bool {
	l, _ := char(left)
	r, _ := char(right)
	return !b.none && l >= 0 && r >= 0 && !b.joined[pair(l, r)]
}
