package state

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"jamba/internal/kernel"
)

// State is the memory of one sequence. It is not safe for concurrent use.
type State struct {
	arena  *Arena
	pos    int
	slot   *slot // of the states of Mamba at pos; nil: zeroes, or there are no Mamba layers
	tables []table
	next   growth
}

// table is the pages of a group of layers.
type table struct {
	pages []*page         // nil: wholly before the window
	views [][]kernel.Page // for each layer of the group, as kernel.Attention wants them
}

// growth is what is reserved for a pass.
type growth struct {
	n     int     // tokens; 0: nothing is reserved
	cuts  []int   // positions at which states are kept, ascending, the last pos+n
	slots []*slot // for each cut
}

// New returns the state of an empty sequence in the arena. It takes no memory yet.
func (a *Arena) New() *State {
	s := &State{arena: a, tables: make([]table, len(a.groups))}
	for g := range s.tables {
		s.tables[g].views = make([][]kernel.Page, len(a.groups[g].layers))
	}
	return s
}

// New returns the state of an empty sequence in an arena of its own, without a limit, which the garbage collector frees
// with it.
func New(specs []Spec) *State { return NewArena(specs, 0).New() }

// Arena returns the arena that s is in.
func (s *State) Arena() *Arena { return s.arena }

// Pos returns the number of tokens that the state has seen.
func (s *State) Pos() int { return s.pos }

// Reserve takes the memory that a pass over n further tokens writes to, n > 0, and for Forks at the positions cuts, ascending,
// of [pos, pos+n]. If there is too little, the error wraps ErrFull and nothing has changed.
//
// A page that others refer to is copied first. Until Commit or Rollback the state may be used for that pass alone.
func (s *State) Reserve(n int, cuts []int) error {
	if s.next.n > 0 || n < 1 {
		return fmt.Errorf("state: Reserve of %d tokens, %d are reserved", n, s.next.n)
	}
	last := s.pos
	for _, c := range cuts {
		if c < last || c > s.pos+n {
			return fmt.Errorf("state: a cut at position %d of a pass over the positions %d to %d", c, s.pos, s.pos+n)
		}
		last = c
	}
	groups, end := s.pagesFor(n)
	s.next.cuts = append(append(s.next.cuts[:0], cuts...), s.pos+n)
	s.next.slots = s.next.slots[:0]
	if s.arena.slotSize > 0 {
		s.next.slots = slices.Grow(s.next.slots, len(s.next.cuts))[:len(s.next.cuts)]
	}
	var pages []*page
	if len(groups) > 0 {
		pages = make([]*page, len(groups))
	}
	if err := s.arena.take(pages, groups, s.next.slots); err != nil {
		s.next.slots = s.next.slots[:0]
		return err
	}
	for g := range s.tables {
		t := &s.tables[g]
		if s.writesShared(g) {
			own, at := pages[0], len(t.pages)-1
			pages = pages[1:]
			own.copyFrom(t.pages[at])
			s.arena.release(t.pages[at:])
			t.set(at, own)
		}
		for len(t.pages) < end {
			t.set(len(t.pages), pages[0])
			pages = pages[1:]
		}
	}
	s.next.n = n
	return nil
}

// Needs returns the bytes that a Reserve of n tokens with so many cuts takes from the arena.
func (s *State) Needs(n, cuts int) int64 {
	groups, _ := s.pagesFor(n)
	total := int64(0)
	if s.arena.slotSize > 0 {
		total = int64(cuts+1) * s.arena.slotBytes()
	}
	for _, g := range groups {
		total += s.arena.groups[g].size()
	}
	return total
}

// pagesFor returns the groups that need a page for the next n tokens, each as often as it needs one, first the group's copy of
// a page that is shared; and how many pages each group has then.
func (s *State) pagesFor(n int) (groups []int, end int) {
	end = (s.pos + n + kernel.PageLen - 1) / kernel.PageLen
	for g := range s.tables {
		if s.writesShared(g) {
			groups = append(groups, g)
		}
		for range end - len(s.tables[g].pages) {
			groups = append(groups, g)
		}
	}
	return groups, end
}

// writesShared reports whether the next token is written into a page that others refer to, too.
func (s *State) writesShared(g int) bool {
	t := &s.tables[g]
	return s.pos%kernel.PageLen > 0 && s.arena.shared(t.pages[len(t.pages)-1])
}

// set puts a page at place i, the last or one behind.
func (t *table) set(i int, p *page) {
	t.pages = append(t.pages[:i], p)
	for layer := range t.views {
		t.views[layer] = append(t.views[layer][:i], p.layers[layer])
	}
}

