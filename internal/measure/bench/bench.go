package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"jamba/internal/kernel/par"
	"jamba/model"
	"jamba/model/state"
)

// Plan says what to measure: each combination of its lists.
type Plan struct {
	Prefill []int // tokens of a prompt
	Decode  []int // steps, one token for each sequence
	Depth   []int // tokens that each sequence has before
	Batch   []int // sequences that decode together
	Threads []int
	Reps    int

	// Peer, if set, does the same work with another engine and returns its tokens per second. It runs after each
	// repetition: on a machine whose speed drifts only figures taken in turn can be compared.
	Peer func(ctx context.Context, r Result) (float64, error)
}

// Result is one measurement.
type Result struct {
	Work      string  `json:"work"`   // prefill, decode or train
	Tokens    int     `json:"tokens"` // of a sequence
	Depth     int     `json:"depth"`
	Batch     int     `json:"batch"`
	Threads   int     `json:"threads"`
	TokPerSec Spread  `json:"tok_per_s"`
	Bound     Bound   `json:"bound"`
	Fraction  float64 `json:"fraction"`
	PeakRSS   int64   `json:"peak_rss"`            // most bytes of memory while it ran, 0 where the system does not tell
	GFLOPS    float64 `json:"gflops,omitempty"`    // train: 6 x active parameters x tokens
	Predicted int64   `json:"predicted,omitempty"` // train: bytes of memory, by train.Trainer.Memory
	Limits    Limits  `json:"limits"`              // of the machine, in the same run
	Peer      *Spread `json:"peer,omitempty"`
	Ratio     float64 `json:"ratio,omitempty"` // of the medians, to the peer's
}

// Spread is the figures of several repetitions.
type Spread struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}

// Chunk is how many tokens of a prompt are computed at once.
const Chunk = 512

// Run measures m, and hands over each result when it is there. It measures the machine's limits first for each number
// of threads, and hands those over, too.
func Run(ctx context.Context, m *model.Model, plan Plan, limits func(Limits), result func(Result)) error {
	defer par.SetThreads(0)
	b := &bench{ctx: ctx, model: m, pass: m.NewPass(), random: rand.New(rand.NewPCG(1, 2)), peer: plan.Peer}
	for _, threads := range plan.Threads {
		par.SetThreads(threads)
		l, err := MeasureLimits(ctx)
		if err != nil {
			return err
		}
		limits(l)
		for _, depth := range plan.Depth {
			for _, tokens := range plan.Prefill {
				r := Result{Work: "prefill", Tokens: tokens, Depth: depth, Batch: 1, Threads: threads, Limits: l}
				r.Bound = NetworkOf(m).Prefill(tokens, depth, l)
				if err := b.run(&r, plan.Reps, b.prefill); err != nil {
					return err
				}
				result(r)
			}
			for _, batch := range plan.Batch {
				for _, steps := range plan.Decode {
					r := Result{Work: "decode", Tokens: steps, Depth: depth, Batch: batch, Threads: threads, Limits: l}
					r.Bound = NetworkOf(m).Decode(batch, depth+steps/2, l)
					if err := b.run(&r, plan.Reps, b.decode); err != nil {
						return err
					}
					result(r)
				}
			}
		}
	}
	return nil
}

// Profile runs one prefill and one decode as plan's first entries say, and returns their operations, and the machine's
// limits before.
func Profile(ctx context.Context, m *model.Model, plan Plan) (prefill, decode []model.Operation, l Limits, err error) {
	defer par.SetThreads(0)
	par.SetThreads(plan.Threads[0])
	if l, err = MeasureLimits(ctx); err != nil {
		return nil, nil, l, err
	}
	b := &bench{ctx: ctx, model: m, pass: m.NewPass(), random: rand.New(rand.NewPCG(1, 2))}
	one := func(work string, tokens int, f func(r *Result) (time.Duration, error)) ([]model.Operation, error) {
		r := &Result{Work: work, Tokens: tokens, Depth: plan.Depth[0], Batch: plan.Batch[0]}
		b.pass.Profile = nil
		if _, err := f(r); err != nil { // warm
			return nil, err
		}
		b.pass.Profile = &model.Profile{}
		_, err := f(r)
		return b.pass.Profile.Operations, err
	}
	if len(plan.Prefill) > 0 {
		if prefill, err = one("prefill", plan.Prefill[0], b.prefill); err != nil {
			return nil, nil, l, err
		}
	}
	if len(plan.Decode) > 0 {
		decode, err = one("decode", plan.Decode[0], b.decode)
	}
	return prefill, decode, l, err
}

