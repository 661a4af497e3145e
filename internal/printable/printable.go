// Package printable makes text that comes from files fit to be printed: names in an index, messages of a template,
// values of settings. Whoever made the file must not be able to steer the terminal that shows it, nor to flood it.
package printable

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxLine bounds the bytes of a line that speaks of a file's content.
const MaxLine = 500

// Line returns s as one line of at most MaxLine bytes. Line breaks become spaces; control characters, marks that
// reorder text and bytes that are no UTF-8 are escaped as in Go; of a longer text the middle is left out.
func Line(s string) string { return Cut(s, MaxLine) }

// Cut is Line with a bound of limit bytes, at least 16.
func Cut(s string, limit int) string {
	const gap = " … "
	limit = max(limit, 16)
	// Escapes only lengthen: what is cut here could not have been printed.
	if len(s) <= limit {
		if s = escape(s); len(s) <= limit {
			return s
		}
	}
	room := limit - len(gap)
	head, tail := room-room/3, room/3
	first := escape(s[:min(len(s), head)])
	last := escape(s[max(0, len(s)-tail):])
	return strings.ToValidUTF8(first[:min(len(first), head)], "") + gap + strings.ToValidUTF8(last[max(0, len(last)-tail):], "")
}

// Text returns s with line breaks and tabs kept, and everything else escaped that Line escapes.
func Text(s string) string {
	if clean(s, true) {
		return s
	}
	var b strings.Builder
	for line := range strings.SplitAfterSeq(s, "\n") {
		body, nl := strings.CutSuffix(line, "\n")
		for i, part := range strings.Split(body, "\t") {
			if i > 0 {
				b.WriteByte('\t')
			}
			b.WriteString(escape(part))
		}
		if nl {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// escape makes one line of s.
func escape(s string) string {
	if clean(s, false) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			b.WriteByte(' ')
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[i])|0x100, 16)[1:])
		case plain(r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
	}
	return b.String()
}

func clean(s string, lines bool) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return !plain(r) && (!lines || r != '\n' && r != '\t')
	})
}

// plain reports whether r is shown as itself. Format characters (Cf) are not: among them are those that reorder text.
func plain(r rune) bool { return unicode.IsGraphic(r) }
