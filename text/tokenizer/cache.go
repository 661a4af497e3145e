package tokenizer

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync/atomic"
)

// A wordCache remembers the ids of short words. It is a direct-mapped table: a word is kept in the one
// slot its hash names and replaces what was there, so the size is bounded and no lock is needed.
type wordCache struct {
	slots [cacheSlots]atomic.Pointer[cachedWord]
}

type cachedWord struct {
	word string
	ids  []int32
}

const (
	cacheSlots    = 1 << 14
	maxCachedWord = 48 // bytes
)

var cacheSeed = maphash.MakeSeed()

// encode appends the ids of word to dst, from the cache or from f.
func (c *wordCache) encode(dst []int32, word string, f func(dst []int32, word string) []int32) []int32 {
	slot := &c.slots[maphash.String(cacheSeed, word)%cacheSlots]
	if w := slot.Load(); w != nil && w.word == word {
		return append(dst, w.ids...)
	}
	n := len(dst)
	dst = f(dst, word)
	slot.Store(&cachedWord{strings.Clone(word), slices.Clone(dst[n:])})
	return dst
}
