package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"jamba/engine/sample"
)

// Generate computes the prompt, from where it parts from what is kept of earlier ones, and yields the answer piece by piece. An
// error ends it, ctx.Err() if ctx has ended.
func (e *Engine) Generate(ctx context.Context, r Request) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		// The engine looks at contexts between passes: it has to be woken if it sleeps.
		context.AfterFunc(ctx, e.nudge)
		q, err := e.request(ctx, &r, goalAnswer)
		if err != nil {
			yield(Piece{}, err)
			return
		}
		defer q.goAway()
		defer cancel() // before that: who has left has not failed
		a := &answer{sequence: q, ctx: ctx, engine: e, stats: &Stats{PromptTokens: len(r.Prompt)}, start: time.Now(), stop: stopper{stops: r.Stop}}
		last, err := a.read(yield)
		if err != nil || last.Finish != "" {
			yield(last, err)
		}
	}
}

// request submits a request.
func (e *Engine) request(ctx context.Context, r *Request, g goal) (*sequence, error) {
	if len(r.Prompt) == 0 {
		return nil, errors.New("the prompt is empty, and the model has no token that begins a text")
	}
	room := r.MaxTokens
	if limit := e.options.Context; limit > 0 {
		if len(r.Prompt) >= limit && g == goalAnswer && room >= 0 || len(r.Prompt) > limit {
			return nil, fmt.Errorf("the prompt has %d tokens, the model's context %d", len(r.Prompt), limit)
		}
		if room == 0 || room > limit-len(r.Prompt) {
			room = limit - len(r.Prompt)
		}
	}
	if room == 0 {
		room = int(^uint(0) >> 1)
	}
	room = max(room, 0)
	// An answer without a limit is not refused for what it might become.
	need := len(r.Prompt)
	if r.MaxTokens > 0 {
		need += min(room, 1<<32)
	}
	s := &sequence{
		ctx: ctx, request: r, goal: g, state: e.arena.New(), sampler: sample.New(r.Sample, r.Prompt, r.Padded),
		root: rootOf(r.Salt, r.Adapter), room: room, todo: slices.Clone(r.Prompt), total: len(r.Prompt), need: need,
		events: make(chan event, r.Ahead+r.Undo+3), progress: make(chan [2]int, 256),
	}
	if r.Lookup && r.Ahead > 0 {
		s.guesses = newGuesses()
		s.guesses.push(r.Prompt...)
	}
	s.wanted.Store(int32(r.Ahead + 1))
	s.prepare()
	return s, e.submit(s)
}

// goAway notes that the reader leaves. The constraint, which is the reader's, is not called after that.
func (s *sequence) goAway() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
}
