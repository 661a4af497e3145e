package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"jamba/internal/kernel/par"
	"jamba/model"
	"jamba/model/state"
)

// Side is one of several models that are measured in turn.
type Side struct {
	Name   string
	Model  *model.Model
	Opened int64 // bytes of memory that it took to open
}

// Turn is one measurement of one of several models.
type Turn struct {
	Model string `json:"model"`
	Result
	Seconds    Spread `json:"seconds"`           // of the prompt up to the logits of the first answer token, or of a step
	Ratio      Spread `json:"ratio"`             // to the first model's tokens per second, of repetitions next to each other
	KVBytes    int64  `json:"kv_bytes"`          // of all sequences at the end
	StateBytes int64  `json:"state_bytes"`       // Mamba's
	Missing    string `json:"missing,omitempty"` // why it was not measured
}

// RunInTurn measures several models, for each combination of plan's lists a repetition of each in turn, so that they meet the same
// machine: what drifts is in no ratio, and shows in the spread. Depths are filled, not computed. A combination that does not fit
// into memory for one of them is told as missing and left out for it. Ratio is to the first side's, where that was measured. Peak
// RSS is what the side's own work added at most to what it took to open; that of a combination ends with it. A peer is not run.
func RunInTurn(ctx context.Context, sides []Side, plan Plan, limits func(Limits), result func(Turn)) error {
	defer par.SetThreads(0)
	for _, threads := range plan.Threads {
		par.SetThreads(threads)
		l, err := MeasureLimits(ctx)
		if err != nil {
			return err
		}
		limits(l)
		combine := func(work string, tokens, depth, batch int) error {
			turns, err := inTurn(ctx, sides, plan.Reps, Result{Work: work, Tokens: tokens, Depth: depth, Batch: batch, Threads: threads, Limits: l})
			for _, t := range turns {
				result(t)
			}
			return err
		}
		for _, depth := range plan.Depth {
			for _, tokens := range plan.Prefill {
				if err := combine("prefill", tokens, depth, 1); err != nil {
					return err
				}
			}
			for _, batch := range plan.Batch {
				for _, steps := range plan.Decode {
					if err := combine("decode", steps, depth, batch); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// turner measures one side.
type turner struct {
	bench
	turn    Turn
	seconds []float64 // of each repetition
	peak    int64     // most bytes that the work added
	known   bool
}

// inTurn measures one combination.
func inTurn(ctx context.Context, sides []Side, reps int, r Result) ([]Turn, error) {
	all := make([]*turner, len(sides))
	for i, side := range sides {
		all[i] = newTurner(ctx, side, r)
	}
	for rep := range reps + 1 {
		for _, t := range all {
			if t.turn.Missing != "" {
				continue
			}
			d, err := t.once()
			if err != nil {
				return nil, fmt.Errorf("%s: %s of %d tokens at depth %d: %w", t.turn.Model, r.Work, r.Tokens, r.Depth, err)
			}
			if rep > 0 { // the first one finds memory that is not there yet
				t.seconds = append(t.seconds, d.Seconds())
			}
		}
	}
	var turns []Turn
	for i, t := range all {
		turns = append(turns, t.end(all[0], sides[i].Opened))
	}
	return turns, nil
}

func newTurner(ctx context.Context, side Side, r Result) *turner {
	m := side.Model
	t := &turner{bench: bench{ctx: ctx, model: m, pass: m.NewPass(), random: rand.New(rand.NewPCG(1, 2))}, turn: Turn{Model: side.Name, Result: r}}
	specs, length := m.StateSpecs(), r.Depth+r.Tokens
	slots := int64(r.Batch) * state.SlotBytes(specs)
	t.turn.StateBytes, t.turn.KVBytes = slots, int64(r.Batch)*state.Bytes(specs, length)-slots
	if r.Work == "prefill" {
		t.turn.Bound = NetworkOf(m).Prefill(r.Tokens, r.Depth, r.Limits)
	} else {
		t.turn.Bound = NetworkOf(m).Decode(r.Batch, r.Depth+r.Tokens/2, r.Limits)
	}
	// An eighth more, for the pass and what is not collected yet.
	if err := state.FitsBatch(specs, r.Batch, length+length/8); err != nil {
		t.turn.Missing = err.Error()
	}
	return t
}

// once does the work once, with states that are new and go afterwards, since others' need the room.
func (t *turner) once() (time.Duration, error) {
	t.states = nil
	t.known = ResetPeak()
	before := RSS()
	work := t.decode
	if t.turn.Work == "prefill" {
		work = t.prefill
	}
	d, err := work(&t.turn.Result)
	t.peak = max(t.peak, PeakRSS()-before)
	t.states = nil
	runtime.GC()
	return d, errors.Join(err, t.ctx.Err())
}

// end makes the figures of all repetitions.
func (t *turner) end(first *turner, opened int64) Turn {
	r := &t.turn
	if r.Missing != "" {
		return *r
	}
	tokens, steps := float64(r.Tokens*r.Batch), 1.0
	if r.Work == "decode" {
		steps = float64(r.Tokens)
	}
	var rates, seconds, ratios []float64
	for i, s := range t.seconds {
		rates, seconds = append(rates, tokens/s), append(seconds, s/steps)
		if first.seconds != nil {
			ratios = append(ratios, first.seconds[i]/s)
		}
	}
	r.TokPerSec, r.Seconds = spread(rates), spread(seconds)
	if ratios != nil {
		r.Ratio = spread(ratios)
	}
	r.Fraction = r.TokPerSec.Median / r.Bound.TokPerSec
	if t.known {
		r.PeakRSS = opened + t.peak
	}
	return *r
}
