package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"jamba/internal/kernel/par"
	"jamba/model"
	"jamba/model/state"
)

// Network computes passes; *model.Pass is one.
type Network interface {
	Forward(ctx context.Context, spans ...model.Span) []model.Result
}

// Options are the bounds of an Engine.
type Options struct {
	Context int // tokens of the longest sequence; 0: no bound
	Chunk   int // tokens of a pass, at least one for each sequence; 0: 512
	Waiting int // requests that may wait; 0: 1024
}

// chunk is how many tokens of prompts are computed at once: enough to read weights seldom, few enough for the pass's
// memory. A pass stops, and tells of progress, after each layer.
const chunk = 512

// ErrClosed and ErrBusy are errors of requests that are not begun.
var (
	ErrClosed = errors.New("the engine is closed")
	ErrBusy   = errors.New("too many requests are waiting")
)

// Engine computes the answers of many sequences. One goroutine owns the network: it makes each pass of the next tokens of
// all sequences whose readers want some, and of a stretch of a prompt. Readers are served through channels and hold up
// nobody but themselves.
type Engine struct {
	network Network
	arena   *state.Arena
	options Options

	mu      sync.Mutex
	closed  bool
	waiting []*sequence // not begun
	wake    chan struct{}
	done    chan struct{}

	// Of the goroutine alone.
	running []*sequence // begun, in the order in which they came
	step    []*sequence // those in the pass at hand
	spans   []model.Span

	patience *time.Timer
}

// New returns an Engine over a network whose sequences live in arena. Close ends it.
func New(n Network, arena *state.Arena, o Options) *Engine {
	if o.Chunk == 0 {
		o.Chunk = chunk
	}
	if o.Waiting == 0 {
		o.Waiting = 1024
	}
	e := &Engine{network: n, arena: arena, options: o, wake: make(chan struct{}, 1), done: make(chan struct{}), patience: time.NewTimer(0)}
	go e.run()
	return e
}

// ForModel returns an Engine over m, with as much memory for sequences as the system has free.
func ForModel(m *model.Model) *Engine {
	free, known := state.Available()
	if !known {
		free = 0
	}
	p := m.NewPass()
	e := New(p, state.NewArena(m.StateSpecs(), free), Options{Context: m.Config.MaxPositionEmbeddings})
	p.Progress = e.layerDone
	return e
}

// Arena returns the memory of the engine's sequences.
func (e *Engine) Arena() *state.Arena { return e.arena }

// Close ends all requests with ErrClosed and waits for the pass at hand, which is interrupted.
func (e *Engine) Close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.nudge()
	<-e.done
}

// nudge tells the goroutine that there is something new.
func (e *Engine) nudge() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// submit hands over a sequence. The engine has its state until it sends the last event.
func (e *Engine) submit(s *sequence) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return ErrClosed
	case len(e.waiting) >= e.options.Waiting:
		return ErrBusy
	}
	e.waiting = append(e.waiting, s)
	e.nudge()
	return nil
}

// run is the goroutine that owns the network.
func (e *Engine) run() {
	defer close(e.done)
	for e.admit() {
		if !e.pick() {
			<-e.wake
			continue
		}
		results := e.network.Forward(context.Background(), e.spans...)
		e.take(results)
		e.await()
	}
	for _, s := range e.running {
		s.send(event{err: ErrClosed})
	}
}

// admit ends the sequences whose contexts have ended, and begins those that wait and for which there is memory, the first
// that came first. It returns false once the engine is closed.
func (e *Engine) admit() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		for _, s := range e.waiting {
			s.send(event{err: ErrClosed})
		}
		e.waiting = nil
		return false
	}
	e.waiting = slices.DeleteFunc(e.waiting, func(s *sequence) bool {
		err := s.ctx.Err()
		if err != nil {
			s.send(event{err: err})
		}
		return err != nil
	})
	e.running = slices.DeleteFunc(e.running, func(s *sequence) bool {
		err := s.ctx.Err()
		if err != nil {
			s.send(event{err: err})
		}
		return err != nil
	})
	for len(e.waiting) > 0 {
		s := e.waiting[0]
		if err := e.room(s); err != nil {
			if len(e.running) > 0 {
				break // for those that run to end
			}
			s.send(event{err: err})
		} else {
			e.running = append(e.running, s)
			if len(s.todo) == 0 { // all of the prompt was computed before
				s.answering = true
				s.pick(s.logits)
				e.deliver(s)
			}
		}
		e.waiting = slices.Delete(e.waiting, 0, 1)
	}
	return true
}

