package prefix

import (
	"slices"

	"jamba/model/state"
)

// Path is the way of one request's prompt through the tree.
type Path struct {
	Owner any // for the caller
	// Known is how many tokens of the prompt were known when it was announced: with some of the prompt left, the junction.
	Known int

	cache   *Cache
	root    *node
	tokens  []int32
	tail    *node
	number  int64 // in the order of announcement
	done    int   // tokens that are computed
	rolling *entry
	via     Kind // of the deepest snapshot on the way, be it evicted: how the conversation came back
}

// Announce makes a request's prompt known, so that others find it while it is computed. tokens is not to be changed until
// Retire, which is to be called in any case.
func (c *Cache) Announce(r Root, tokens []int32) *Path {
	c.collect()
	root := c.roots[r]
	if root == nil {
		root = &node{root: r}
		c.roots[r] = root
		c.takeUp(root)
	}
	c.ids++
	p := &Path{cache: c, root: root, tokens: tokens, number: c.ids}
	_, p.Known = root.walk(tokens)
	p.tail = c.grow(root, tokens)
	p.tail.announce(1)
	p.via = p.cameBy()
	c.paths = append(c.paths, p)
	c.forget(c.options.Known)
	return p
}

// cameBy returns the kind of the deepest snapshot on the way that there is or was.
func (p *Path) cameBy() Kind {
	for n := p.tail; n.parent != nil; n = n.parent {
		switch {
		case n.depth >= len(p.tokens):
		case n.entry != nil:
			return n.entry.kind
		case n.evicted:
			return n.had
		}
	}
	return Rolling
}

func (c *Cache) grow(root *node, tokens []int32) *node {
	n, added := root.grow(tokens, c.clock)
	c.known += added
	return n
}

// Retire ends a request. Its tokens stay known for a while, and its snapshots are anybody's.
func (p *Path) Retire() {
	c := p.cache
	i := slices.Index(c.paths, p)
	if i < 0 {
		return
	}
	c.paths = slices.Delete(c.paths, i, i+1)
	p.tail.announce(-1)
	if p.rolling != nil {
		p.rolling.path = nil
		p.rolling = nil
	}
	c.forget(c.options.Known)
}

// Advance tells that the first n tokens of the request are computed.
func (p *Path) Advance(n int) { p.done = n }

// Leader returns the request that computes the longest common beginning with p that is still to be computed, of those that
// were announced before p, and how long that is, less than p's prompt. The leader can keep a snapshot there for p, which
// need not compute it. It is nil if there is none.
func (p *Path) Leader() (lead *Path, at int) {
	on := map[*node]bool{}
	for n := p.tail; n != nil; n = n.parent {
		on[n] = true
	}
	for _, q := range p.cache.paths {
		if q == p {
			break
		}
		if q.root != p.root {
			continue
		}
		n := q.tail
		for !on[n] {
			n = n.parent
		}
		if k := min(n.depth, len(p.tokens)-1); k > at && k > p.done && k >= q.done {
			lead, at = q, k
		}
	}
	return lead, at
}

// Insert gives the cache a snapshot of a sequence that has seen the first tokens of tokens: the request's prompt, and more of
// its answer. It is the cache's from then on, which frees it at once where there is one already or no room.
func (p *Path) Insert(tokens []int32, s *state.State, kind Kind) {
	c := p.cache
	if s.Pos() < 1 || s.Pos() > len(tokens) {
		s.Free()
		return
	}
	n := c.grow(p.root, tokens[:s.Pos()])
	if old := p.rolling; old != nil && old.node.depth < s.Pos() && old.pins == 0 {
		c.drop(old)
	}
	there := n.entry != nil
	c.spill(n, tokens, s, kind)
	e := c.insert(n, s, kind, p.via == Turn && kind == End || p.via == End && kind == Turn)
	if e != nil && !there {
		c.count(func(s *Stats) { s.Taken++ })
		if kind == Rolling {
			e.path, p.rolling = p, e
		}
	}
	c.forget(c.options.Known)
}
