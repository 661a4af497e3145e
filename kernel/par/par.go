// Package par runs loops on all cores.
//
// A process has one set of cores, so there is one pool. Kernels split their work by output element, never along a
// summed dimension: results do not depend on the number of threads.
package par

import (
	"runtime"
	"sync"
	"sync/atomic"
)

var threads atomic.Int64

func init() { SetThreads(0) }

// Threads returns the number of threads that For uses.
func Threads() int { return int(threads.Load()) }

// SetThreads sets the number of threads that For uses from now on; n < 1 means all cores.
func SetThreads(n int) {
	if n < 1 {
		n = runtime.GOMAXPROCS(0)
	}
	threads.Store(int64(n))
}

// For calls f on disjoint ranges that cover [0, n), on up to Threads() threads, and returns when all are done.
// No range but the last is shorter than grain, so that small loops stay on one thread.
func For(n, grain int, f func(lo, hi int)) {
	parts := min(Threads(), max(1, n/max(1, grain)))
	switch {
	case n <= 0:
	case parts == 1:
		f(0, n)
	case shared.mu.TryLock():
		defer shared.mu.Unlock()
		shared.run(n, parts, f)
	default:
		// The pool is at work for another loop, perhaps for one that this loop is inside of.
		var wg sync.WaitGroup
		for i := 1; i < parts; i++ {
			wg.Go(func() { f(i*n/parts, (i+1)*n/parts) })
		}
		f(0, n/parts)
		wg.Wait()
	}
}
