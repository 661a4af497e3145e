package engine

import (
	"slices"
	"weak"

	"jamba/engine/prefix"
	"jamba/model"
	"jamba/model/state"
)

// worthWaiting is how many tokens have to be common with a prompt that is being computed to be waited for.
const worthWaiting = 32

// newCache returns the cache of an Engine.
func newCache(arena *state.Arena, o *Options) *prefix.Cache {
	limit := o.Cache
	switch {
	case limit < 0:
		limit = 1 // nothing has room
	case limit == 0:
		limit = arena.Limit() / 2
	}
	return prefix.New(arena, prefix.Options{Limit: limit, Disk: o.Disk})
}

// rootOf returns what separates requests. Nothing of an adapter that is chosen for a request goes to the disk: it has no name that
// outlives the program. The cache does not hold on to it: weak pointers to different adapters differ, also when one is gone.
func rootOf(salt string, a *model.Adapter) prefix.Root {
	if a == nil {
		return prefix.Root{Salt: salt} // not a pointer that is nil
	}
	return prefix.Root{Salt: salt, Adapter: weak.Make(a)}
}

// find looks for what a sequence need not compute, a state that was kept, which hit is set to, and says whether it may begin. It may
// not while a prompt on its way computes more of its beginning, which leader and common are set to, nor while the state is read from
// the disk for another.
func (e *Engine) find(s *sequence) bool {
	s.leader = nil
	if s.goal == goalEmbedding || s.scores() && s.request.scoreFrom() == 1 {
		return true
	}
	if s.path == nil {
		s.path = e.cache.Announce(s.root, s.shared())
		s.path.Owner = s
	}
	if s.hit == nil {
		s.hit = s.path.Match()
	}
	if lead, n := s.path.Leader(); lead != nil && n >= s.hit.Pos+worthWaiting {
		if l := lead.Owner.(*sequence); n > l.at() && (l.leader != nil || e.goesOn(l)) {
			s.leader, s.common = l, n
			l.place(n, prefix.Junction)
			s.unfind()
			return false
		}
	}
	if slices.ContainsFunc(e.waiting, func(w *sequence) bool { return w != s && w.fetching && w.hit.SameFile(s.hit) }) {
		s.unfind() // it is in memory soon, and shared then
		return false
	}
	return true
}

// goesOn reports whether a sequence that others wait for is on its way.
func (e *Engine) goesOn(s *sequence) bool {
	return s.last == nil && !s.idle() && slices.Contains(e.running, s)
}

// follows reports whether another computes a sequence's beginning.
func (s *sequence) follows(e *Engine) bool {
	return s.leader != nil && s.leader.at() < s.common && e.goesOn(s.leader)
}

// fetch begins to read what was found from the disk, if it is there, and reports whether it has.
func (e *Engine) fetch(s *sequence) bool {
	if s.hit == nil || !s.hit.Disk || s.fetching {
		return false
	}
	s.fetching = true
	hit := s.hit
	e.reading.Go(func() {
		hit.Fetch()
		s.read.Store(true)
		e.nudge()
	})
	return true
}

// unfind forgets what find has found.
func (s *sequence) unfind() {
	if s.hit != nil {
		s.hit.Release()
		s.hit = nil
	}
	s.fetching = false
	s.read.Store(false)
}

// goOn makes a sequence go on from what find has found.
func (e *Engine) goOn(s *sequence) {
	if s.hit == nil {
		return
	}
	s.state.Free()
	s.state = s.hit.Take()
	if !s.counted {
		s.reused, s.miss = s.state.Pos(), s.hit.Reason
	}
	s.hit, s.fetching = nil, false
	s.read.Store(false)
	pos := s.state.Pos()
	s.tokens, s.todo = slices.Clone(s.todo[:pos]), s.todo[pos:]
	m := s.request.Marks
	m.Junction = s.path.Known
	if last := pos + len(s.shared()) - 1; !s.again && (m.Turn == 0 || m.Turn > last) {
		m.Turn = last // the same prompt may come again, or a template has no generation prompt
	}
	for _, p := range m.Places(pos, pos+len(s.todo)) {
		s.place(p.Pos, p.Kind) // beside those that others wait for
	}
	if !s.again {
		s.fed, s.total = 0, len(s.todo)
	}
}

// reading reports whether a sequence's state is being read from the disk.
func (s *sequence) reading() bool { return s.fetching && !s.read.Load() }

// place notes that the state is to be kept at a position of the prompt.
func (s *sequence) place(at int, k prefix.Kind) {
	if at <= s.at() || at > s.at()+len(s.todo) {
		return
	}
	i, found := slices.BinarySearchFunc(s.places, at, func(p prefix.Place, at int) int { return p.Pos - at })
	if !found {
		s.places = slices.Insert(s.places, i, prefix.Place{Pos: at, Kind: k})
	}
	s.places[i].Kind = max(s.places[i].Kind, k)
}

// keep gives the cache states that a pass has left on its way.
func (e *Engine) keep(s *sequence, kept []*state.State) {
	if s.path == nil {
		freeAll(kept)
		return
	}
	s.path.Advance(s.at())
	for _, k := range kept {
		s.path.Insert(s.tokens, k, s.kindAt(k.Pos()))
	}
}

// leave gives the cache what a sequence has computed when it stops.
func (e *Engine) leave(s *sequence, k prefix.Kind) {
	s.forget()
	s.unfind()
	if s.path != nil {
		if !s.scores() || s.at() < s.request.scoreFrom() {
			s.path.Insert(s.tokens, s.state, k) // an empty one is freed
			s.state = e.arena.New()
		}
		s.path.Retire()
		s.path = nil
	}
	s.state.Free()
}

// end ends a running sequence.
func (e *Engine) end(s *sequence, ev event) {
	e.running = slices.DeleteFunc(e.running, func(r *sequence) bool { return r == s })
	e.leave(s, s.kindOfEnd(ev.err))
	e.fail(s, ev.err)
	if ev.state != nil {
		e.saving.Add(1) // until Save has written it
	}
	s.send(ev)
}

func (s *sequence) kindOfEnd(err error) prefix.Kind {
	if err != nil && !s.answering {
		return prefix.Rolling
	}
	return prefix.End
}
