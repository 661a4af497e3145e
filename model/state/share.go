package state

import "jamba/internal/kernel"

// Exclusive returns the bytes that Free would give back to the arena: those of pages and slots that no other State refers to.
func (s *State) Exclusive() (bytes int64) {
	a := s.arena
	a.mu.Lock()
	defer a.mu.Unlock()
	for g := range s.tables {
		for _, p := range s.tables[g].pages {
			if p != nil && p.refs == 1 {
				bytes += a.groups[g].size()
			}
		}
	}
	if s.slot != nil && s.slot.refs == 1 {
		bytes += a.slotBytes()
	}
	return bytes
}

// Part is a page or a slot that a State refers to, which others may refer to, too.
type Part struct {
	ID    int // equal for the same memory of an arena
	Bytes int64
	Refs  int // of States, at this moment
}

// Parts appends the parts that s refers to, each once. Those of a State that nothing is reserved for do not change.
func (s *State) Parts(parts []Part) []Part {
	a := s.arena
	a.mu.Lock()
	defer a.mu.Unlock()
	for g := range s.tables {
		for _, p := range s.tables[g].pages {
			if p != nil {
				parts = append(parts, Part{p.id, a.groups[g].size(), p.refs})
			}
		}
	}
	if s.slot != nil {
		parts = append(parts, Part{s.slot.id, a.slotBytes(), s.slot.refs})
	}
	return parts
}

// Reaches reports whether s can be cut back to an earlier position: there are no Mamba layers, which keep no history, and
// no window has dropped what the next token sees from there.
func (s *State) Reaches(pos int) bool {
	switch {
	case pos < 0 || pos > s.pos:
		return false
	case pos == s.pos || pos == 0:
		return true
	case s.arena.slotSize > 0:
		return false
	}
	for g := range s.tables {
		if w := s.arena.groups[g].window; w > 0 && s.first(g) > max(0, pos-w+1)/kernel.PageLen {
			return false
		}
	}
	return true
}

// ForkAt returns a Fork that is cut back to an earlier position, or false if s does not reach it.
func (s *State) ForkAt(pos int) (*State, bool) {
	switch {
	case !s.Reaches(pos):
		return nil, false
	case pos == s.pos:
		return s.Fork(), true
	}
	return s.fork(pos), true
}
