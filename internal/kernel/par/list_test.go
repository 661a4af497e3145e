package par

import (
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

// visits counts how often each iteration of a loop was run.
type visits []atomic.Int32

func (v visits) Range(lo, hi int) {
	for i := lo; i < hi; i++ {
		v[i].Add(1)
	}
}

func TestListCoversEachIterationOnce(t *testing.T) {
	defer SetThreads(0)
	var l List
	rapid.Check(t, func(t *rapid.T) {
		SetThreads(rapid.IntRange(1, 9).Draw(t, "threads"))
		var all []visits
		for range rapid.IntRange(0, 9).Draw(t, "loops") {
			v := make(visits, rapid.IntRange(0, 90).Draw(t, "n"))
			all = append(all, v)
			l.Add(len(v), rapid.IntRange(1, 1<<22).Draw(t, "each"), v)
		}
		l.Run(rapid.IntRange(0, 1<<24).Draw(t, "grain"))
		for i, v := range all {
			for j := range v {
				if n := v[j].Load(); n != 1 {
					t.Fatalf("iteration %d of loop %d ran %d times", j, i, n)
				}
			}
		}
	})
}

// A list is empty after a loop that panics, too.
func TestListAfterPanic(t *testing.T) {
	defer SetThreads(0)
	SetThreads(1)
	var l List
	func() {
		defer func() { recover() }() //nolint:errcheck // it is the test's own
		l.Add(1, 1, function(func(int, int) { panic("in the loop") }))
		l.Run(1)
	}()
	v := make(visits, 3)
	l.Add(len(v), 1, v)
	l.Run(1)
	for i := range v {
		if n := v[i].Load(); n != 1 {
			t.Errorf("iteration %d ran %d times", i, n)
		}
	}
}

func TestListAllocatesNothing(t *testing.T) {
	defer SetThreads(0)
	SetThreads(2)
	c, l := &counter{}, &List{}
	run := func() {
		l.Add(100, 3, c)
		l.Add(10, 1, c)
		l.Run(1)
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations a list", n)
	}
}
