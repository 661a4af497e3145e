package par

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// spins is how often a worker looks for its next part before it parks, some tens of microseconds: the parts of one
// forward pass follow each other faster, and waking a parked thread takes longer than many of them.
const spins = 2000

// shared is the pool of all loops.
var shared pool

// pool is workers that wait for parts of one loop at a time.
type pool struct {
	mu      sync.Mutex
	workers []*worker
	job     job
}

// job is a loop in parts. It is written while no worker holds it.
type job struct {
	n, parts int
	f        func(lo, hi int)
	pending  atomic.Int32
}

// run runs all parts, the first in the caller's goroutine. The caller holds mu.
func (p *pool) run(n, parts int, f func(lo, hi int)) {
	for len(p.workers) < parts-1 {
		w := &worker{index: len(p.workers) + 1, wake: make(chan struct{}, 1)}
		p.workers = append(p.workers, w)
		go w.loop()
	}
	j := &p.job
	j.n, j.parts, j.f = n, parts, f
	j.pending.Store(int32(parts - 1))
	for _, w := range p.workers[:parts-1] {
		w.give(j)
	}
	f(0, n/parts)
	for i := 0; j.pending.Load() > 0; i++ {
		pause()
		if i > spins {
			runtime.Gosched()
		}
	}
	j.f = nil
}

// worker runs the part of each job that has its index.
type worker struct {
	index  int
	job    atomic.Pointer[job]
	parked atomic.Bool
	wake   chan struct{}
}

func (w *worker) give(j *job) {
	w.job.Store(j)
	if w.parked.CompareAndSwap(true, false) {
		w.wake <- struct{}{}
	}
}

func (w *worker) loop() {
	for {
		j := w.take()
		j.f(w.index*j.n/j.parts, (w.index+1)*j.n/j.parts)
		j.pending.Add(-1)
	}
}

// take waits for a job, spinning first.
func (w *worker) take() *job {
	for {
		for range spins {
			if w.job.Load() != nil {
				return w.job.Swap(nil)
			}
			pause()
		}
		w.parked.Store(true)
		if w.job.Load() == nil || !w.parked.CompareAndSwap(true, false) {
			// Nothing came before the flag was up, or give has seen the flag: it sends. What it sends may be late and
			// belong to a job that was taken while spinning, so look again.
			<-w.wake
		}
	}
}
