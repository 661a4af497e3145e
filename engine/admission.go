package engine

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"jamba/engine/prefix"
	"jamba/model/state"
)

// priorityStep is how much earlier a request of the next higher priority counts as having come. So those of a low priority wait
// longer, and none for ever.
const priorityStep = 10 * time.Second

// idle is how long a reader may stay away before others that wait for memory get that of its sequence.
const idle = 250 * time.Millisecond

// insert inserts a sequence behind all that rank before it or with it.
func insert(list []*sequence, s *sequence) []*sequence {
	at := len(list)
	for at > 0 && list[at-1].rank.After(s.rank) {
		at--
	}
	return slices.Insert(list, at, s)
}

// sweep ends the sequences whose contexts have ended, and sends what the readers of others have come to ask for. What was computed of a
// prompt is kept, so that it is not begun anew.
func (e *Engine) sweep() {
	e.waiting = slices.DeleteFunc(e.waiting, func(s *sequence) bool {
		err := s.ctx.Err()
		if s.reading() {
			return false
		}
		if err != nil {
			e.refuse(s, err)
		}
		return err != nil
	})
	for _, s := range e.waiting {
		e.deliver(s) // a constraint may have forced more than one token before it was preempted
	}
	for _, s := range slices.Clone(e.running) {
		if err := s.ctx.Err(); err != nil {
			e.end(s, event{err: err})
		} else {
			e.deliver(s)
		}
	}
}

// refuse ends a sequence that waits. It has been taken, or is to be taken, from the list.
func (e *Engine) refuse(s *sequence, err error) {
	e.leave(s, prefix.Rolling)
	e.fail(s, err)
	s.send(event{err: err})
	e.mu.Lock()
	e.queued--
	e.mu.Unlock()
}

// admit begins sequences that wait and for which there is memory, in the order of their ranks. Those whose readers want nothing now
// do not need it.
func (e *Engine) admit() {
	for i := 0; i < len(e.waiting); {
		if e.computing(nil) >= e.options.Running && e.victim((*sequence).idle) == nil {
			return
		}
		s := e.waiting[i]
		if s.wanted.Load() == 0 || s.follows(e) || s.reading() || !e.find(s) {
			i++
			continue
		}
		err := e.room(s)
		if err == nil && e.fetch(s) {
			i++
			continue
		}
		if err != nil && !errors.Is(err, ErrTooLarge) {
			if e.unfind(); !e.anew(s) {
				return // for those that have the memory
			}
			err = nil
		}
		// Making room may have put others into the list.
		e.waiting = slices.DeleteFunc(e.waiting, func(w *sequence) bool { return w == s })
		if err != nil {
			e.refuse(s, err)
		} else {
			e.begin(s)
		}
		i = 0 // who was passed over may have waited for it
	}
}

// computing returns how many sequences run and have not ended, except one: others may have ended and wait for their readers.
func (e *Engine) computing(except *sequence) (n int) {
	for _, s := range e.running {
		if s != except && s.last == nil {
			n++
		}
	}
	return n
}

// lent reports whether something that is no running sequence has memory which it will give back.
func (e *Engine) lent() bool {
	return e.cache.Writing() || e.saving.Load() > 0 || slices.ContainsFunc(e.waiting, (*sequence).reading)
}

// unfind gives back what was found for those that wait, so that others have the memory; it may have come from the disk.
func (e *Engine) unfind() {
	for _, s := range e.waiting {
		if !s.reading() {
			s.unfind()
		}
	}
}

// begin makes a sequence run.
func (e *Engine) begin(s *sequence) {
	e.goOn(s)
	e.running = insert(e.running, s)
	e.mu.Lock()
	e.queued--
	if !s.counted {
		s.counted = true
		s.waited = time.Since(s.came)
		e.counted.PromptTokens += int64(len(s.request.Prompt))
		e.counted.ReusedTokens += int64(s.reused)
	}
	e.mu.Unlock()
}

// ahead is for how many tokens of an answer memory is promised before it begins. Most end before their limit; those that do
// not find more, or others make room.
const ahead = 512

// ErrTooLarge is the error of a request that needs more memory than there is, whoever else asks.
var ErrTooLarge = errors.New("shorten the prompt or the answer (--max-tokens)")

