package engine

import (
	"context"
	"time"
)

// answer is the reader's side of a sequence: it makes text of tokens, and says when strings or repetition end it. That goes on
// beside the engine's next pass.
type answer struct {
	*sequence
	ctx    context.Context
	engine *Engine
	stats  *Stats
	start  time.Time
	stop   stopper
	again  repetition
	over   bool // the engine has sent its last event
}

// ends reports whether an event is the last.
func (ev event) ends() bool { return ev.err != nil || ev.finish != "" }

// isToken reports whether an event of an answer is a token, be it one that ends the answer and is not shown.
func (ev event) isToken() bool { return ev.err == nil && (ev.id >= 0 || ev.finish == FinishStop) }

// read yields the pieces of an answer and returns the last, or the error; neither, if the reader has gone.
func (a *answer) read(yield func(Piece, error) bool) (Piece, error) {
	var scores []Score
	for first := true; ; first, scores = false, nil {
		ev := a.receive()
		if now := time.Now(); first {
			a.stats.Prefill = now.Sub(a.start)
			a.stats.ReusedTokens, a.stats.Miss, a.stats.Queue = a.reused, a.miss, a.waited
			a.start = now
		}
		if ev.err != nil {
			return a.interrupted(ev.err, first)
		}
		if first {
			scores = a.scored
		}
		if ev.isToken() {
			a.stats.AnswerTokens++
		}
		if ev.id < 0 { // a stop token, or there was to be no answer
			p := a.finish(ev.finish, false)
			p.Prompt = scores
			return p, nil
		}
		p := Piece{ID: ev.id, Logprob: ev.logprob, Top: ev.top, Prompt: scores}
		var found bool
		p.Text, found = a.stop.push(a.request.Text.Push(ev.id))
		if !yield(p, nil) {
			return Piece{}, nil
		}
		switch {
		case found:
			return a.finish(FinishStop, true), nil
		case a.request.EndRepetition && a.again.push(ev.id, p.Text):
			return a.finish(FinishRepetition, false), nil
		case ev.finish != "":
			return a.finish(ev.finish, false), nil
		}
		if err := a.ctx.Err(); err != nil {
			return a.interrupted(err, false)
		}
		a.wanted.Add(1)
		a.engine.nudge()
	}
}

// receive waits for the next event and passes on progress.
func (a *answer) receive() event {
	for {
		select {
		case p := <-a.progress:
			a.report(p)
		case ev := <-a.events:
			for { // what came before it
				select {
				case p := <-a.progress:
					a.report(p)
					continue
				default:
				}
				break
			}
			a.over = ev.ends()
			return ev
		}
	}
}

func (a *answer) report(p [2]int) {
	if a.request.Progress != nil {
		a.request.Progress(p[0], p[1])
	}
}

// interrupted returns what ends an answer that an error has ended.
func (a *answer) interrupted(err error, first bool) (Piece, error) {
	if a.ctx.Err() == nil {
		return Piece{}, err
	}
	p := Piece{ID: -1, Finish: FinishInterrupted, Stats: a.stats}
	if !first {
		a.stats.Decode = time.Since(a.start)
		p.Text, _ = a.stop.push(a.request.Text.Flush())
		p.Text += a.stop.flush()
	}
	return p, a.ctx.Err()
}

// finish returns the last piece. cut says that a stop string has cut the text.
func (a *answer) finish(f Finish, cut bool) Piece {
	a.stats.Decode = time.Since(a.start)
	p := Piece{ID: -1, Finish: f, Stats: a.stats}
	if cut {
		p.Stop = a.stop.hit
		return p
	}
	text, found := a.stop.push(a.request.Text.Flush())
	if found {
		p.Finish, p.Stop = FinishStop, a.stop.hit
	} else {
		text += a.stop.flush()
	}
	p.Text = text
	return p
}
