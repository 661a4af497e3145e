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

// onDisk returns the file of a node, nil if there is none any more.
func (n *node) onDisk(d *Disk) *file {
	if n.file != nil && !d.there(n.file) {
		n.file = nil
	}
	return n.file
}

// load reads a snapshot from the disk, puts it at its node and returns a Fork; nil if that cannot be.
func (c *Cache) load(n *node) *state.State {
	d := c.options.Disk
	for range 2 {
		s, err := d.load(n.file, c.arena)
		if err == nil {
			fork := s.Fork()
			if e := c.insert(n, s, n.had, false); e != nil {
				e.last = c.clock
			}
			return fork
		}
		if n.onDisk(d) == nil {
			return nil
		}
		// There was no room for it.
		need := state.Bytes(c.arena.Specs(), n.depth) - max(0, c.arena.Limit()-c.arena.Used())
		if c.Evictable() < need {
			d.abandon()
		}
		if need <= 0 || c.Evictable() < need {
			return nil // the others are worth more than nothing
		}
		c.Evict(need)
	}
	return nil
}
