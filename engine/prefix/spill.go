package prefix

import (
	"slices"

	"jamba/model/state"
)

// takeUp takes what is on the disk for a root into its tree.
func (c *Cache) takeUp(root *node) {
	d := c.options.Disk
	if d == nil {
		return
	}
	if at, ok := root.root.shelf(); ok {
		for _, f := range d.take(at) {
			n := c.grow(root, f.book.tokens)
			n.file, n.had, f.book = f, f.book.kind, nil
		}
	}
}

// collect takes what was written since the last time into the tree.
func (c *Cache) collect() {
	if c.options.Disk == nil {
		return
	}
	for _, j := range c.options.Disk.finished() {
		j.node.spilled = false
		if j.file == nil {
			continue // it could not be written
		}
		if root := c.roots[j.root]; root != nil {
			c.grow(root, j.book.tokens).file = j.file
		} else {
			j.file.book = j.book // for the next time that there is one
		}
	}
}

// spill has a snapshot written to the disk, unless it is there or on its way. tokens begin with the way to it.
func (c *Cache) spill(n *node, tokens []int32, s *state.State, kind Kind) {
	d := c.options.Disk
	if d == nil || kind == Rolling || n.spilled {
		return
	}
	at, ok := n.root.shelf()
	if !ok || n.depth > mostTokens || n.onDisk(d) != nil {
		return
	}
	n.spilled = d.offer(&job{book: &book{at, kind, slices.Clone(tokens[:n.depth])}, root: n.root, node: n, state: s.Fork()})
}

// Writing reports whether snapshots are on their way to the disk, whose memory comes back then.
func (c *Cache) Writing() bool { return c.options.Disk != nil && c.options.Disk.pending.Load() > 0 }

// onDisk returns the file of a node, nil if there is none any more.
func (n *node) onDisk(d *Disk) *file {
	if n.file != nil && !d.there(n.file) {
		n.file = nil
	}
	return n.file
}

// load reads a hit's snapshot from the disk, keeps it in memory and returns a Fork; nil if that cannot be.
func (h *Hit) load() *state.State {
	c := h.path.cache
	d := c.options.Disk
	if h.Fetch(); h.fetched == nil && d.there(h.file) {
		// There was no room for it.
		need := state.Bytes(c.arena.Specs(), h.depth) - max(0, c.arena.Limit()-c.arena.Used())
		if c.Evictable() < need {
			d.abandon()
		}
		if need > 0 && c.Evictable() >= need { // the others go only if that is enough
			c.Evict(need)
			h.Fetch()
		}
	}
	if h.fetched == nil {
		return nil
	}
	fork := h.fetched.Fork()
	if e := c.insert(c.grow(h.path.root, h.path.tokens[:h.depth]), h.fetched, h.Kind, false); e != nil {
		e.last = c.clock
	}
	h.fetched = nil // the cache's
	return fork
}
