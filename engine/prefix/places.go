package prefix

import (
	"cmp"
	"slices"
)

// Marks are the positions of a prompt that requests may come back to.
type Marks struct {
	Borders     []int // stable ones, ascending: the end of the system prompt and tools, the beginnings of user messages
	Breakpoints []int // set by the client
	Turn        int   // before the generation prompt; 0: unknown
	Junction    int   // Path.Known
}

// Place is a position at which a snapshot is to be kept.
type Place struct {
	Pos  int
	Kind Kind
}

// near is how many tokens two snapshots are apart at least: fewer are computed sooner than it pays to keep them.
const near = 16

// Places returns where a prompt of n tokens, the first of which are there, leaves snapshots: at the last border, at every
// breakpoint, before the generation prompt and where it leaves a known path; ascending, all of them beyond from and before
// n. Of two that are close to each other the first is left: it serves those who part between them, too.
func (m Marks) Places(from, n int) []Place {
	all := []Place{{m.Turn, Turn}, {m.Junction, Junction}}
	for _, b := range m.Breakpoints {
		all = append(all, Place{b, Border})
	}
	if len(m.Borders) > 0 {
		all = append(all, Place{m.Borders[len(m.Borders)-1], Border})
	}
	slices.SortFunc(all, func(a, b Place) int { return cmp.Or(cmp.Compare(a.Pos, b.Pos), cmp.Compare(b.Kind, a.Kind)) })
	kept, last := all[:0], max(from, 0)
	for _, p := range all {
		if p.Pos < n && p.Pos >= last+near {
			kept, last = append(kept, p), p.Pos
		}
	}
	return kept
}
