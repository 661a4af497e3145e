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
	Lost             // it was on the disk and could not be read
	Underway         // the beginning is known from requests that left no snapshot there, or not yet
	Reasons          // how many there are
)

var reasonNames = [...]string{"found", "empty", "other_salt_or_adapter", "no_common_beginning", "tokens_differ", "evicted", "unreadable", "no_snapshot_yet"}

// String returns the reason as metrics and protocols have it.
func (r Reason) String() string { return reasonNames[r] }

// MarshalText implements encoding.TextMarshaler.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Hit is what is kept of a prompt. It holds its snapshot in the cache until Take or Release.
type Hit struct {
	Pos    int // tokens that need not be computed, less than the prompt's; 0: all need be
	Kind   Kind
	Disk   bool // it has to be read from the disk first
	Reason Reason
	Known  int // tokens of the prompt that were known when it was announced

	path  *Path
	entry *entry
	at    int   // where its state is cut back to
	file  *file // with a deeper one
	depth int   // of that

	fetched *state.State // of file
}

// Match returns the deepest snapshot that the request can go on from: at least one token is left, whose pass gives logits.
func (p *Path) Match() *Hit {
	c, last := p.cache, len(p.tokens)-1
	h := &Hit{path: p, Known: min(p.Known, last)}
	for n := p.tail; n.parent != nil && h.entry == nil; n = n.parent {
		switch pos := min(n.depth, last); {
		case n.depth <= last && n.entry != nil:
			h.entry, h.at = n.entry, n.depth
			h.found(n.depth, n.entry.kind)
		case c.cuts && n.entries > 0 && pos > n.parent.depth && n.below().state.Reaches(pos):
			h.entry, h.at = n.below(), pos
			h.found(pos, h.entry.kind)
		case n.depth <= last && h.file == nil && n.onDisk(c.options.Disk) != nil:
			h.file, h.depth, h.Disk = n.file, n.depth, true
			h.found(n.depth, n.had)
		}
	}
	if h.Pos == 0 {
		h.Reason = p.reason()
	}
	if h.entry != nil {
		h.entry.pins++
	}
	return h
}

// found notes the deepest place.
func (h *Hit) found(pos int, kind Kind) {
	if pos > h.Pos {
		h.Pos, h.Kind = pos, kind
	}
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
// computed: that of the Hit; or less, if what is on the disk proves damaged or there is no room for it; or that of an empty
// sequence. Only the snapshot that was used counts as such, not those above it.
func (h *Hit) Take() *state.State {
	c := h.path.cache
	c.clock++
	var s *state.State
	if h.file != nil {
		s = h.load()
	}
	if s == nil && h.entry != nil {
		s, _ = h.entry.state.ForkAt(h.at) // Match has asked
		h.entry.last = c.clock
		if h.at == h.entry.node.depth { // else its tokens are others than the request's
			c.spill(h.entry.node, h.path.tokens, h.entry.state, h.entry.kind)
		}
	}
	if s == nil {
		s = c.arena.New()
	}
	if h.Release(); h.Pos > 0 && s.Pos() == 0 {
		h.Reason = Lost
	}
	c.count(func(t *Stats) { t.request(h, s.Pos()) })
	return s
}

// Fetch reads a snapshot that is on the disk, if there is room for it, so that Take need not. It alone of all may be called
// by another goroutine, which has to be done before Take or Release.
func (h *Hit) Fetch() {
	if h.file != nil && h.fetched == nil {
		c := h.path.cache
		h.fetched, _ = c.options.Disk.load(h.file, c.arena) // Take tries again
	}
}

// SameFile reports whether two Hits have to be read from one file on the disk: once that is done for one, the other finds it in memory.
func (h *Hit) SameFile(o *Hit) bool { return h.file != nil && h.file == o.file }

// Release lets go of the snapshot.
func (h *Hit) Release() {
	if h.fetched != nil {
		h.fetched.Free()
		h.fetched = nil
	}
	if h.entry != nil {
		h.entry.pins--
		h.entry = nil
	}
}
