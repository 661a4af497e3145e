package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"jamba/engine/prefix"
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
	Context int   // tokens of the longest sequence; 0: no bound
	Chunk   int   // tokens of a pass, at least one for each sequence; 0: 512
	Waiting int   // requests that may wait; 0: 1024
	Running int   // requests that are computed at a time; 0: 256
	Cache   int64 // bytes that states kept for later requests may take; 0: half of the arena's limit; less: none are kept
	// Stretch is how much longer than without prompts a pass may take beside answers, so that long prompts do not stall them;
	// hardly one takes more. 0: 2.5.
	Stretch float64
	Disk    *prefix.Disk // where states are kept across restarts; nil: nowhere
	Share   int          // ForModel takes one of so many parts of the free memory, for models that are used side by side; 0: all of it
}

// chunk is how many tokens of prompts are computed at once: enough to read weights seldom, few enough for the pass's
// memory. A pass stops, and tells of progress, after each layer.
const chunk = 512

// ErrClosed and ErrBusy are errors of requests that are not begun.
var (
	ErrClosed = errors.New("the engine is closed")
	ErrBusy   = errors.New("too many requests are waiting")
)

// Engine computes the answers of many sequences. One goroutine owns the network and the cache: it makes each pass of the next
// tokens of all sequences whose readers want some, and of stretches of prompts. Readers are served through channels and hold
// up nobody but themselves.
type Engine struct {
	network Network
	arena   *state.Arena
	options Options
	routing *model.Routing // nil: not counted

	mu      sync.Mutex
	closed  bool
	inbox   []*sequence // submitted, not seen by the goroutine
	jobs    []func()
	queued  int // those and the goroutine's waiting ones
	counted Counters
	wake    chan struct{}
	ctx     context.Context // of all passes
	cancel  context.CancelFunc
	done    chan struct{}

	// Of the goroutine alone.
	cache   *prefix.Cache
	waiting []*sequence // not begun or preempted, the next first
	running []*sequence // begun, in the order of their ranks
	step    []*sequence // those in the pass at hand
	spans   []model.Span
	pace    pace
	reading sync.WaitGroup // states from the disk
	saving  atomic.Int64   // states that are on their way to or from files of sequences

	patience *time.Timer
}

// New returns an Engine over a network whose sequences live in arena. Close ends it.
func New(n Network, arena *state.Arena, o Options) *Engine {
	setDefault(&o.Chunk, chunk)
	setDefault(&o.Waiting, 1024)
	setDefault(&o.Running, 256)
	setDefault(&o.Stretch, 2.5)
	e := &Engine{
		network: n, arena: arena, options: o, wake: make(chan struct{}, 1), done: make(chan struct{}), patience: time.NewTimer(0),
		cache: newCache(arena, &o),
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	go e.run()
	return e
}

func setDefault[T int | float64](v *T, to T) {
	if *v == 0 {
		*v = to
	}
}

// ForModel returns an Engine over m, with as much memory for sequences as the system can spare, or a share of it.
func ForModel(m *model.Model, o Options) *Engine {
	o.Context = m.Config.MaxPositionEmbeddings
	p := m.NewPass()
	e := New(p, state.NewArena(m.StateSpecs(), spare(m)/int64(max(1, o.Share))), o)
	p.Progress = e.layerDone
	e.routing = m.NewRouting()
	p.Routing = e.routing
	return e
}

// spare returns the bytes that the system can spare for sequences of m, 0 if it does not tell what is free. Weights in a mapped file are not
// free though it says so: pages of theirs that are driven out come back from the disk, token by token. A fifth of the rest is for passes,
// for garbage, and for others. Where the weights alone have no room, it cannot be made by refusing every request.
func spare(m *model.Model) int64 {
	free, known := state.Available()
	if !known {
		return 0
	}
	return max(1, max(free-m.InPlace(), free/4)/5*4)
}

// Arena returns the memory of the engine's sequences.
func (e *Engine) Arena() *state.Arena { return e.arena }

// Close ends all requests with ErrClosed and waits for the pass at hand, which is interrupted.
func (e *Engine) Close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.cancel()
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
	case e.queued >= e.options.Waiting:
		return ErrBusy
	}
	s.came = time.Now()
	s.rank = s.came.Add(-time.Duration(s.request.Priority) * priorityStep)
	e.inbox = append(e.inbox, s)
	e.queued++
	e.nudge()
	return nil
}

