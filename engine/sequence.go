package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	"jamba/engine/sample"
	"jamba/model"
	"jamba/model/state"
)

// sequence is a request on its way. The engine's goroutine owns it until it has sent the last event.
type sequence struct {
	ctx     context.Context
	request *Request
	state   *state.State
	tokens  []int32   // that state has seen
	logits  []float32 // after the last of them, once the answer has ended; else empty
	sampler *sample.Sampler
	answer  []int32   // for a mask
	masked  []float32 // logits that a mask has changed
	room    int       // tokens that the answer may have
	picked  int

	embedding *embedding // instead of an answer; nil: none

	todo       []int32 // tokens to be computed next: the rest of the prompt, or one
	one        [1]int32
	answering  bool  // the prompt is done
	fed, total int   // of the prompt
	need       int   // tokens that memory is promised for
	promise    int64 // bytes, beyond what the state had at first
	begun      int64 // bytes of the state at first

	wanted   atomic.Int32 // tokens that the reader has asked for and not got
	events   chan event
	progress chan [2]int
	next     *event // of the pass at hand
	last     *event
}

var errNoToken = errors.New("the mask of the request allows no token")

// event is what a reader is sent: a token, or the end with a reason or an error.
type event struct {
	id      int32
	logprob *sample.Logprob
	top     []sample.Logprob
	finish  Finish
	err     error
}

// send sends an event. There is room for all that were wanted and the last.
func (s *sequence) send(ev event) { s.events <- ev }

// tell tells of progress, unless the reader is far behind.
func (s *sequence) tell(done, total int) {
	select {
	case s.progress <- [2]int{done, total}:
	default:
	}
}

// taken returns how much of what was promised the sequence has.
func (s *sequence) taken(specs []state.Spec) int64 {
	if s.state.Pos() == 0 {
		return 0
	}
	return state.Bytes(specs, s.state.Pos()) - s.begun
}

// want says what the next n tokens are to give.
func (s *sequence) want(n int) model.Want {
	switch last := n == len(s.todo); {
	case s.embedding != nil:
		return s.embedding.want(last)
	case last:
		return model.LastLogits
	}
	return model.NoLogits
}

// advance goes on from the result of n tokens. It sets next or last if the reader is to be told of something.
func (s *sequence) advance(r *model.Result, n int) {
	if r.Err != nil {
		if errors.Is(r.Err, state.ErrFull) {
			r.Err = fmt.Errorf("a context of %d tokens: %w; shorten the prompt or the answer (--max-tokens)", s.state.Pos()+n, r.Err)
		}
		s.last = &event{err: r.Err}
		return
	}
	s.logits = s.logits[:0]
	s.tokens = append(s.tokens, s.todo[:n]...)
	s.todo, s.fed = s.todo[n:], s.fed+n
	if s.embedding != nil {
		s.embedding.add(r.Hidden, n)
	}
	switch {
	case len(s.todo) > 0:
		return
	case s.embedding != nil:
		s.last = &event{id: -1, finish: FinishStop}
		return
	}
	s.answering = true
	s.pick(r.Logits)
}

// pick picks the next token.
func (s *sequence) pick(logits []float32) {
	if s.picked == s.room {
		s.finish(FinishLength, logits)
		return
	}
	allowed := logits
	if s.request.Mask != nil {
		s.masked = append(s.masked[:0], logits...)
		s.request.Mask(s.answer, s.masked)
		if allowed = s.masked; !slices.ContainsFunc(allowed, func(v float32) bool { return v > float32(math.Inf(-1)) }) {
			s.last = &event{err: errNoToken}
			return
		}
	}
	id := s.sampler.Next(allowed)
	s.picked++
	if s.request.Mask != nil {
		s.answer = append(s.answer, id)
	}
	if slices.Contains(s.request.StopTokens, id) {
		s.finish(FinishStop, logits)
		return
	}
	ev := &event{id: id}
	if s.request.Logprobs {
		chosen, top := sample.Logprobs(logits, id, s.request.TopTokens, s.request.Padded)
		ev.logprob, ev.top = &chosen, top
	}
	if s.next = ev; s.picked == s.room {
		// The last token needs no pass of its own.
		s.logits = append(s.logits[:0], logits...)
		ev.finish = FinishLength
		s.next, s.last = nil, ev
		return
	}
	s.one[0] = id
	s.todo = s.one[:]
}

func (s *sequence) finish(f Finish, logits []float32) {
	s.logits = append(s.logits[:0], logits...)
	s.last = &event{id: -1, finish: f}
}
