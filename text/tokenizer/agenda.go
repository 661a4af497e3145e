package tokenizer

import (
	"slices"
	"sync"
	"unicode/utf8"
)

// A merge that could be made next. The lowest rank goes first, among equals the leftmost.
type pending struct {
	rank  int32
	left  int32 // index of the left symbol
	check int32 // tells whether the symbols are still those the merge was meant for
}

func (p pending) before(q pending) bool {
	return p.rank < q.rank || p.rank == q.rank && p.left < q.left
}

// An agenda is a binary heap of merges. It makes n merges over n symbols O(n log n).
type agenda []pending

func (a *agenda) push(p pending) {
	h := append(*a, p)
	i := len(h) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !p.before(h[parent]) {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = p
	*a = h
}

func (a *agenda) pop() pending {
	h := *a
	top, last := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	*a = h
	if len(h) == 0 {
		return top
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1].before(h[child]) {
			child++
		}
		if !h[child].before(last) {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = last
	return top
}

// A symbol is a token under construction in a doubly linked list over the text.
type symbol struct {
	prev, next int32 // -1 at the ends
	id         int32 // BPE: token id
	lo, hi     int32 // SentencePiece: the part of the text
	state      symbolState
}

type symbolState uint8

const (
	live   symbolState = iota
	frozen             // never merges
	gone               // merged into its left neighbour
)

// unlink merges symbol right, the successor of left, away.
func unlink(syms []symbol, left, right int32) {
	next := syms[right].next
	syms[left].next = next
	if next >= 0 {
		syms[next].prev = left
	}
	syms[right].state = gone
}

// link sets prev and next of all symbols to their neighbours.
func link(syms []symbol) {
	for i := range syms {
		syms[i].prev, syms[i].next = int32(i)-1, int32(i)+1
	}
	if n := len(syms); n > 0 {
		syms[n-1].next = -1
	}
}

// scratch is the memory of one encode call.
type scratch struct {
	symbols []symbol
	agenda  agenda
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// keepScratch bounds the symbols of a scratch that is kept for reuse, so that one long text does not pin
// its memory.
const keepScratch = 1 << 14

func getScratch() *scratch {
	s := scratches.Get().(*scratch)
	s.symbols, s.agenda = s.symbols[:0], s.agenda[:0]
	return s
}

// grow makes room for a symbol for each character of text at once: that of a long text takes its memory once, not all the lengths that
// came before it, too.
func (s *scratch) grow(text string) {
	s.symbols = slices.Grow(s.symbols, utf8.RuneCountInString(text))
}

func (s *scratch) release() {
	if cap(s.symbols) <= keepScratch {
		scratches.Put(s)
	}
}