// room makes room for a sequence that is to begin. It returns an error if it may come to take more memory than is free and
// promised to no other, ErrTooLarge if that is more than there is.
func (e *Engine) room(s *sequence) error {
	limit, specs := e.arena.Limit(), e.arena.Specs()
	tokens := max(s.need, len(s.tokens)+len(s.todo))
	if need := state.Bytes(specs, tokens) + state.SlotBytes(specs); limit > 0 && need > limit {
		return tooLarge(tokens, need, limit)
	}
	if e.computing(nil) >= e.options.Running {
		away := e.victim((*sequence).idle)
		if away == nil {
			return state.ErrFull
		}
		e.preempt(away)
	}
	if limit == 0 {
		return nil
	}
	pos := 0
	if s.hit != nil && (!s.hit.Disk || s.read.Load()) {
		pos = s.hit.Pos
	}
	s.begun = stateBytes(specs, pos)
	s.promise = s.claim() - s.begun + state.SlotBytes(specs)
	copies := s.request.Undo
	if s.hit != nil && s.hit.Pos > 0 {
		copies++ // the last page is shared, also once it was read from the disk
	}
	s.promise += int64(copies) * state.Bytes(specs, 1)
	lack := func() int64 { return s.promise - (limit - e.arena.Used() - e.outstanding()) }
	for n := lack(); n > 0 && n > e.cache.Evictable(); n = lack() {
		victim := e.victim(func(r *sequence) bool { return r.rank.After(s.rank) || r.idle() })
		if victim == nil {
			return state.ErrFull
		}
		e.preempt(victim)
	}
	e.cache.Evict(max(0, lack()))
	return nil
}

// anew makes room for a sequence that is to begin without what was found, in all the memory that there is: what was found may be part
// of something large, and ways back need not be kept. That is only if no other computes, nor has memory on its way to or from the disk.
func (e *Engine) anew(s *sequence) bool {
	if e.computing(nil) > 0 || e.cache.Writing() || slices.ContainsFunc(e.waiting, (*sequence).reading) {
		return false
	}
	s.begun, s.promise = 0, s.claim()+state.SlotBytes(e.arena.Specs())
	e.cache.Evict(max(0, s.promise-(e.arena.Limit()-e.arena.Used())))
	// What is in use now is on its way to or from a file of a sequence.
	return s.promise <= e.arena.Limit()-e.arena.Used()
}

// outstanding returns what is promised to running sequences and not taken yet.
func (e *Engine) outstanding() (n int64) {
	for _, s := range e.running {
		if s.last == nil {
			n += max(0, s.promise-(s.bytes()-s.begun))
		}
	}
	return n
}

func tooLarge(tokens int, need, free int64) error {
	const gib = 1 << 30
	return fmt.Errorf("a context of %d tokens needs %.1f GiB of memory, %.1f GiB are free; %w", tokens, float64(need)/gib, float64(max(0, free))/gib, ErrTooLarge)
}

// victim returns the last in rank of the running sequences that may be preempted, those first whose readers are away; nil if
// there is none.
func (e *Engine) victim(may func(*sequence) bool) (found *sequence) {
	for _, s := range e.running {
		if s.last == nil && s.state.Pos() > 0 && may(s) && (found == nil || s.idle() || !found.idle()) {
			found = s
		}
	}
	return found
}

// preempt takes a sequence's memory and lets it wait. What it has computed is kept as long as others leave room for it; the rest is
// computed again.
func (e *Engine) preempt(s *sequence) {
	e.leave(s, prefix.Rolling)
	s.todo = slices.Concat(s.tokens, s.todo[:len(s.todo)-s.guessed])
	s.tokens, s.answering, s.again, s.guessed, s.late = nil, false, s.picked > 0, 0, nil
	if !s.again {
		s.fed, s.total = 0, len(s.todo)
	}
	if sum := s.request.embedding; sum != nil {
		*sum = embedding{pooling: sum.pooling}
	}
	e.running = slices.DeleteFunc(e.running, func(r *sequence) bool { return r == s })
	e.waiting = insert(e.waiting, s)
	e.mu.Lock()
	e.queued++
	e.counted.Preempted++
	e.mu.Unlock()
}
