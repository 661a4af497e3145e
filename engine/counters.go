package engine

import (
	"errors"

	"jamba/engine/prefix"
	"jamba/model"
)

// Counters tell what an Engine has done and is doing.
type Counters struct {
	Running, Waiting int
	Passes           int64
	PromptTokens     int64 // of prompts, with those that were kept
	ReusedTokens     int64 // of these, not computed again
	AnswerTokens     int64 // that readers were sent
	DraftedTokens    int64 // guessed from the text before
	AcceptedTokens   int64 // of these, right
	Preempted        int64 // sequences that others took the memory of
	Failed           int64 // that ended with an error, contexts that ended left out
	NotFinite        int64 // of these, because of numbers that were infinite or NaN
	StateBytes       int64 // in use
	StateLimit       int64 // 0: none
	Cache            prefix.Stats
}

// Counters returns what has been counted so far.
func (e *Engine) Counters() Counters {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.counted
	c.StateBytes, c.StateLimit, c.Cache = e.arena.Used(), e.arena.Limit(), e.cache.Stats()
	return c
}

// tally counts what the pass at hand has come to.
func (e *Engine) tally() {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := &e.counted
	c.Passes++
	for _, s := range e.step {
		c.DraftedTokens, c.AcceptedTokens = c.DraftedTokens+int64(s.drafted), c.AcceptedTokens+int64(s.accepted)
		s.drafted, s.accepted = 0, 0
	}
}

// fail counts a sequence that an error ends, unless that is its reader's wish.
func (e *Engine) fail(s *sequence, err error) {
	if err == nil || s.ctx.Err() != nil || errors.Is(err, ErrClosed) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.counted.Failed++
	if errors.Is(err, model.ErrNotFinite) {
		e.counted.NotFinite++
	}
}

// count notes what can be read between passes; e.mu is held.
func (e *Engine) count() {
	e.counted.Running, e.counted.Waiting = len(e.running), e.queued
}
