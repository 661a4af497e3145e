// Package par runs loops on all cores.
//
// A process has one set of cores, so there is one pool. Kernels split their work by output element, never along a
// summed dimension: results do not depend on the number of threads.
package par

import (
	"runtime"
	"sync/atomic"
)

// chunks is how many ranges a thread gets if a loop is long enough.
const chunks = 4

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

// Body is the body of a loop. A value that is reused makes loops that allocate nothing, which a closure does.
type Body interface {
	// Range runs the iterations [lo, hi).
	Range(lo, hi int)
}

// function is a Body that calls itself.
type function func(lo, hi int)

func (f function) Range(lo, hi int) { f(lo, hi) }

// For calls f on disjoint ranges that cover [0, n), on up to Threads() threads, and returns when all are done.
// Ranges are about grain long or longer, so that small loops stay on one thread, and there are several for each thread,
// so that one which the system holds up does not hold up all. One loop at a time has the threads: others, and loops inside of
// it, run on their callers'.
func For(n, grain int, f func(lo, hi int)) { Run(n, grain, function(f)) }

// Run is For with a Body.
func Run(n, grain int, body Body) {
	limit := max(1, n/max(1, grain))
	parts := min(Threads(), limit)
	switch {
	case n <= 0:
	case parts == 1:
		body.Range(0, n)
	case shared.mu.TryLock():
		defer shared.mu.Unlock()
		shared.run(n, min(limit, parts*chunks), parts, body)
	default:
		// The pool is at work for another loop, perhaps for one that this loop is inside of: the cores are taken.
		body.Range(0, n)
	}
}