// room returns an error if a sequence may come to take more memory than is free and promised to no other.
func (e *Engine) room(s *sequence) error {
	specs := e.arena.Specs()
	own := state.Bytes(specs, s.state.Pos())
	if s.state.Pos() == 0 {
		own = 0
	}
	s.promise = max(0, state.Bytes(specs, s.need)-own) + state.SlotBytes(specs)
	if limit := e.arena.Limit(); limit > 0 && s.promise > limit-e.arena.Used()-e.outstanding() {
		return tooLarge(s.need, s.promise, limit-e.arena.Used()-e.outstanding())
	}
	return nil
}

// outstanding returns what is promised to running sequences and not taken yet.
func (e *Engine) outstanding() (n int64) {
	for _, s := range e.running {
		n += max(0, s.promise-s.taken(e.arena.Specs()))
	}
	return n
}

func tooLarge(tokens int, need, free int64) error {
	const gib = 1 << 30
	return fmt.Errorf("a context of %d tokens needs %.1f GiB of memory, %.1f GiB are free; shorten the prompt or the answer (--max-tokens)",
		tokens, float64(need)/gib, float64(max(0, free))/gib)
}

// pick lays out the next pass: the next token of each sequence that has an answer, then prompts, the first that came first,
// as far as the bound of tokens goes. It returns false if there is nothing to do.
func (e *Engine) pick() bool {
	e.step, e.spans = e.step[:0], e.spans[:0]
	budget := e.options.Chunk
	add := func(s *sequence, n int) {
		// Those of one adapter stand together, so that its product is one.
		at := len(e.step)
		for at > 0 && e.step[at-1].request.Adapter != s.request.Adapter {
			at--
		}
		if at == 0 {
			at = len(e.step)
		}
		e.step = slices.Insert(e.step, at, s)
		e.spans = slices.Insert(e.spans, at, model.Span{Context: s.ctx, State: s.state, Tokens: s.todo[:n], Want: s.want(n), Adapter: s.request.Adapter})
		budget -= n
	}
	for _, s := range e.running {
		if s.answering && s.wanted.Load() > 0 {
			add(s, 1)
		}
	}
	for _, s := range e.running {
		if n := min(budget, len(s.todo)); !s.answering && n > 0 && s.wanted.Load() > 0 {
			add(s, n)
		}
	}
	return len(e.step) > 0
}

// take goes on from the results of a pass: tokens are picked, and sequences that have ended are given back.
func (e *Engine) take(results []model.Result) {
	par.For(len(e.step), 1, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			e.step[i].advance(&results[i], len(e.spans[i].Tokens))
		}
	})
	for _, s := range e.step {
		e.deliver(s)
	}
}

// deliver sends what a sequence has for its reader. With the last event its state is its session's again.
func (e *Engine) deliver(s *sequence) {
	switch {
	case s.last != nil:
		e.running = slices.DeleteFunc(e.running, func(r *sequence) bool { return r == s })
		s.send(*s.last)
	case s.next != nil:
		s.wanted.Add(-1)
		s.send(*s.next)
		s.next = nil
	}
}

// patience is how long the next pass waits for readers that have just got a token: most come back in microseconds, and one
// who misses a pass waits for all of it.
const patience = 200 * time.Microsecond

// await waits for the readers of the pass at hand to ask for more.
func (e *Engine) await() {
	if len(e.running) < 2 {
		return
	}
	e.patience.Reset(patience)
	defer e.patience.Stop()
	for slices.ContainsFunc(e.step, func(s *sequence) bool {
		return s.last == nil && s.answering && s.wanted.Load() == 0 && s.ctx.Err() == nil
	}) {
		select {
		case <-e.wake:
		case <-e.patience.C:
			return
		}
	}
	e.nudge() // what else has come is looked at next
}

// layerDone tells the sequences whose prompts are in the pass at hand how far it is.
func (e *Engine) layerDone(layer, layers int) {
	for i, s := range e.step {
		if !s.answering {
			s.tell(s.fed+len(e.spans[i].Tokens)*layer/layers, s.total)
		}
	}
}
