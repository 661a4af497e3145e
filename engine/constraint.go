package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"jamba/internal/kernel/par"
	"jamba/model/state"
)

// Constraint steers an answer: a grammar, a schema, a list of choices. Its calls for one answer come one after the other, beside
// those for other answers, and none after the reader has left.
type Constraint interface {
	// Next is called before a token is picked, answer being the tokens so far. It may change the logits [vocab], most often to
	// -Inf for tokens that are not allowed. If it returns tokens, these come next, whatever the logits are. If it returns
	// back > 0, so many of the last tokens are taken back and it is called again; at most Request.Undo at a time. It must not
	// keep its arguments. An error ends the answer.
	Next(answer []int32, logits []float32) (forced []int32, back int, err error)
}

// Preparer is a Constraint that has to compute something before Next. It is done beside the network's passes; an answer for which it
// takes longer misses the next ones, and others go on.
type Preparer interface {
	Constraint
	// Prepare is called with the tokens so far, before the first when the request comes, then as soon as one is picked. It returns
	// at once, and a channel that is closed when Next will also return at once. It must not keep its argument.
	Prepare(answer []int32) (ready <-chan struct{})
}

// grace is how long the answers of a pass wait for what their constraints still compute.
const grace = time.Millisecond

// Mask is a Constraint that only changes logits.
type Mask func(answer []int32, logits []float32)

// Next calls the function.
func (m Mask) Next(answer []int32, logits []float32) ([]int32, int, error) {
	m(answer, logits)
	return nil, 0, nil
}

var errNoToken = errors.New("the mask of the request allows no token")

// prepare lets the constraint compute what it needs before the next token.
func (s *sequence) prepare() {
	p, ok := s.request.Constraint.(Preparer)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gone {
		s.preparing = p.Prepare(s.answer)
	}
}

// prepared reports whether the constraint has computed what it needs, for which it has until deadline.
func (s *sequence) prepared(deadline time.Time) bool {
	if s.preparing == nil {
		return true
	}
	select {
	case <-s.preparing:
		return true
	default:
	}
	if wait := time.Until(deadline); wait > 0 {
		select {
		case <-s.preparing:
			return true
		case <-time.After(wait):
		}
	}
	return false
}

// wakeFor wakes the engine when the constraint of a sequence is ready that has missed its pass.
func (e *Engine) wakeFor(s *sequence) {
	ready, ended := s.preparing, s.ctx.Done()
	go func() {
		select {
		case <-ready:
			e.nudge()
		case <-ended:
		}
	}()
}

// catchUp picks the tokens of the sequences whose constraints have become ready since their pass.
func (e *Engine) catchUp() {
	var late []*sequence
	for _, s := range e.running {
		if s.late != nil && s.prepared(time.Time{}) {
			late = append(late, s)
		}
	}
	par.For(len(late), 1, func(lo, hi int) {
		for _, s := range late[lo:hi] {
			logits := s.late
			s.late = nil
			s.pick(logits, time.Time{})
		}
	})
	for _, s := range late {
		e.deliver(s)
	}
}

// steer asks the constraint what may come next. done says that what comes next, or the end, is set.
func (s *sequence) steer(logits []float32) (allowed []float32, done bool) {
	s.masked = append(s.masked[:0], logits...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		s.last = &event{err: context.Canceled}
		return nil, true
	}
	forced, back, err := s.request.Constraint.Next(s.answer, s.masked)
	for _, id := range s.request.Padded {
		if int(id) < len(s.masked) {
			s.masked[id] = float32(math.Inf(-1)) // or the mask might leave nothing else
		}
	}
	switch {
	case err != nil:
		s.last = &event{err: err}
	case back > 0:
		s.last = s.takeBack(back)
	case len(forced) > 0:
		s.todo = nil
		for _, id := range forced {
			s.sampler.Accept(id)
			if s.accept(id, logits, false); s.last != nil {
				return nil, true
			}
		}
	case !slices.ContainsFunc(s.masked, func(v float32) bool { return v > float32(math.Inf(-1)) }):
		s.last = &event{err: errNoToken}
	default:
		return s.masked, false
	}
	return nil, true
}

// remember keeps a way back before a pass, if tokens may be taken back.
func (s *sequence) remember() {
	if s.request.Undo == 0 || s.state.Pos() == 0 {
		return
	}
	s.undo = append(s.undo, s.state.Fork())
	// One is kept from before all that may be taken back.
	for len(s.undo) > 1 && s.undo[1].Pos() < s.at()-s.request.Undo {
		s.undo[0].Free()
		s.undo = slices.Delete(s.undo, 0, 1)
	}
}

// takeBack takes back the last n tokens of the answer. It returns an event if that cannot be.
func (s *sequence) takeBack(n int) *event {
	if n > len(s.answer) || n > s.request.Undo {
		return &event{err: fmt.Errorf("the constraint of the request takes back %d tokens of %d, at most %d may be", n, len(s.answer), s.request.Undo)}
	}
	// The token before those is computed again, for its logits.
	end := s.at() - n
	i := len(s.undo) - 1
	for i >= 0 && s.undo[i].Pos() >= end {
		i--
	}
	from := 0
	if i >= 0 {
		s.state.Return(s.undo[i])
		from = s.undo[i].Pos()
	} else {
		s.state.Free()
	}
	freeAll(s.undo[i+1:])
	s.undo = s.undo[:i+1]
	s.sampler.TakeBack(s.answer[len(s.answer)-n:])
	s.answer, s.picked, s.next = s.answer[:len(s.answer)-n], s.picked-n, s.next[:len(s.next)-n]
	s.todo = slices.Clone(s.tokens[from:end])
	s.tokens = s.tokens[:from]
	s.answering = len(s.todo) == 1
	s.again = true
	return nil
}

// forget gives up all ways back.
func (s *sequence) forget() {
	freeAll(s.undo)
	s.undo = nil
}

func freeAll(states []*state.State) {
	for _, s := range states {
		s.Free()
	}
}