type bench struct {
	ctx    context.Context
	model  *model.Model
	pass   *model.Pass
	random *rand.Rand
	states []*state.State
	peer   func(ctx context.Context, r Result) (float64, error)
}

// run repeats f, which does r's work once and returns its time, with sequences that remember.
func (b *bench) run(r *Result, reps int, f func(r *Result) (time.Duration, error)) error {
	b.states = nil
	known := ResetPeak()
	if err := state.FitsBatch(b.model.StateSpecs(), r.Batch, r.Depth+r.Tokens); err != nil {
		return fmt.Errorf("%s of %d tokens at depth %d: %w", r.Work, r.Tokens, r.Depth, err)
	}
	return b.repeat(r, reps, known, f)
}

// repeat repeats f after one run that does not count. known says whether the peak of memory is.
func (b *bench) repeat(r *Result, reps int, known bool, f func(r *Result) (time.Duration, error)) error {
	var rates, peers []float64
	for i := range reps + 1 {
		runtime.GC() // so that what the last repetition left is not collected in this one's time
		d, err := f(r)
		if err != nil {
			return fmt.Errorf("%s of %d tokens at depth %d: %w", r.Work, r.Tokens, r.Depth, err)
		}
		if i == 0 {
			continue
		}
		rates = append(rates, float64(r.Tokens*r.Batch)/d.Seconds())
		if b.peer != nil {
			rate, err := b.peer(b.ctx, *r)
			if err != nil {
				return err
			}
			peers = append(peers, rate)
		}
	}
	r.TokPerSec = spread(rates)
	if peers != nil {
		p := spread(peers)
		r.Peer, r.Ratio = &p, r.TokPerSec.Median/p.Median
	}
	r.Fraction = r.TokPerSec.Median / r.Bound.TokPerSec
	if known {
		r.PeakRSS = PeakRSS()
	}
	return nil
}

func spread(rates []float64) Spread {
	slices.Sort(rates)
	n := len(rates)
	return Spread{rates[0], (rates[(n-1)/2] + rates[n/2]) / 2, rates[n-1]}
}

// fill returns n states of that depth, with random content.
func (b *bench) fill(n, depth int) ([]*state.State, error) {
	for len(b.states) < n {
		b.states = append(b.states, b.model.NewState())
	}
	for _, s := range b.states[:n] {
		if err := b.ctx.Err(); err != nil {
			return nil, err
		}
		if err := s.Fill(depth, b.random); err != nil {
			return nil, err
		}
	}
	return b.states[:n], nil
}

func (b *bench) prefill(r *Result) (time.Duration, error) {
	states, err := b.fill(1, r.Depth)
	if err != nil {
		return 0, err
	}
	ids := make([]int32, r.Tokens)
	for i := range ids {
		ids[i] = b.token()
	}
	start := time.Now()
	for at := 0; at < len(ids); at += Chunk {
		span := model.Span{State: states[0], Tokens: ids[at:min(at+Chunk, len(ids))], Want: model.NoLogits}
		if at+Chunk >= len(ids) {
			span.Want = model.LastLogits
		}
		if _, err := b.pass.Logits(b.ctx, span); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}

func (b *bench) decode(r *Result) (time.Duration, error) {
	states, err := b.fill(r.Batch, r.Depth)
	if err != nil {
		return 0, err
	}
	spans := make([]model.Span, r.Batch)
	start := time.Now()
	for range r.Tokens {
		for i := range spans {
			spans[i] = model.Span{State: states[i], Tokens: []int32{b.token()}}
		}
		if _, err := b.pass.Logits(b.ctx, spans...); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}

// token returns a token at random: routers then choose experts nearly at random, too.
func (b *bench) token() int32 { return int32(b.random.IntN(b.model.Config.VocabSize)) }
