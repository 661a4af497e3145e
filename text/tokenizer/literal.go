package tokenizer

import (
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// isControl tells whether an added token is one that a text must not name unawares: all but runs of white space, which
// some vocabularies add to write source code with fewer tokens.
func isControl(content string) bool {
	return strings.TrimLeftFunc(content, isBlank) != ""
}

func isBlank(r rune) bool { return unicode.IsSpace(r) || r == '▁' }

// A Guard knows the control tokens: all added tokens but white space. It is for one goroutine.
type Guard struct {
	t       *Tokenizer
	control []string      // contents
	first   map[rune]bool // the first characters that are no space, also in normalized text
	known   map[rune]bool // what Begins has found out
}

// Guard returns the tokenizer's guard.
func (t *Tokenizer) Guard() *Guard {
	g := &Guard{t: t, first: map[rune]bool{}, known: map[rune]bool{}}
	for content := range t.added {
		if !isControl(content) {
			continue
		}
		g.control = append(g.control, content)
		for _, s := range []string{content, t.normalizeInside(content)} {
			if s = strings.TrimLeftFunc(s, isBlank); s != "" {
				r, _ := utf8.DecodeRuneInString(s)
				g.first[r] = true
			}
		}
	}
	return g
}

// Begins reports whether r may be the first character of a control token that is no space, perhaps only once the text is
// normalized.
func (g *Guard) Begins(r rune) bool {
	begins, ok := g.known[r]
	if !ok {
		begins = g.first[r] || len(g.t.prepared.entries) > 0 && strings.ContainsFunc(g.t.normalizeInside(string(r)), func(r rune) bool { return g.first[r] })
		g.known[r] = begins
	}
	return begins
}

// Token returns the control token that s begins with, the longest, or "".
func (g *Guard) Token(s string) string {
	token := ""
	for _, content := range g.control {
		if len(content) > len(token) && strings.HasPrefix(s, content) {
			token = content
		}
	}
	return token
}

// EncodeLiteral is Encode for a text parts of which are only to be read: a control token, as Guard has them, of which any
// byte is literal is not recognised, and what is written there is encoded as any text. A nil literal is true everywhere.
func (t *Tokenizer) EncodeLiteral(text string, literal func(at int) bool, special bool) ([]int32, error) {
	return Gather(t.LiteralParts(text, literal, special))
}

// LiteralParts yields the ids of EncodeLiteral as [Tokenizer.Parts] does those of Encode.
func (t *Tokenizer) LiteralParts(text string, literal func(at int) bool, special bool) iter.Seq2[[]int32, error] {
	if literal == nil {
		literal = func(int) bool { return true }
	}
	return t.parts(text, literal, special, textPart)
}

// guarded returns which matches are not to be recognised; nil if literal is nil: all are.
func (t *Tokenizer) guarded(literal func(at int) bool) func(id int32, lo, hi int) bool {
	if literal == nil {
		return nil
	}
	return func(id int32, lo, hi int) bool {
		if !isControl(t.tokens[id].text) {
			return false
		}
		for ; lo < hi; lo++ {
			if literal(lo) {
				return true
			}
		}
		return false
	}
}

// literalInside returns where in n, which s becomes by normalizing, literal text stands. Where normalizing changes the order or
// the number of characters in a way that hides that, all of it is literal.
func (t *Tokenizer) literalInside(g *Guard, s, n string, b *budget, literal func(at int) bool) func(at int) bool {
	all := func(int) bool { return true }
	if len(t.prepared.entries) == 0 {
		return all
	}
	// A character of private use, which normalizers leave alone, in the place of each literal one that may begin a token.
	const mark = '\U0010F8FF'
	if strings.ContainsRune(s, mark) {
		return all
	}
	var marked strings.Builder
	var was []string
	for at, r := range s {
		if literal(at) && g.Begins(r) {
			was = append(was, t.normalizeInside(string(r)))
			r = mark
		}
		marked.WriteRune(r)
	}
	if len(was) == 0 {
		return func(int) bool { return false }
	}
	var back strings.Builder
	at := map[int]bool{}
	parts := strings.Split(t.normalize(marked.String(), true, b), string(mark))
	if len(parts) != len(was)+1 {
		return all
	}
	for i, part := range parts {
		back.WriteString(part)
		if i < len(was) {
			for j := range len(was[i]) {
				at[back.Len()+j] = true
			}
			back.WriteString(was[i])
		}
	}
	if back.String() != n {
		return all
	}
	return func(i int) bool { return at[i] }
}

// normalizeInside normalizes a character that stands in the middle of a text, without what is put before a text.
func (t *Tokenizer) normalizeInside(s string) string {
	b := newBudget(len(s))
	for _, n := range t.normalizers {
		if _, ok := n.(prependNormalizer); !ok {
			s = n.normalize(s, b)
		}
	}
	return s
}
