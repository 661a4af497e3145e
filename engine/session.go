package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"time"

	"jamba/engine/sample"
	"jamba/model"
	"jamba/model/state"
)

// Session is one sequence that grows: a prompt, its answer, the next prompt that begins with both, and so on. What was
// computed for the common beginning is kept. It is not safe for concurrent use.
type Session struct {
	engine *Engine
	state  *state.State
	tokens []int32   // that state has seen
	logits []float32 // after the last of them, if they are known

	adapter *model.Adapter // that computed the state
}

// NewSession returns an empty session. Close frees its memory; if it is not called, that happens some time after the session
// is out of reach.
func (e *Engine) NewSession() *Session {
	s := &Session{engine: e, state: e.arena.New()}
	runtime.AddCleanup(s, func(s *state.State) { s.Free() }, s.state)
	return s
}

// Close forgets all that the session has seen and frees its memory. The session can be used on.
func (s *Session) Close() {
	s.state.Free()
	s.tokens, s.logits = s.tokens[:0], s.logits[:0]
	s.engine.nudge() // others may wait for the memory
}

// Generate computes the prompt and yields the answer piece by piece. An error ends it; after one the session is still
// usable. If ctx ends, the error is ctx.Err().
func (s *Session) Generate(ctx context.Context, r Request) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		q, err := s.begin(ctx, &r, nil)
		if err != nil {
			yield(Piece{}, err)
			return
		}
		// The engine looks at contexts between passes: it has to be woken if it sleeps.
		stop := context.AfterFunc(ctx, s.engine.nudge)
		defer stop()
		a := &answer{sequence: q, ctx: ctx, engine: s.engine, stats: &Stats{PromptTokens: len(r.Prompt), ReusedTokens: len(r.Prompt) - q.total}, start: time.Now(), stop: stopper{stops: r.Stop}}
		last, err := a.read(yield)
		// The state is the engine's until it has said its last word.
		cancel()
		for !a.over {
			a.over = (<-q.events).ends()
		}
		s.tokens, s.logits = q.tokens, q.logits
		if err != nil || last.Finish != "" {
			yield(last, err)
		}
	}
}

// begin submits a request, for an answer or for an embedding.
func (s *Session) begin(ctx context.Context, r *Request, sum *embedding) (*sequence, error) {
	if len(r.Prompt) == 0 {
		return nil, errors.New("the prompt is empty, and the model has no token that begins a text")
	}
	room := r.MaxTokens
	if limit := s.engine.options.Context; limit > 0 {
		if len(r.Prompt) >= limit {
			return nil, fmt.Errorf("the prompt has %d tokens, the model's context %d", len(r.Prompt), limit)
		}
		if room <= 0 || room > limit-len(r.Prompt) {
			room = limit - len(r.Prompt)
		}
	}
	if room <= 0 {
		room = int(^uint(0) >> 1)
	}
	// An answer without a limit is not refused for what it might become.
	need := len(r.Prompt)
	if r.MaxTokens > 0 {
		need += min(room, 1<<32)
	}
	n := len(s.tokens)
	if s.adapter != r.Adapter || n > len(r.Prompt) || !slices.Equal(s.tokens, r.Prompt[:n]) || n == len(r.Prompt) && len(s.logits) == 0 {
		// A state cannot be cut back to a common beginning.
		s.Close()
		n, s.adapter = 0, r.Adapter
	}
	q := &sequence{
		ctx: ctx, request: r, state: s.state, tokens: s.tokens, logits: s.logits, sampler: sample.New(r.Sample, r.Prompt, r.Padded),
		embedding: sum, room: room, todo: r.Prompt[n:], total: len(r.Prompt) - n, need: need,
		events: make(chan event, r.Ahead+3), progress: make(chan [2]int, 256),
	}
	if n > 0 {
		q.begun = state.Bytes(s.engine.arena.Specs(), n)
	}
	q.wanted.Store(int32(r.Ahead + 1))
	return q, s.engine.submit(q)
}
