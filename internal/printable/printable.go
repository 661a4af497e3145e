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

// Answer returns text that a model wrote as a terminal may show it. It is Text that keeps the format characters with which
// people write, such as joiners and marks of direction, and reads every end of a line as \n. Its argument may be any part
// of a text that begins and ends with whole characters.
func Answer(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '\r': // of \r\n
		case r == '\u2028' || r == '\u2029':
			b.WriteByte('\n')
		case r == '\n' || r == '\t' || r == '\u00ad' || format(r):
			b.WriteRune(r)
		default:
			b.WriteString(escape(s[i:min(len(s), i+size(s[i:]))]))
		}
	}
	return b.String()
}

func size(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}

// format reports whether r is a format character that writing needs. Those that embed and override directions and that
// annotate are left out: text can be made to read as what it is not with them.
func format(r rune) bool {
	if r >= 0xe0020 && r <= 0xe007f { // of flags
		return true
	}
	return unicode.Is(unicode.Cf, r) && !(r >= 0x202a && r <= 0x202e) && !(r >= 0x2066 && r <= 0x206f) && !(r >= 0xfff9 && r <= 0xfffb) && r != 0xe0001
}
