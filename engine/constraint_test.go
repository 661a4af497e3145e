package engine

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// slow is a constraint that takes some time before it is ready, and notes if it was asked before.
type slow struct {
	Constraint
	time  func() time.Duration
	mu    sync.Mutex
	ready int // it is for answers of so many tokens
	early bool
}

func newSlow(c Constraint, time func() time.Duration) *slow {
	return &slow{Constraint: c, time: time, ready: -1}
}

func (s *slow) Prepare(answer []int32) <-chan struct{} {
	n, done := len(answer), make(chan struct{})
	s.mu.Lock()
	s.ready = -1
	s.mu.Unlock()
	time.AfterFunc(s.time(), func() {
		s.mu.Lock()
		s.ready = n
		s.mu.Unlock()
		close(done)
	})
	return done
}

func (s *slow) Next(answer []int32, logits []float32) ([]int32, int, error) {
	s.mu.Lock()
	s.early = s.early || s.ready != len(answer)
	s.mu.Unlock()
	return s.Constraint.Next(answer, logits)
}

// TestSlowConstraint expects a constraint that takes long to hold up its own answer alone, and one that is done within a pass none.
func TestSlowConstraint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, d := newDouble(0, Options{})
		defer e.Close()
		d.delay = 10 * time.Millisecond
		all := Mask(func([]int32, []float32) {})
		times := map[time.Duration]time.Duration{}
		var mu sync.Mutex
		var readers sync.WaitGroup
		start := time.Now()
		for i, takes := range []time.Duration{0, 9 * time.Millisecond, time.Second} {
			readers.Go(func() {
				prompt := unlike(i, 5)
				c := newSlow(all, func() time.Duration { return takes })
				got, _, _, err := collect(t, e, Request{Prompt: prompt, MaxTokens: 20, Constraint: c})
				if err != nil || !slices.Equal(got, alone(prompt, 20)) {
					t.Errorf("got %v, %v", got, err)
				}
				if c.early {
					t.Error("was asked before it was ready")
				}
				mu.Lock()
				times[takes] = time.Since(start)
				mu.Unlock()
			})
		}
		readers.Wait()
		if most := 20*(d.delay+grace) + 20*time.Millisecond; times[0] > most || times[9*time.Millisecond] > most || times[time.Second] < 20*time.Second {
			t.Errorf("%v", times)
		}
	})
}
