package par

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// spins is how often a worker looks for its next loop before it parks, some tens of microseconds: the loops of one
// forward pass follow each other faster, and waking a parked thread takes longer than many of them.
const spins = 2000

// shared is the pool of all loops.
var shared pool

// pool is workers that wait for one loop at a time.
type pool struct {
	mu      sync.Mutex
	workers []*worker
	job     job
}

// job is a loop in chunks, which are taken by whoever is free. It is written while no worker holds it.
type job struct {
	n, chunks int
	f         func(lo, hi int)
	next      atomic.Int64 // chunk
	pending   atomic.Int32 // workers
}

// work runs chunks until none is left.
func (j *job) work() {
	for {
		c := int(j.next.Add(1)) - 1
		if c >= j.chunks {
			return
		}
		j.f(c*j.n/j.chunks, (c+1)*j.n/j.chunks)
	}
}

// run runs all chunks on that many threads, the caller's among them. The caller holds mu.
func (p *pool) run(n, chunks, threads int, f func(lo, hi int)) {
	for len(p.workers) < threads-1 {
		w := &worker{wake: make(chan struct{}, 1)}
		p.workers = append(p.workers, w)
		go w.loop()
	}
	j := &p.job
	j.n, j.chunks, j.f = n, chunks, f
	j.next.Store(0)
	j.pending.Store(int32(threads - 1))
	for _, w := range p.workers[:threads-1] {
		w.give(j)
	}
	j.work()
	for i := 0; j.pending.Load() > 0; i++ {
		pause()
		if i > spins {
			runtime.Gosched()
		}
	}
	j.f = nil
}

// worker takes part in each job that it is given.
type worker struct {
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
		j.work()
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
