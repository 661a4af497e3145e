package engine

import (
	"errors"
	"time"

	"jamba/engine/prefix"
	"jamba/model"
	"jamba/model/state"
)

// Counters tell what an Engine has done and is doing.
type Counters struct {
	Running, Waiting int
	Passes           int64
	PassTokens       int64         // that these computed, of prompts and answers
	PassTime         time.Duration // that they took
	PromptTokens     int64         // of prompts, with those that were kept
	ReusedTokens     int64         // of these, not computed again
	AnswerTokens     int64         // that readers were sent, those that end answers included
	DraftedTokens    int64         // guessed from the text before
	AcceptedTokens   int64         // of these, right
	Preempted        int64         // sequences that others took the memory of
	Failed           int64         // that ended with an error, contexts that ended left out
	NotFinite        int64         // of these, because of numbers that were infinite or NaN
	StateBytes       int64         // in use
	StateLimit       int64         // 0: none
	PageTokens       int           // positions of a page of keys and values
	Pages            int64         // that StateLimit has room for; 0: no limit, or the model has no attention
	Cache            prefix.Stats
	// Experts are the tokens that each expert of each layer was chosen for, [layer][expert]; nil for layers without experts.
	Experts [][]int64
}

// Counters returns what has been counted so far.
func (e *Engine) Counters() Counters {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.counted
	c.StateBytes, c.StateLimit, c.Cache = e.arena.Used(), e.arena.Limit(), e.cache.Stats()
	c.PageTokens, c.Pages = state.Pages(e.arena.Specs(), c.StateLimit)
	if e.routing != nil {
		c.Experts = e.routing.Counts()
	}
	return c
}

// tally counts what the pass at hand has come to, and that it took d.
func (e *Engine) tally(d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := &e.counted
	c.Passes++
	c.PassTime += d
	for i, s := range e.step {
		c.PassTokens += int64(len(e.spans[i].Tokens))
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
	if errors.Is(err, model.ErrNotFinite) || errors.Is(err, state.ErrNotFinite) {
		e.counted.NotFinite++
	}
}

// count notes what can be read between passes; e.mu is held.
func (e *Engine) count() {
	e.counted.Running, e.counted.Waiting = len(e.running), e.queued
}
