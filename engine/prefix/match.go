package prefix

import "jamba/model/state"

// Reason says why nothing of a prompt was found.
type Reason uint8

// The reasons.
const (
	Found     Reason = iota
	Empty            // nothing is kept
	OtherRoot        // there are snapshots of other salts or adapters alone
	Beginning        // no snapshot begins with the same two tokens
	Differs          // the tokens differ before the first snapshot
	Evicted          // there was a snapshot
	Underway         // the beginning is known from requests that left no snapshot there, or not yet
	Reasons          // how many there are
)

var reasonNames = [...]string{"found", "empty", "other salt or adapter", "no common beginning", "tokens differ", "evicted", "no snapshot yet"}

func (r Reason) String() string { return reasonNames[r] }

// Hit is what is kept of a prompt. It holds its snapshot in the cache until Take or Release.
type Hit struct {
	Pos    int // tokens that need not be computed, less than the prompt's; 0: all need be
	Kind   Kind
	Reason Reason
	Known  int // tokens of the prompt that were known when it was announced

	path  *Path
	entry *entry
}

// Match returns the deepest snapshot that the request can go on from: at least one token is left, whose pass gives logits.
func (p *Path) Match() *Hit {
	c, last := p.cache, len(p.tokens)-1
	h := &Hit{path: p, Known: min(p.Known, last)}
	for n := p.tail; n.parent != nil && h.entry == nil; n = n.parent {
		switch pos := min(n.depth, last); {
		case n.depth <= last && n.entry != nil:
			h.entry, h.Pos = n.entry, n.depth
		case c.cuts && n.entries > 0 && pos > n.parent.depth:
			if e := n.below(); e.state.Reaches(pos) {
				h.entry, h.Pos = e, pos
			}
		}
	}
	if h.entry == nil {
		h.Reason = p.reason()
		return h
	}
	h.Kind = h.entry.kind
	h.entry.pins++
	return h
}

// reason says why there is no snapshot on the way.
func (p *Path) reason() Reason {
	c := p.cache
	for n := p.tail; n != nil; n = n.parent {
		if n.evicted {
			return Evicted
		}
	}
	switch {
	case len(c.entries) == 0 && p.Known == 0:
		return Empty
	case len(c.entries) > 0 && p.root.entries == 0:
		return OtherRoot
	case p.root.entries > 0 && p.Known < 2:
		return Beginning
	}
	for n := p.tail; n.parent != nil; n = n.parent {
		if n.entries > 0 {
			return Differs
		}
	}
	return Underway
}

// Take returns the state to go on from, the caller's, and counts the request. Its Pos is how many tokens need not be
// computed: that of the Hit, or of an empty sequence. Only the snapshot that was used counts as such, not those above it.
func (h *Hit) Take() *state.State {
	c := h.path.cache
	c.clock++
	s := c.arena.New()
	if e := h.entry; e != nil {
		s, _ = e.state.ForkAt(h.Pos) // Match has asked
		e.last = c.clock
	}
	h.Release()
	c.count(func(t *Stats) { t.request(h, s.Pos()) })
	return s
}

// Release lets go of the snapshot.
func (h *Hit) Release() {
	if h.entry != nil {
		h.entry.pins--
		h.entry = nil
	}
}
