package tokenizer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// charsmap is SentencePiece's precompiled normalization map, such as nmt_nfkc: a trie of the strings to be replaced, in a
// double array (Aoe 1989, in the layout of the Darts-clone library), and the replacements, each with a zero behind it.
// https://github.com/google/sentencepiece/blob/master/src/normalizer.cc
type charsmap struct {
	data  []byte // as the file has it
	units []byte // of 4 bytes
	texts string
}

func newCharsmap(data []byte) (*charsmap, error) {
	if len(data) < 4 {
		return nil, fmt.Errorf("%d bytes, want 4 or more", len(data))
	}
	size := int64(binary.LittleEndian.Uint32(data))
	if rest := int64(len(data) - 4); size == 0 || size%4 != 0 || size > rest {
		return nil, fmt.Errorf("a trie of %d bytes in %d", size, rest)
	}
	if texts := data[4+size:]; !utf8.Valid(texts) {
		return nil, errors.New("the replacements are not valid UTF-8")
	}
	return &charsmap{data: data, units: data[4 : 4+size], texts: string(data[4+size:])}, nil
}

func (c *charsmap) unit(at uint32) (u uint32, ok bool) {
	if uint64(at)*4+4 > uint64(len(c.units)) {
		return 0, false
	}
	return binary.LittleEndian.Uint32(c.units[at*4:]), true
}

// find yields the replacement of every string that s begins with, the shortest first, until yield returns false.
func (c *charsmap) find(s string, yield func(text string, n int) bool) {
	offset := func(u uint32) uint32 { return u >> 10 << (u & (1 << 9) >> 6) }
	u, _ := c.unit(0)
	at := offset(u)
	for i := range len(s) {
		if s[i] == 0 {
			return
		}
		at ^= uint32(s[i])
		u, ok := c.unit(at)
		if !ok || u&(1<<31|0xff) != uint32(s[i]) {
			return
		}
		at ^= offset(u)
		if u>>8&1 == 0 {
			continue
		}
		value, ok := c.unit(at)
		if value &= 1<<31 - 1; !ok || int64(value) > int64(len(c.texts)) {
			return
		}
		text, _, _ := strings.Cut(c.texts[value:], "\x00")
		if !yield(text, i+1) {
			return
		}
	}
}

// spmCharsNormalizer applies a map as SentencePiece does: the longest string that is in it is replaced, and user-defined
// pieces stay as they are. Extra spaces are removed on the way, where a replacement begins, not within.
type spmCharsNormalizer struct {
	*charsmap
	user             *trie
	collapse, escape bool
}

func (n spmCharsNormalizer) normalize(s string, b *budget) string {
	var out strings.Builder
	afterSpace := n.collapse
	for at := 0; at < len(s); {
		text, size := "", 0
		_, piece, looked := n.user.longest(s[at:])
		if piece > 0 {
			text, size = s[at:at+piece], piece
		} else {
			n.find(s[at:], func(t string, k int) bool { text, size = t, k; return true })
			looked += size
		}
		if size == 0 {
			_, size = utf8.DecodeRuneInString(s[at:])
			text = s[at : at+size]
		}
		if !b.spend(looked*trieWork+len(text)+mapWork) || !b.fits(out.Len()+len(text)) {
			return ""
		}
		at += size
		if afterSpace {
			text = strings.TrimLeft(text, " ")
		}
		if text != "" {
			afterSpace = n.collapse && strings.HasSuffix(text, " ")
		}
		out.WriteString(text)
	}
	if n.collapse {
		return trimSpaces(out.String(), n.escape)
	}
	return out.String()
}

// precompiledNormalizer applies a map as the tokenizers library does: to grapheme clusters of fewer than 6 bytes, or else
// to single characters, and of the strings in the map that one begins with it takes the shortest.
type precompiledNormalizer struct{ *charsmap }

func (n precompiledNormalizer) normalize(s string, b *budget) string {
	var out strings.Builder
	write := func(text string) bool {
		if !b.spend(len(text)+mapWork) || !b.fits(out.Len()+len(text)) {
			return false
		}
		out.WriteString(text)
		return true
	}
	replacement := func(s string) (text string, ok bool) {
		n.find(s, func(t string, _ int) bool { text, ok = t, true; return false })
		return text, ok
	}
	state := -1
	for s != "" {
		var cluster string
		if s[0] < utf8.RuneSelf && s[0] != '\r' && (len(s) == 1 || s[1] < utf8.RuneSelf) {
			cluster, s, state = s[:1], s[1:], -1
		} else {
			cluster, s, _, state = uniseg.FirstGraphemeClusterInString(s, state)
		}
		if len(cluster) < 6 {
			if text, ok := replacement(cluster); ok {
				if !write(text) {
					return ""
				}
				continue
			}
		}
		for at := 0; at < len(cluster); {
			_, size := utf8.DecodeRuneInString(cluster[at:])
			c := cluster[at : at+size]
			if text, ok := replacement(c); ok {
				c = text
			}
			if !write(c) {
				return ""
			}
			at += size
		}
	}
	return out.String()
}
