package par

import (
	"sync/atomic"
	"testing"

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
		if int(calls.Load()) > Threads() {
			t.Fatalf("%d calls on %d threads", calls.Load(), Threads())
		}
	})
}
