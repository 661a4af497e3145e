package prefix

import (
	"cmp"
	"math"
)

// Use is what is known of a snapshot's use.
type Use struct {
	Replay   int   // tokens that have to be computed again without it
	Bytes    int64 // what it alone takes
	Age      int64 // requests that came since it was made or used, at least 1
	Unlikely bool  // to be used again
}

// Policy gives the worth of a snapshot: the least goes first.
type Policy func(Use) float64

// unlikely is how many times older a snapshot counts that is not likely to be used again.
const unlikely = 16

// ByReplay is tokens to replay by bytes freed by age.
func ByReplay(u Use) float64 {
	if u.Replay == 0 {
		return 0
	}
	if u.Unlikely {
		u.Age *= unlikely
	}
	return float64(u.Replay) / float64(u.Bytes) / float64(u.Age)
}

// ByAge is the least recently used.
func ByAge(u Use) float64 { return -float64(u.Age) }

// worth returns what an entry is worth.
func (c *Cache) worth(e *entry) float64 {
	n := e.node
	u := Use{Replay: n.depth - n.base(), Bytes: e.own, Age: c.clock - e.last + 1, Unlikely: e.other || n.passed()}
	if c.cuts && n.entries > 1 {
		u.Replay = 0 // one below can be cut back
	}
	return c.options.Policy(u)
}

// passed reports whether the conversation of a snapshot has gone on and left one further on, and no other part here. That
// of an answer's end does not count: it may not come back as it was.
func (n *node) passed() bool {
	if len(n.children) != 1 {
		return false
	}
	for _, next := range n.children {
		return next.entries > next.ends
	}
	return false
}

// worst returns the entry that is to go first of those that may go and that want selects, nil if there is none.
func (c *Cache) worst(want func(*entry) bool) (worst *entry) {
	least := math.Inf(1)
	for _, e := range c.entries {
		if e.pins > 0 {
			continue
		}
		w := c.worth(e)
		if worst != nil && cmp.Or(cmp.Compare(w, least), cmp.Compare(e.last, worst.last), cmp.Compare(e.id, worst.id)) > 0 {
			continue
		}
		if want == nil || want(e) {
			worst, least = e, w
		}
	}
	return worst
}

// evict frees a snapshot to make room.
func (c *Cache) evict(e *entry) {
	e.node.evicted, e.node.had = true, e.kind
	c.drop(e)
	c.count(func(s *Stats) { s.Evictions++ })
}

// Evictable returns how many bytes Evict can give back to the arena now: what snapshots hold that no sequence shares.
func (c *Cache) Evictable() (bytes int64) {
	pinned := map[int]int{}
	for _, e := range c.entries {
		if e.pins > 0 {
			for _, p := range e.state.Parts(nil) {
				pinned[p.ID]++
			}
		}
	}
	seen := map[int]bool{}
	for _, e := range c.entries {
		c.scratch = e.state.Parts(c.scratch[:0])
		for _, p := range c.scratch {
			if !seen[p.ID] && pinned[p.ID] == 0 && p.Refs == c.parts[p.ID].refs {
				seen[p.ID] = true
				bytes += p.Bytes
			}
		}
	}
	return bytes
}

// Evict frees snapshots, the least worth first, until need bytes have gone back to the arena or no snapshot is left whose
// memory is not in use elsewhere. It returns how many have.
func (c *Cache) Evict(need int64) (freed int64) {
	for freed < need {
		e := c.worst(func(e *entry) bool { return e.state.Exclusive() > 0 })
		if e == nil {
			// Some may share memory with each other alone.
			e = c.worst(c.sharesWithin)
		}
		if e == nil {
			break
		}
		freed += e.state.Exclusive()
		c.evict(e)
	}
	if d := c.options.Disk; d != nil && freed < need {
		before := c.arena.Used()
		d.abandon()
		freed += before - c.arena.Used()
	}
	return freed
}

// sharesWithin reports whether an entry has memory that only entries refer to.
func (c *Cache) sharesWithin(e *entry) bool {
	c.scratch = e.state.Parts(c.scratch[:0])
	for _, p := range c.scratch {
		if p.Refs == c.parts[p.ID].refs {
			return true
		}
	}
	return false
}
