package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// Byte-level vocabularies spell every byte as one printable character: printable Latin-1 bytes as
// themselves, the others as U+0100 and following in order (GPT-2's bytes_to_unicode).
var (
	byteChars [256]string
	charBytes [0x144]int16 // rune → byte, -1 when the rune stands for none
)

func init() {
	for r := range charBytes {
		charBytes[r] = -1
	}
	extra := rune(0x100)
	for b := range 256 {
		r := rune(b)
		if !('!' <= b && b <= '~' || 0xA1 <= b && b <= 0xAC || 0xAE <= b) {
			r = extra
			extra++
		}
		byteChars[b] = string(r)
		charBytes[r] = int16(b)
	}
}

// toByteChars spells the bytes of s.
func toByteChars(s string) string {
	var b strings.Builder
	b.Grow(len(s) + len(s)/4)
	for i := range len(s) {
		b.WriteString(byteChars[s[i]])
	}
	return b.String()
}

// fromByteChars is the inverse of toByteChars. A token with any other character, such as an added token
// with a space, is returned as it is.
func fromByteChars(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if int(r) >= len(charBytes) || charBytes[r] < 0 {
			return s
		}
		b = append(b, byte(charBytes[r]))
	}
	return string(b)
}

// byteToken reads a byte-fallback token, "<0x00>" to "<0xFF>".
func byteToken(s string) (b byte, ok bool) {
	if len(s) != 6 || s[:3] != "<0x" || s[5] != '>' {
		return 0, false
	}
	for _, c := range []byte(s[3:5]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		b = b<<4 | c
	}
	return b, true
}

// byteTokens is the inverse of byteToken.
var byteTokens = func() (t [256]string) {
	const hex = "0123456789ABCDEF"
	for b := range t {
		t[b] = "<0x" + string(hex[b>>4]) + string(hex[b&15]) + ">"
	}
	return t
}()

// incomplete returns how many bytes at the end of s are the beginning of a rune that more bytes could complete.
func incomplete(s string) int {
	for n := 1; n <= min(len(s), utf8.UTFMax-1); n++ {
		tail := s[len(s)-n:]
		if utf8.RuneStart(tail[0]) {
			if !utf8.FullRuneInString(tail) {
				return n
			}
			return 0
		}
	}
	return 0
}

// toValid replaces every maximal ill-formed subsequence of s by one U+FFFD, as Unicode section 3.9
// (U+FFFD Substitution of Maximal Subparts) recommends.
func toValid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			n = subpart(s)
			b.WriteRune(utf8.RuneError)
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// subpart returns the length of the maximal subpart at the start of s, which begins with an ill-formed sequence.
func subpart(s string) int {
	n := 1
	for n < min(len(s), utf8.UTFMax) && !utf8.FullRuneInString(s[:n]) {
		n++
	}
	if n > 1 && utf8.FullRuneInString(s[:n]) {
		n-- // the last byte made it ill-formed: it is not part of it
	}
	return n
}
