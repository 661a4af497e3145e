package engine

import (
	"slices"

	"jamba/engine/prefix"
	"jamba/model/state"
)

// worthWaiting is how many tokens have to be common with a prompt that is being computed to be waited for.
const worthWaiting = 32

// newCache returns the cache of an Engine.
func newCache(arena *state.Arena, o *Options) *prefix.Cache {
	limit := o.Cache
	if limit < 0 {
		limit = 1 // nothing has room
	}
	return prefix.New(arena, prefix.Options{Limit: limit, Disk: o.Disk})
}

// find looks for what a sequence need not compute, a state that was kept, which hit is set to, and says whether it may begin. It may
// not while a prompt on its way computes more of its beginning, which leader and common are set to, or while its state is read from
// the disk.
func (e *Engine) find(s *sequence) bool {
	s.leader = nil
	if s.goal == goalEmbedding || s.request.ScorePrompt {
		return true
	}
	if s.path == nil {
		s.path = e.cache.Announce(s.root, s.todo)
		s.path.Owner = s
	}
	if s.hit == nil {
		s.hit = s.path.Match()
	}
	if lead, n := s.path.Leader(); lead != nil && n >= s.hit.Pos+worthWaiting {
		if l := lead.Owner.(*sequence); n > l.at() && (l.leader != nil || slices.Contains(e.running, l)) {
			s.leader, s.common = l, n
			l.place(n, prefix.Junction)
			s.unfind()
			return false
		}
	}
	if s.hit.Disk && !s.read.Load() {
		hit := s.hit
		e.reading.Go(func() {
			hit.Fetch()
			s.read.Store(true)
			e.nudge()
		})
		return false
	}
	return true
}

// unfind forgets what find has found.
func (s *sequence) unfind() {
	if s.hit != nil {
		s.hit.Release()
		s.hit = nil
	}
	s.read.Store(false)
}

// goOn makes a sequence go on from what find has found.
func (e *Engine) goOn(s *sequence) {
	if s.hit == nil {
		return
	}
	s.state.Free()
	s.state = s.hit.Take()
	s.hit = nil
	s.read.Store(false)
	pos := s.state.Pos()
	s.tokens, s.todo = slices.Clone(s.todo[:pos]), s.todo[pos:]
	m := s.request.Marks
	m.Junction = s.path.Known
	if m.Turn == 0 && !s.again {
		m.Turn = pos + len(s.todo) - 1 // the same prompt may come again
	}
	s.places = append(s.places[:0], m.Places(pos, pos+len(s.todo))...)
	if !s.again {
		s.reused, s.fed, s.total = pos, 0, len(s.todo)
	}
}

// reading reports whether a sequence's state is being read from the disk.
func (s *sequence) reading() bool { return s.hit != nil && s.hit.Disk && !s.read.Load() }

// place notes that the state is to be kept at a position of the prompt.
func (s *sequence) place(at int, k prefix.Kind) {
	if at <= s.at() || at > s.at()+len(s.todo) {
		return
	}
	i, found := slices.BinarySearchFunc(s.places, at, func(p prefix.Place, at int) int { return p.Pos - at })
	if !found {
		s.places = slices.Insert(s.places, i, prefix.Place{Pos: at, Kind: k})
	}
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
		s.path.Insert(s.tokens, s.state, k) // an empty one is freed
		s.path.Retire()
		s.path, s.state = nil, e.arena.New()
	}
	s.state.Free()
}

// end ends a running sequence.
func (e *Engine) end(s *sequence, ev event) {
	e.running = slices.DeleteFunc(e.running, func(r *sequence) bool { return r == s })
	e.leave(s, s.kindOfEnd(ev.err))
	s.send(ev)
}

func (s *sequence) kindOfEnd(err error) prefix.Kind {
	if err != nil && !s.answering {
		return prefix.Rolling
	}
	return prefix.End
}
