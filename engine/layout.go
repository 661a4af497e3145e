package engine

import (
	"cmp"
	"slices"

	"jamba/engine/prefix"
	"jamba/model"
)

// layOut lays out the next pass: the next token of each sequence that has an answer, with what may follow it as guessed, then
// stretches of prompts, as far as the bound of tokens goes. It returns false if there is nothing to do.
func (e *Engine) layOut() bool {
	e.step, e.spans = e.step[:0], e.spans[:0]
	budget := e.options.Chunk
	answers := 0 // also of readers who are on their way back
	for _, s := range e.running {
		if s.answering && s.last == nil && !s.idle() {
			answers++
		}
	}
	for _, s := range e.running {
		if s.answering && s.ready() {
			s.draft(&e.pace, answers)
			n := len(s.todo)
			if s.guessed == 0 {
				n = min(n, e.options.Chunk) // a constraint may force many
			}
			budget -= e.add(s, n)
		}
	}
	budget = max(budget, min(minBeside, e.options.Chunk)) // prompts come on beside any number of answers
	if answers > 0 {
		budget = min(budget, e.pace.beside(answers, e.options.Stretch))
	}
	e.addPrompts(budget)
	e.fit()
	return len(e.step) > 0
}

// addPrompts shares a budget of tokens among the prompts. The first in rank gets half of it, or what the others leave; of those
// the shortest come first, so that none waits for another that is much longer.
func (e *Engine) addPrompts(budget int) {
	var prompts []*sequence
	for _, s := range e.running {
		if !s.answering && s.ready() {
			prompts = append(prompts, s)
		}
	}
	if len(prompts) == 0 || budget < 1 {
		return
	}
	first, others := prompts[0], prompts[1:]
	slices.SortStableFunc(others, func(a, b *sequence) int { return cmp.Compare(len(a.todo), len(b.todo)) })
	total := 0
	for _, s := range others {
		total += s.stretch()
	}
	budget -= e.add(first, min(first.stretch(), max((budget+1)/2, budget-total)))
	for _, s := range others {
		if budget > 0 {
			budget -= e.add(s, min(s.stretch(), budget))
		}
	}
}

// add adds the next n tokens of a sequence to the pass and returns n. Those of one adapter stand together, so that its product is
// one.
func (e *Engine) add(s *sequence, n int) int {
	s.remember()
	at := len(e.step)
	for at > 0 && e.step[at-1].request.Adapter != s.request.Adapter {
		at--
	}
	if at == 0 {
		at = len(e.step)
	}
	e.step = slices.Insert(e.step, at, s)
	e.spans = slices.Insert(e.spans, at, model.Span{
		Context: s.ctx, State: s.state, Tokens: s.todo[:n], Want: s.want(n), Adapter: s.request.Adapter, Keep: s.keeps(n),
	})
	return n
}

// fit makes room for what the pass writes: states that are kept for later requests go first, then what the pass would keep, at
// last sequences of low rank.
func (e *Engine) fit() {
	limit := e.arena.Limit()
	if limit == 0 {
		return
	}
	lack := func() (n int64) {
		for i, s := range e.step {
			n += s.state.Needs(len(e.spans[i].Tokens), len(e.spans[i].Keep))
		}
		return n - (limit - e.arena.Used())
	}
	if n := lack(); n > 0 {
		e.unfind()
		e.cache.Evict(lack())
	}
	for i := len(e.step) - 1; i >= 0 && lack() > 0; i-- {
		s, span := e.step[i], &e.spans[i]
		if span.Keep = nil; s.guessed > 0 {
			s.todo, s.guessed = s.todo[:1], 0
			span.Tokens, span.Want = s.todo, s.want(1)
		}
	}
	for i := 0; i < len(e.running) && lack() > 0; i++ {
		e.running[i].forget()
	}
	for lack() > 0 && len(e.running) > 1 {
		victim := e.victim(func(*sequence) bool { return true })
		if victim == nil {
			return
		}
		e.preempt(victim)
		if i := slices.Index(e.step, victim); i >= 0 {
			e.step, e.spans = slices.Delete(e.step, i, i+1), slices.Delete(e.spans, i, i+1)
		}
		e.cache.Evict(lack())
	}
}

// ready reports whether the next tokens of a sequence may be computed: they are known, its reader wants them, and has been sent what
// there is.
func (s *sequence) ready() bool {
	return s.last == nil && s.late == nil && s.wanted.Load() > 0 && len(s.next) <= s.request.Undo
}

// keeps returns where the state is kept within the next n tokens.
func (s *sequence) keeps(n int) (at []int) {
	pos := s.at()
	for i := 1; i <= s.guessed; i++ {
		at = append(at, pos+i) // a guess may turn out wrong
	}
	if s.answering {
		return at
	}
	for _, p := range s.places {
		if p.Pos > pos && p.Pos <= pos+n {
			at = append(at, p.Pos)
		}
	}
	return at
}

// kindAt returns why a state is kept at a position of the prompt.
func (s *sequence) kindAt(pos int) prefix.Kind {
	for _, p := range s.places {
		if p.Pos == pos {
			return p.Kind
		}
	}
	return prefix.Junction
}
