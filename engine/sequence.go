package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"jamba/engine/prefix"
	"jamba/engine/sample"
	"jamba/model"
	"jamba/model/state"
)

// goal is what a request wants.
type goal int

const (
	goalAnswer goal = iota
	goalEmbedding
	goalState // that after the prompt
)

// sequence is a request on its way. The engine's goroutine owns it until it has sent the last event.
type sequence struct {
	ctx     context.Context
	request *Request
	goal    goal
	rank    time.Time // when it came, a higher priority counting as earlier
	state   *state.State
	tokens  []int32 // that state has seen
	sampler *sample.Sampler
	answer  []int32   // for a constraint
	masked  []float32 // logits that a constraint has changed
	late    []float32 // logits of which no token is picked yet, since the constraint is not ready
	room    int       // tokens that the answer may have
	picked  int

	todo              []int32 // tokens to be computed next: the rest of the prompt, or one and what may follow it
	one               [1]int32
	answering         bool           // the prompt is done
	scored            []Score        // of the prompt's tokens; the reader's after the first event
	again             bool           // todo was computed before
	fed, total        int            // of what was to be computed of the prompt
	reused            int            // of the prompt, not computed
	guesses           *guesses       // nil: none are made
	guessed           int            // of the last tokens of todo
	drafted, accepted int            // guesses, and those that were right, since they were counted
	undo              []*state.State // ways back, ascending

	leader   *sequence // computes the first common tokens, which are waited for
	common   int
	root     prefix.Root
	path     *prefix.Path   // while it is computed or waits with others for a leader
	places   []prefix.Place // of the prompt, at which states are kept
	hit      *prefix.Hit    // what it will go on from
	fetching bool           // hit is or was read from the disk
	read     atomic.Bool    // and was
	need     int            // tokens that there may be
	counted  bool           // among the prompts
	miss     prefix.Reason  // why nothing was found
	came     time.Time
	waited   time.Duration // until it began
	promise  int64         // bytes, beyond what the state had when it began
	begun    int64         // bytes of the state then

	preparing <-chan struct{} // closed when the constraint is ready; nil: it always is

	mu       sync.Mutex   // of gone, and held while the constraint is called
	gone     bool         // the reader is
	wanted   atomic.Int32 // tokens that the reader has asked for and not got
	away     atomic.Int64 // since when that is none, in Unix nanoseconds
	events   chan event
	progress chan [2]int
	next     []event // not sent yet
	last     *event
}

// event is what a reader is sent: a token, or the end with a reason or an error.
type event struct {
	id      int32
	logprob *sample.Logprob
	top     []sample.Logprob
	finish  Finish
	err     error
	state   *state.State // for goalState; the reader's
}

// send sends an event. There is room for all that were wanted, all that may be taken back, and the last.
func (s *sequence) send(ev event) { s.events <- ev }

// tell tells of progress, unless the reader is far behind.
func (s *sequence) tell(done, total int) {
	select {
	case s.progress <- [2]int{done, total}:
	default:
	}
}

// at returns the number of tokens that have been computed.
func (s *sequence) at() int { return len(s.tokens) }

// idle reports whether the reader has stayed away for some time.
func (s *sequence) idle() bool {
	return s.wanted.Load() == 0 && time.Since(time.Unix(0, s.away.Load())) > idle
}

// bytes returns how much memory the state has, that which it shares with others included.
func (s *sequence) bytes() int64 { return stateBytes(s.state.Arena().Specs(), s.state.Pos()) }

// stateBytes returns how much memory the state after n tokens has.
func stateBytes(specs []state.Spec, n int) int64 {
	if n == 0 {
		return 0
	}
	return state.Bytes(specs, n)
}

// claim returns the bytes that the sequence is promised: the prompt's, and of the answer's as many as most come to.
func (s *sequence) claim() int64 {
	return state.Bytes(s.state.Arena().Specs(), max(len(s.tokens)+len(s.todo), min(s.need, len(s.request.Prompt)+ahead)))
}