// cut drops the pages from place i on, and returns them; they are valid until the next is set.
func (t *table) cut(i int) []*page {
	gone := t.pages[min(i, len(t.pages)):]
	t.pages = t.pages[:len(t.pages)-len(gone)]
	for layer, v := range t.views {
		clear(v[len(t.pages):])
		t.views[layer] = v[:len(t.pages)]
	}
	return gone
}

// Commit moves on by the tokens that were reserved for, once every layer has stored them, and returns a Fork for each cut:
// the caller frees them.
func (s *State) Commit() []*State {
	var kept []*State
	for i, at := range s.next.cuts[:len(s.next.cuts)-1] {
		f := s.fork(at)
		if s.arena.slotSize > 0 {
			f.slot = s.next.slots[i] // the reference moves
		}
		kept = append(kept, f)
	}
	s.arena.release(nil, s.slot)
	if n := len(s.next.slots); n > 0 {
		s.slot = s.next.slots[n-1]
	}
	s.pos += s.next.n
	s.next.n = 0
	clear(s.next.slots)
	s.next.slots = s.next.slots[:0]
	for g := range s.tables {
		s.leave(g)
	}
	return kept
}

// leave frees a group's pages that no token from pos on can see.
func (s *State) leave(g int) {
	window := s.arena.groups[g].window
	if window == 0 {
		return
	}
	t := &s.tables[g]
	for p := (s.pos-window+1)/kernel.PageLen - 1; p >= 0 && t.pages[p] != nil; p-- {
		s.arena.release(t.pages[p : p+1])
		t.pages[p] = nil
		for layer := range t.views {
			t.views[layer][p] = kernel.Page{}
		}
	}
}

// Rollback frees what was reserved: the state is that of before.
func (s *State) Rollback() {
	if s.next.n == 0 {
		return
	}
	s.arena.release(nil, s.next.slots...)
	clear(s.next.slots)
	s.next.slots, s.next.n = s.next.slots[:0], 0
	for g := range s.tables {
		s.arena.release(s.tables[g].cut((s.pos + kernel.PageLen - 1) / kernel.PageLen))
	}
}

// Fork returns a State like s that shares its memory until either is written to. The caller frees it.
func (s *State) Fork() *State {
	f := s.fork(s.pos)
	if f.slot = s.slot; s.slot != nil {
		s.arena.retain(nil, s.slot)
	}
	return f
}

// fork returns a State that shares the pages of the positions before pos, without a slot.
func (s *State) fork(pos int) *State {
	f := s.arena.New()
	f.pos = pos
	n := (pos + kernel.PageLen - 1) / kernel.PageLen
	for g := range s.tables {
		t, own := &s.tables[g], &f.tables[g]
		own.pages = slices.Clone(t.pages[:n])
		for layer, v := range t.views {
			own.views[layer] = slices.Clone(v[:n])
		}
		s.arena.retain(own.pages, nil)
	}
	return f
}

// Return makes s what f is, a Fork of the same arena that stays as it is: a way back.
func (s *State) Return(f *State) {
	next := f.Fork()
	s.Free()
	*s = *next
}

// Free gives all of the state's memory back to the arena. It is the state of an empty sequence then, which may be used on.
func (s *State) Free() {
	s.Rollback()
	for g := range s.tables {
		s.arena.release(s.tables[g].cut(0))
	}
	s.arena.release(nil, s.slot)
	s.pos, s.slot = 0, nil
}

// Fill makes s the state of a sequence of n tokens that was never computed, with random content: a benchmark's way to a
// depth. Memory that s has is used again. All pages have the same content: making more would take longer than what is measured.
func (s *State) Fill(n int, r *rand.Rand) error {
	s.Free()
	var keys, values []float32
	for s.pos < n {
		k := min(kernel.PageLen, n-s.pos)
		if err := s.Reserve(k, nil); err != nil {
			return err
		}
		for i, spec := range s.arena.specs {
			if spec.KVHeads > 0 {
				size := kernel.PageLen * spec.KVHeads * spec.HeadDim
				for len(keys) < size {
					keys, values = append(keys, r.Float32()-0.5), append(values, r.Float32()-0.5)
				}
				size = k * spec.KVHeads * spec.HeadDim
				_ = s.KV(i).Store(s.pos, keys[:size], values[:size]) // they are small
			} else if s.pos+k == n {
				conv, h := s.arena.parts(i, s.next.slots[0])
				for _, x := range [][]float32{conv, h} {
					for j := range x {
						x[j] = r.Float32() - 0.5
					}
				}
			}
		}
		s.Commit()
	}
	return nil
}