// run is the goroutine that owns the network.
func (e *Engine) run() {
	defer close(e.done)
	for e.collect() {
		e.sweep()
		e.runJobs()
		e.catchUp()
		e.admit()
		if !e.layOut() {
			e.sleep()
			continue
		}
		start, lent := time.Now(), e.lent()
		results := e.network.Forward(e.ctx, e.spans...)
		took := time.Since(start)
		e.learn(took)
		e.take(results, took, lent)
		e.await(took)
	}
	e.reading.Wait()
	for _, s := range append(e.waiting, e.running...) {
		e.leave(s, prefix.Rolling)
		s.send(event{err: ErrClosed})
	}
	e.mu.Lock()
	e.counted.Running, e.counted.Waiting, e.queued = 0, 0, 0
	e.mu.Unlock()
	e.runJobs()
	e.cache.Close()
}

// sleep waits for something to do. Those that wait for memory get that of readers who stay away, and what others had for a moment.
func (e *Engine) sleep() {
	e.mu.Lock()
	e.count() // some may have ended since
	e.mu.Unlock()
	if len(e.waiting) == 0 {
		<-e.wake
		return
	}
	select {
	case <-e.wake:
	case <-time.After(idle):
	}
}

// do calls f between two passes, when nothing else uses the cache.
func (e *Engine) do(f func()) error {
	done := make(chan struct{})
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return ErrClosed
	}
	e.jobs = append(e.jobs, func() { f(); close(done) })
	e.mu.Unlock()
	e.nudge()
	<-done
	return nil
}

func (e *Engine) runJobs() {
	e.mu.Lock()
	jobs := e.jobs
	e.jobs = nil
	e.mu.Unlock()
	for _, f := range jobs {
		f()
	}
}

// collect takes over what was submitted. It returns false once the engine is closed.
func (e *Engine) collect() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.inbox {
		e.waiting = insert(e.waiting, s)
	}
	e.inbox = e.inbox[:0]
	e.count()
	return !e.closed
}

// take goes on from the results of a pass, which took so long: tokens are picked, and sequences that have ended are given back. lent
// says that memory was lent before the pass.
func (e *Engine) take(results []model.Result, took time.Duration, lent bool) {
	for i, s := range e.step {
		if results[i].Err != nil && e.ctx.Err() != nil && s.ctx.Err() == nil {
			results[i].Err = ErrClosed // Close has interrupted the pass
		}
	}
	deadline := time.Now().Add(grace)
	par.For(len(e.step), 1, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			e.step[i].advance(&results[i], &e.spans[i], deadline)
		}
	})
	e.tally(took)
	for i, s := range e.step {
		e.keep(s, results[i].Kept)
		if s.last != nil && errors.Is(s.last.err, state.ErrFull) && (e.computing(s) > 0 || lent || e.lent()) {
			s.last = nil
			e.preempt(s) // somebody else took the memory
			continue
		}
		if s.late != nil {
			e.wakeFor(s)
		}
		e.deliver(s)
	}
}

// deliver sends what a sequence has for its reader, as far as it is wanted and stays.
func (e *Engine) deliver(s *sequence) {
	held := s.request.Undo
	if s.last != nil {
		held = 0
		e.leave(s, s.kindOfEnd(s.last.err)) // however long the reader takes
	}
	sent := 0
	for len(s.next)-sent > held && s.wanted.Load() > 0 {
		s.wanted.Add(-1)
		s.away.Store(time.Now().UnixNano())
		s.send(s.next[sent])
		sent++
	}
	s.next = slices.Delete(s.next, 0, sent)
	over := s.last != nil && len(s.next) == 0
	if tokens := int64(sent); tokens > 0 || over {
		if over && s.goal == goalAnswer && s.last.isToken() {
			tokens++
		}
		e.mu.Lock()
		e.counted.AnswerTokens += tokens
		e.mu.Unlock()
	}
	if over {
		e.end(s, *s.last)
	}
}

// The next pass waits for readers that have just got a token: most come back in microseconds, but one who misses a pass waits for
// all of it, and so do those that were held up with him. The patience is patience, or of a long pass a part.
const (
	patience = 200 * time.Microsecond
	ofPass   = 20
)

// await waits for the readers of the pass at hand, which took so long, to ask for more.
func (e *Engine) await(took time.Duration) {
	e.mu.Lock()
	alone := len(e.running)+e.queued < 2
	e.mu.Unlock()
	if alone {
		return
	}
	e.patience.Reset(max(patience, took/ofPass))
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
		if !s.answering && !s.again {
			s.tell(s.fed+len(e.spans[i].Tokens)*layer/layers, s.total)
		}
	}
}