// want says what the next n tokens are to give.
func (s *sequence) want(n int) model.Want {
	switch last := n == len(s.todo); {
	case s.goal == goalEmbedding:
		return s.request.embedding.want(last)
	case s.goal == goalState:
		return model.NoLogits
	case s.guessed > 0 || s.scoring():
		return model.AllLogits
	case last:
		return model.LastLogits
	}
	return model.NoLogits
}

// advance goes on from the result of a span. It sets next or last if the reader is to be told of something. A constraint that is not
// ready at the deadline is waited for later.
func (s *sequence) advance(r *model.Result, span *model.Span, deadline time.Time) {
	n := len(span.Tokens)
	if r.Err != nil {
		if errors.Is(r.Err, state.ErrFull) {
			r.Err = fmt.Errorf("a context of %d tokens: %w; shorten the prompt or the answer (--max-tokens)", s.state.Pos()+n, r.Err)
		}
		s.last = &event{err: r.Err}
		return
	}
	if s.guessed > 0 {
		s.verify(r, deadline)
		return
	}
	if s.scoring() {
		r.Logits = s.score(r.Logits, n)
	}
	s.tokens = append(s.tokens, s.todo[:n]...)
	s.todo = s.todo[n:]
	if !s.again {
		s.fed += n
	}
	if s.goal == goalEmbedding {
		s.request.embedding.add(r.Hidden, n)
	}
	switch {
	case len(s.todo) > 0:
	case s.goal == goalEmbedding:
		s.last = &event{id: -1, finish: FinishStop}
	case s.goal == goalState:
		s.last = &event{id: -1, finish: FinishStop, state: s.state.Fork()}
	default:
		s.answering = true
		s.pick(r.Logits, deadline)
	}
}

// verify goes on from a span of a token and guesses of what follows: each token is picked from its logits as without guesses, as
// long as they were right.
func (s *sequence) verify(r *model.Result, deadline time.Time) {
	ids := s.todo
	s.guessed = 0
	vocab := len(r.Logits) / len(ids)
	right, start := 0, s.at()
	for {
		s.tokens = append(s.tokens, ids[right])
		s.pick(r.Logits[right*vocab:(right+1)*vocab], deadline)
		if s.at() != start+right+1 {
			break // the constraint has taken back tokens, and the state
		}
		if right+1 == len(ids) || s.last != nil || len(s.todo) != 1 || s.todo[0] != ids[right+1] {
			break
		}
		right++
	}
	if right+1 < len(ids) && s.at() == start+right+1 {
		s.state.Return(r.Kept[right])
	}
	freeAll(r.Kept)
	r.Kept = nil
	s.guesses.learn(len(ids)-1, right)
	s.drafted, s.accepted = s.drafted+len(ids)-1, s.accepted+right
}

// pick picks the next token, or keeps the logits if the constraint is not ready at the deadline.
func (s *sequence) pick(logits []float32, deadline time.Time) {
	if s.picked == s.room {
		s.last = &event{id: -1, finish: FinishLength}
		return
	}
	if s.request.Constraint == nil {
		s.todo = s.one[:0]
		s.accept(s.sampler.Next(logits), logits, true)
		return
	}
	if !s.prepared(deadline) {
		s.todo, s.late = nil, slices.Clone(logits)
		return
	}
	if allowed, done := s.steer(logits); !done {
		s.todo = s.one[:0]
		s.accept(s.sampler.Next(allowed), logits, true)
	}
	if s.last == nil {
		s.prepare()
	}
}

// accept makes a token the next of the answer and of what is to be computed.
func (s *sequence) accept(id int32, logits []float32, scored bool) {
	s.picked++
	if s.request.Constraint != nil {
		s.answer = append(s.answer, id)
	}
	if slices.Contains(s.request.StopTokens, id) {
		s.last = &event{id: -1, finish: FinishStop}
		return
	}
	ev := event{id: id}
	if s.request.Logprobs && scored {
		chosen, top := sample.Logprobs(logits, id, s.request.TopTokens, s.request.Padded)
		ev.logprob, ev.top = &chosen, top
	}
	if s.picked == s.room {
		// The last token needs no pass of its own.
		ev.finish = FinishLength
		s.last = &ev
		return
	}
	s.next = append(s.next, ev)
	s.todo = append(s.todo, id)
	if s.guesses != nil {
		s.guesses.push(id)
	}
}
