package prefix

import (
	"cmp"
	"slices"
)

// Root separates requests that must not share: those of different salts, and what different adapters computed.
type Root struct {
	Salt    string
	Adapter any // comparable; nil: none
	// Disk names the adapter's weights across restarts. With an adapter and without a name nothing of the root is kept on the
	// disk.
	Disk string
}

// node is a position of the tree: that of the tokens on the way to it.
type node struct {
	root     Root
	parent   *node
	label    []int32         // tokens from parent to here
	depth    int             // tokens from the root to here
	children map[int32]*node // by the first token of their labels

	entry   *entry
	file    *file
	spilled bool  // a snapshot is on its way to the disk
	evicted bool  // it had a snapshot
	had     Kind  // of that
	entries int   // snapshots here and below
	ends    int   // those of them at ends of answers
	paths   int   // announced paths that end here or below
	seen    int64 // when a request came by, by Cache.clock
}

// walk returns the deepest node that tokens go through, and how many of them are known: more than its depth if they end or
// leave on the way to its child.
func (n *node) walk(tokens []int32) (at *node, known int) {
	for n.depth < len(tokens) {
		child := n.children[tokens[n.depth]]
		if child == nil {
			break
		}
		k := common(child.label, tokens[n.depth:])
		if k < len(child.label) {
			return n, n.depth + k
		}
		n = child
	}
	return n, n.depth
}

// common returns how many tokens two sequences begin with alike.
func common(a, b []int32) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// grow returns the node at the end of tokens, which it makes if there is none. added is how many of them were not known.
func (n *node) grow(tokens []int32, now int64) (end *node, added int) {
	at, known := n.walk(tokens)
	if known > at.depth {
		at = at.children[tokens[at.depth]].split(known - at.depth)
	}
	if added = len(tokens) - known; added > 0 {
		leaf := &node{root: at.root, parent: at, label: slices.Clone(tokens[known:]), depth: len(tokens)}
		at.adopt(leaf)
		at = leaf
	}
	for n := at; n != nil; n = n.parent {
		n.seen = now
	}
	return at, added
}

// split puts a node behind the first k tokens of n's label. Both parts get memory of their own, so that either can go.
func (n *node) split(k int) *node {
	mid := &node{root: n.root, parent: n.parent, label: slices.Clone(n.label[:k]), depth: n.parent.depth + k, entries: n.entries, ends: n.ends, paths: n.paths, seen: n.seen}
	n.parent.adopt(mid)
	n.label, n.parent = slices.Clone(n.label[k:]), mid
	mid.adopt(n)
	return mid
}

func (n *node) adopt(child *node) {
	if n.children == nil {
		n.children = map[int32]*node{}
	}
	n.children[child.label[0]] = child
}

// count adds to the number of snapshots of n and all above it.
func (n *node) count(kind Kind, by int) {
	for ; n != nil; n = n.parent {
		n.entries += by
		if kind == End {
			n.ends += by
		}
	}
}

// announce adds to the number of paths of n and all above it.
func (n *node) announce(by int) {
	for ; n != nil; n = n.parent {
		n.paths += by
	}
}

// base returns the position of the nearest snapshot above n.
func (n *node) base() int {
	for up := n.parent; up != nil; up = up.parent {
		if up.entry != nil {
			return up.depth
		}
	}
	return 0
}

// below returns the nearest snapshots at or below n: those from which n's position can be reached by cutting back. The one
// with the fewest tokens comes first.
func (n *node) below() *entry {
	if n.entries == 0 {
		return nil
	}
	if n.entry != nil {
		return n.entry
	}
	var best *entry
	for _, c := range n.children {
		if e := c.below(); e != nil && (best == nil || cmp.Or(cmp.Compare(e.node.depth, best.node.depth), cmp.Compare(e.id, best.id)) < 0) {
			best = e
		}
	}
	return best
}

// bare reports whether n may be forgotten: nothing is below it, ends there or is kept there.
func (n *node) bare() bool {
	return len(n.children) == 0 && n.entry == nil && n.file == nil && n.paths == 0
}

// forget removes bare nodes, those that no request came by for the longest time first, until at most limit tokens are known.
func (c *Cache) forget(limit int) {
	for c.known > limit {
		var leaves []*node
		for _, r := range c.roots {
			leaves = r.leaves(leaves, c.options.Disk)
		}
		if len(leaves) == 0 {
			return
		}
		slices.SortFunc(leaves, func(a, b *node) int { return cmp.Compare(a.seen, b.seen) })
		for _, n := range leaves {
			if c.known <= limit {
				break
			}
			c.remove(n)
		}
	}
}

// leaves appends the bare nodes at and below n.
func (n *node) leaves(to []*node, d *Disk) []*node {
	n.onDisk(d) // it may be gone
	if n.bare() {
		return append(to, n)
	}
	for _, c := range n.children {
		to = c.leaves(to, d)
	}
	return to
}

// remove takes a bare node out of the tree.
func (c *Cache) remove(n *node) {
	if n.parent == nil {
		delete(c.roots, n.root)
		return
	}
	c.known -= len(n.label)
	p := n.parent
	delete(p.children, n.label[0])
	if p.parent == nil || len(p.children) != 1 || p.entry != nil || p.file != nil || p.evicted || c.ends(p) {
		return
	}
	// The rest of a fork is no fork.
	for _, only := range p.children {
		only.label, only.parent = slices.Concat(p.label, only.label), p.parent
		p.parent.adopt(only)
	}
}

// ends reports whether an announced path ends at n.
func (c *Cache) ends(n *node) bool {
	below := 0
	for _, child := range n.children {
		below += child.paths
	}
	return n.paths > below
}
