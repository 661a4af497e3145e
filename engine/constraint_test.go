package engine

import (
	"slices"
	"sync"
	"testing"
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

// gated is a constraint that is not ready before the gate is closed.
type gated struct {
	Constraint
	gate chan struct{}
}

func (g gated) Prepare([]int32) <-chan struct{} { return g.gate }

// TestSlowConstraint expects a constraint that is not ready to hold up its own answer alone.
func TestSlowConstraint(t *testing.T) {
	e, _ := newDouble(0, Options{})
	all := Mask(func([]int32, []float32) {})
	gate, prompt := make(chan struct{}), unlike(1, 5)
	done := make(chan []int32)
	go func() {
		ids, _, _, err := collect(t, e, Request{Prompt: prompt, MaxTokens: 20, Constraint: gated{all, gate}})
		if err != nil {
			t.Error(err)
		}
		done <- ids
	}()
	for i := range 5 {
		other := unlike(2+i, 5)
		ids, _, _, err := collect(t, e, Request{Prompt: other, MaxTokens: 20, Constraint: newSlow(all, func() time.Duration { return time.Microsecond })})
		if err != nil || !slices.Equal(ids, alone(other, 20)) {
			t.Errorf("beside a constraint that is not ready: ids %v, error %v", ids, err)
		}
	}
	close(gate)
	if ids := <-done; !slices.Equal(ids, alone(prompt, 20)) {
		t.Errorf("ids %v", ids)
	}
	cleared(t, e)
}
