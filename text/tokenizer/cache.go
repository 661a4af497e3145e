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

// get returns the ids of word, if they are remembered.
func (c *wordCache) get(word string) (ids []int32, ok bool) {
	if w := c.slot(word).Load(); w != nil && w.word == word {
		return w.ids, true
	}
	return nil, false
}

// put remembers the ids of word.
func (c *wordCache) put(word string, ids []int32) {
	c.slot(word).Store(&cachedWord{strings.Clone(word), slices.Clone(ids)})
}

func (c *wordCache) slot(word string) *atomic.Pointer[cachedWord] {
	return &c.slots[maphash.String(cacheSeed, word)%cacheSlots]
}
