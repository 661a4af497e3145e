package par

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestForCoversEachIndexOnce(t *testing.T) {
	defer SetThreads(0)
	rapid.Check(t, func(t *rapid.T) {
		SetThreads(rapid.IntRange(1, 9).Draw(t, "threads"))
		n := rapid.IntRange(0, 200).Draw(t, "n")
		grain := rapid.IntRange(0, 50).Draw(t, "grain")
		seen := make([]atomic.Int32, n)
		var calls atomic.Int32
		For(n, grain, func(lo, hi int) {
			calls.Add(1)
			for i := lo; i < hi; i++ {
				seen[i].Add(1)
			}
		})
		for i := range seen {
			if c := seen[i].Load(); c != 1 {
				t.Fatalf("index %d was visited %d times", i, c)
			}
		}
		if int(calls.Load()) > chunks*Threads() {
			t.Fatalf("%d calls on %d threads", calls.Load(), Threads())
		}
	})
}

// TestForAtOnce runs loops within loops and from several goroutines.
func TestForAtOnce(t *testing.T) {
	defer SetThreads(0)
	SetThreads(3)
	var sum atomic.Int64
	done := make(chan bool)
	for range 4 {
		go func() {
			for range 200 {
				For(10, 1, func(lo, hi int) {
					For(hi-lo, 1, func(lo, hi int) { sum.Add(int64(hi - lo)) })
				})
			}
			done <- true
		}()
	}
	for range 4 {
		<-done
	}
	if got := sum.Load(); got != 4*200*10 {
		t.Errorf("%d iterations, want %d", got, 4*200*10)
	}
}

// TestForAfterIdle asserts that parked workers wake up.
func TestForAfterIdle(t *testing.T) {
	defer SetThreads(0)
	SetThreads(2)
	for _, pause := range []time.Duration{0, time.Microsecond, 100 * time.Microsecond, time.Millisecond, 20 * time.Millisecond} {
		for range 20 {
			var n atomic.Int32
			time.Sleep(pause)
			For(2, 1, func(lo, hi int) { n.Add(int32(hi - lo)) })
			if n.Load() != 2 {
				t.Fatalf("after %v: %d", pause, n.Load())
			}
		}
	}
}

// TestForLetsGCRun asserts that a collection does not wait for loops that follow each other without end.
func TestForLetsGCRun(t *testing.T) {
	stop := make(chan bool)
	var loops sync.WaitGroup
	loops.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				For(64, 1, func(lo, hi int) {})
			}
		}
	})
	defer loops.Wait() // the next test's loop is to find the threads free
	defer close(stop)
	for range 20 {
		start := time.Now()
		runtime.GC()
		if d := time.Since(start); d > 2*time.Second {
			t.Fatalf("a collection took %v", d)
		}
	}
}

// TestForDoesNotWaitForSleepers asserts that a loop is done when its chunks are, whether or not the workers came. The
// only processor is the caller's, with a neighbour that never gives way: to wait for a worker is to let the neighbour run.
func TestForDoesNotWaitForSleepers(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	defer SetThreads(0)
	SetThreads(8)
	const loops = 1000
	var loop, sum atomic.Int64
	seen := make(chan int)
	go func() {
		n := 0
		for last := int64(-1); last < loops; pause() {
			if now := loop.Load(); now != last {
				last = now
				n++
			}
		}
		seen <- n
	}()
	for i := range loops {
		loop.Store(int64(i))
		For(64, 1, func(lo, hi int) { sum.Add(int64(hi - lo)) })
	}
	loop.Store(loops)
	if n := <-seen; n > loops/2 {
		t.Errorf("the neighbour ran during %d of %d loops", n, loops)
	}
	if sum.Load() != 64*loops {
		t.Errorf("%d iterations, want %d", sum.Load(), 64*loops)
	}
}

// TestForAfterPanic asserts that a loop whose panic the caller survives has ended: no worker comes to it later. The only
// processor is the caller's, so it is the caller that panics.
func TestForAfterPanic(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	defer SetThreads(0)
	SetThreads(2)
	var calls atomic.Int32
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was lost")
			}
		}()
		For(64, 1, func(lo, hi int) {
			if calls.Add(1) == 2 {
				panic("second chunk")
			}
		})
	}()
	time.Sleep(time.Millisecond)
	if calls.Load() != 2 {
		t.Errorf("%d calls, want 2", calls.Load())
	}
	calls.Store(0)
	For(64, 1, func(lo, hi int) { calls.Add(int32(hi - lo)) })
	if calls.Load() != 64 {
		t.Errorf("afterwards %d iterations, want 64", calls.Load())
	}
}

type counter struct{ sum atomic.Int64 }

func (c *counter) Range(lo, hi int) { c.sum.Add(int64(hi - lo)) }

func TestRunAllocatesNothing(t *testing.T) {
	defer SetThreads(0)
	SetThreads(2)
	c := &counter{}
	Run(100, 1, c)
	if n := testing.AllocsPerRun(100, func() { Run(100, 1, c) }); n != 0 {
		t.Errorf("%v allocations a loop", n)
	}
}

// TestShare asserts that a thread takes its chunks in order and others from the end.
func TestShare(t *testing.T) {
	var s share
	s.set(3, 8)
	for _, step := range []struct {
		take func() (int, bool)
		want int
	}{{s.first, 3}, {s.last, 7}, {s.last, 6}, {s.first, 4}, {s.first, 5}} {
		if got, ok := step.take(); got != step.want || !ok {
			t.Fatalf("chunk %d, want %d", got, step.want)
		}
	}
	for _, take := range []func() (int, bool){s.first, s.last} {
		if got, ok := take(); ok {
			t.Fatalf("chunk %d of none", got)
		}
	}
}
