package par

import (
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// spins is how often a worker looks for its next loop before it parks, some tens of microseconds: the loops of one
// forward pass follow each other faster, and waking a parked thread takes longer than many of them.
const spins = 2000

// shared is the pool of all loops.
var shared pool

// pool is workers that take part in one loop at a time.
type pool struct {
	mu      sync.Mutex
	workers []*worker
	number  uint32 // of the loop
	loop    loop
	gate    gate
}

// loop is a loop in chunks, of which each thread has a share. It is written while the gate is closed and nobody is inside, and
// read by those inside.
type loop struct {
	n, chunks int
	body      Body
	shares    []share
}

// begin shares out the chunks of a loop.
func (l *loop) begin(n, chunks, threads int, body Body) {
	l.n, l.chunks, l.body = n, chunks, body
	l.shares = slices.Grow(l.shares[:0], threads)[:threads]
	for i := range l.shares {
		l.shares[i].set(i*chunks/threads, (i+1)*chunks/threads)
	}
}

// work runs the chunks of a thread's share, and then those that are left of the others'.
func (l *loop) work(thread int) {
	for c, ok := l.shares[thread].first(); ok; c, ok = l.shares[thread].first() {
		l.chunk(c)
	}
	for i := 1; i < len(l.shares); i++ {
		other := &l.shares[(thread+i)%len(l.shares)]
		for c, ok := other.last(); ok; c, ok = other.last() {
			l.chunk(c)
		}
	}
}

func (l *loop) chunk(c int) { l.body.Range(c*l.n/l.chunks, (c+1)*l.n/l.chunks) }

// share is chunks that follow each other: the next in the upper 32 bits, the end in the lower. Its thread takes the first, so
// that what it has fetched ahead of one is the next, and others take the last.
type share struct {
	atomic.Uint64
	_ [56]byte // the rest of the line
}

func (s *share) set(next, end int) { s.Store(uint64(next)<<32 | uint64(end)) }

func (s *share) first() (chunk int, ok bool) { return s.take(1<<32, 0) }

func (s *share) last() (chunk int, ok bool) { return s.take(0, 1) }

// take takes a chunk by adding to the next or subtracting from the end.
func (s *share) take(first, last uint64) (chunk int, ok bool) {
	for {
		v := s.Load()
		next, end := v>>32, v&math.MaxUint32
		if next >= end {
			return 0, false
		}
		if !s.CompareAndSwap(v, v+first-last) {
			continue
		}
		if last > 0 {
			return int(end - 1), true
		}
		return int(next), true
	}
}

// gate lets workers into the loop of one number until it is closed, and counts those inside: the number in the upper 32
// bits, then whether it is closed, then the count.
type gate struct{ atomic.Uint64 }

const closed = 1 << 31

func (g *gate) enter(number uint32) bool {
	for {
		v := g.Load()
		if uint32(v>>32) != number || v&closed != 0 {
			return false
		}
		if g.CompareAndSwap(v, v+1) {
			return true
		}
	}
}

func (g *gate) leave() { g.Add(^uint64(0)) }

// shut closes the gate and returns when nobody is inside.
func (g *gate) shut() {
	g.Or(closed)
	for i := 0; uint32(g.Load()) != closed; i++ {
		pause()
		if i > spins {
			runtime.Gosched()
		}
	}
}

// run runs all chunks on up to that many threads, the caller's among them. The caller holds mu. A worker that the
// system does not let run in time is not waited for: whoever runs does its chunks.
func (p *pool) run(n, chunks, threads int, body Body) {
	for len(p.workers) < threads-1 {
		w := &worker{thread: len(p.workers) + 1, wake: make(chan struct{}, 1)}
		p.workers = append(p.workers, w)
		go w.run(p)
	}
	p.number++
	p.loop.begin(n, chunks, threads, body)
	p.gate.Store(uint64(p.number) << 32)
	// Also if body panics and a caller further up goes on: nobody may be inside when the pool is free again.
	defer p.finish()
	for _, w := range p.workers[:threads-1] {
		w.give(p.number)
	}
	p.loop.work(0)
}

func (p *pool) finish() {
	p.gate.shut()
	p.loop.body = nil
}

// worker takes part in the loops whose numbers it is given, if it comes in time.
type worker struct {
	thread int // 0 is the caller
	number atomic.Uint32
	parked atomic.Bool
	wake   chan struct{}
}

func (w *worker) give(number uint32) {
	w.number.Store(number)
	if w.parked.CompareAndSwap(true, false) {
		w.wake <- struct{}{}
	}
}

func (w *worker) run(p *pool) {
	for last := uint32(0); ; {
		last = w.take(last)
		if p.gate.enter(last) {
			p.loop.work(w.thread)
			p.gate.leave()
		}
	}
}

// take waits for another number than the last, spinning first.
func (w *worker) take(last uint32) uint32 {
	for {
		for range spins {
			if number := w.number.Load(); number != last {
				return number
			}
			pause()
		}
		w.parked.Store(true)
		if w.number.Load() == last || !w.parked.CompareAndSwap(true, false) {
			// Nothing came before the flag was up, or give has seen the flag: it sends. What it sends may be late and
			// belong to a loop that was seen while spinning, so look again.
			<-w.wake
		}
	}
}
