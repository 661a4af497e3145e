package prefix

import (
	"sync"

	"jamba/model/state"
)

// Options are the bounds of a Cache.
type Options struct {
	Limit  int64  // bytes of all snapshots, those that they share counted once; 0: the arena's alone
	Known  int    // tokens of paths that stay known without a snapshot, 4 bytes each; 0: 4 Mi
	Policy Policy // which snapshot goes first; nil: ByReplay
	Disk   *Disk  // where snapshots are kept across restarts; nil: nowhere
}

// Kind says why a snapshot was kept.
type Kind uint8

// The kinds, the shortest-lived first.
const (
	Rolling  Kind = iota // how far an unfinished prompt is; gone when its request leaves a later snapshot
	Junction             // where a request left a known path
	Border               // the end of the system prompt and tools, the beginning of the last user message, a client's mark
	Turn                 // before the generation prompt
	End                  // the end of an answer
)

var kindNames = [...]string{"rolling", "junction", "border", "turn", "end"}

func (k Kind) String() string { return kindNames[k] }

// Cache keeps snapshots of sequences in one arena.
type Cache struct {
	arena   *state.Arena
	options Options
	cuts    bool // snapshots can be cut back

	roots map[Root]*node
	known int     // tokens of all labels
	paths []*Path // announced, in that order
	clock int64   // requests that have taken a state

	entries []*entry
	byID    map[int64]*entry
	parts   map[int]part
	scratch []state.Part
	ids     int64
	held    int64 // bytes of parts

	mu    sync.Mutex
	stats Stats
}

// New returns an empty Cache of sequences in arena. Close frees its memory.
func New(arena *state.Arena, o Options) *Cache {
	if o.Known == 0 {
		o.Known = 4 << 20
	}
	if o.Policy == nil {
		o.Policy = ByReplay
	}
	c := &Cache{arena: arena, options: o, cuts: true, roots: map[Root]*node{}, byID: map[int64]*entry{}, parts: map[int]part{}}
	for _, s := range arena.Specs() {
		c.cuts = c.cuts && s.KVHeads > 0
	}
	return c
}

// Close frees all snapshots, once those are on the disk that are on their way there.
func (c *Cache) Close() (err error) {
	if c.options.Disk != nil {
		err = c.options.Disk.close()
	}
	for len(c.entries) > 0 {
		c.drop(c.entries[len(c.entries)-1])
	}
	return err
}

// entry is a snapshot in memory.
type entry struct {
	id    int64
	at    int // in Cache.entries
	node  *node
	state *state.State
	kind  Kind
	last  int64 // when it was made or used, by Cache.clock
	own   int64 // bytes that no other entry shares
	pins  int   // of Hits
	path  *Path // that a rolling one is of
	other bool  // its conversation comes back by the other kind
}

// insert puts a snapshot, which it owns from then on, at a node. It returns the node's entry, nil if there is no room.
func (c *Cache) insert(n *node, s *state.State, kind Kind, other bool) *entry {
	if e := n.entry; e != nil {
		s.Free()
		n.count(e.kind, -1)
		e.kind = max(e.kind, kind)
		n.count(e.kind, 1)
		return e
	}
	c.ids++
	e := &entry{id: c.ids, at: len(c.entries), node: n, state: s, kind: kind, last: c.clock, other: other}
	n.entry, n.evicted = e, false
	n.count(kind, 1)
	c.entries = append(c.entries, e)
	c.byID[e.id] = e
	all := c.charge(e)
	c.count(nil)
	if limit := c.options.Limit; limit > 0 {
		for c.held > limit {
			victim := e
			if all <= limit {
				victim = c.worst(nil)
			}
			c.evict(victim)
			if victim == e {
				return nil
			}
		}
	}
	return e
}

// drop frees a snapshot.
func (c *Cache) drop(e *entry) {
	c.discharge(e)
	e.node.entry = nil
	e.node.count(e.kind, -1)
	last := c.entries[len(c.entries)-1]
	c.entries[e.at], last.at = last, e.at
	c.entries = c.entries[:len(c.entries)-1]
	delete(c.byID, e.id)
	if e.path != nil {
		e.path.rolling = nil
	}
	e.state.Free()
	c.count(nil)
}

// part is a page or a slot that entries refer to.
type part struct {
	refs   int
	bytes  int64
	owners int64 // the ids of those entries, xor-ed: with one of them its id
}

// charge counts what an entry refers to, and returns how many bytes that is, shared or not.
func (c *Cache) charge(e *entry) (all int64) {
	c.scratch = e.state.Parts(c.scratch[:0])
	for _, sp := range c.scratch {
		p := c.parts[sp.ID]
		switch p.refs {
		case 0:
			p.bytes = sp.Bytes
			c.held += p.bytes
			e.own += p.bytes
		case 1:
			c.byID[p.owners].own -= p.bytes
		}
		p.refs++
		p.owners ^= e.id
		c.parts[sp.ID] = p
		all += p.bytes
	}
	return all
}

// discharge is the opposite of charge.
func (c *Cache) discharge(e *entry) {
	c.scratch = e.state.Parts(c.scratch[:0])
	for _, sp := range c.scratch {
		p := c.parts[sp.ID]
		p.refs--
		p.owners ^= e.id
		switch p.refs {
		case 0:
			c.held -= p.bytes
			delete(c.parts, sp.ID)
			continue
		case 1:
			c.byID[p.owners].own += p.bytes
		}
		c.parts[sp.ID] = p
	}
}
