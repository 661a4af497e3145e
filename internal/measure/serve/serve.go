// Package serve measures the engine with many sequences: how much of a pass's speed is left of it, and what the states that it
// keeps spare.
package serve

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"jamba/engine"
	"jamba/engine/prefix"
	"jamba/internal/measure/bench"
	"jamba/model"
	"jamba/model/state"
)

// Plan says what to measure.
type Plan struct {
	Streams []int // sequences that decode together
	Steps   int   // tokens of each
	First   int   // tokens of a conversation's first turn
	Restart int   // likewise, with a restart after it
	Turn    int   // tokens of its second
	Shared  int   // tokens that requests which come together have in common
	Sharers int   // those requests
	Loaded  int   // streams beside which long prompts come
	Long    int   // tokens of each of those
	Context int   // tokens of one long prompt, whose memory is measured
	Reps    int
}

// Result is one measurement.
type Result struct {
	Work  string  `json:"work"`
	What  string  `json:"what"`
	Value float64 `json:"value"`
	Base  float64 `json:"base"` // what it is compared with
	Ratio float64 `json:"ratio"`
	Unit  string  `json:"unit"`
}

// serving is what measurements have in common.
type serving struct {
	ctx    context.Context
	model  *model.Model
	random *rand.Rand
	result func(Result)
}

// Run measures m and hands over each result when it is there.
func Run(ctx context.Context, m *model.Model, p Plan, result func(Result)) error {
	b := &serving{ctx, m, rand.New(rand.NewPCG(1, 2)), result}
	for _, n := range p.Streams {
		if err := b.streams(n, p.Steps, p.Reps); err != nil {
			return err
		}
	}
	if p.First > 0 {
		if err := b.turns(p.First, p.Turn, p.Reps, false); err != nil {
			return err
		}
	}
	if p.Restart > 0 {
		if err := b.turns(p.Restart, p.Turn, p.Reps, true); err != nil {
			return err
		}
	}
	if p.Shared > 0 {
		if err := b.together(p.Sharers, p.Shared); err != nil {
			return err
		}
	}
	if p.Loaded > 0 {
		if err := b.mixed(p.Loaded, p.Long, p.Reps); err != nil {
			return err
		}
	}
	if p.Context > 0 {
		return b.long(p.Context)
	}
	return nil
}

// long computes one prompt of n tokens, and compares the most memory in use with the weights and the states of such a sequence.
func (b *serving) long(n int) error {
	known := bench.ResetPeak()
	e := b.open()
	start := time.Now()
	at, _, err := b.answer(e, b.tokens(n-8), 8, nil)
	e.Close()
	if err != nil {
		return err
	}
	specs := b.model.StateSpecs()
	predicted := b.model.Sizes().Total().Bytes + state.Bytes(specs, n) + state.SlotBytes(specs)
	prefill := at[0].Sub(start).Seconds()
	b.tell(fmt.Sprintf("a prompt of %d", n-8), fmt.Sprintf("%.0f tok/s, then %.1f tok/s", float64(n-8)/prefill, float64(len(at)-1)/at[len(at)-1].Sub(at[0]).Seconds()), prefill, prefill, "s")
	if known {
		b.tell("", "peak RSS, beside weights and states", float64(bench.PeakRSS())/(1<<20), float64(predicted)/(1<<20), "MiB")
	}
	return nil
}

func (b *serving) tokens(n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(b.random.IntN(b.model.Config.VocabSize))
	}
	return ids
}

func (b *serving) open() *engine.Engine {
	runtime.GC()
	return engine.ForModel(b.model, engine.Options{})
}

// plain is a Detokenizer without text.
type plain struct{}

func (plain) Push(int32) string { return "" }
func (plain) Flush() string     { return "" }

// anything makes an answer of tokens at random, as that of a benchmark of passes is.
type anything struct{ ids []int32 }

func (a *anything) Next([]int32, []float32) ([]int32, int, error) {
	next := a.ids[:1]
	a.ids = a.ids[1:]
	return next, 0, nil
}

// answer runs a request and returns when each of its tokens came.
func (b *serving) answer(e *engine.Engine, prompt []int32, tokens int, random []int32) (at []time.Time, stats *engine.Stats, err error) {
	r := engine.Request{Prompt: prompt, MaxTokens: tokens, Text: plain{}}
	if random != nil {
		r.Constraint = &anything{random}
	}
	for p, e := range e.Generate(b.ctx, r) {
		if e != nil {
			return nil, nil, e
		}
		if stats = p.Stats; p.Finish == "" {
			at = append(at, time.Now())
		}
	}
	return at, stats, nil
}

// streams compares n sequences through the engine with passes over n sequences.
func (b *serving) streams(n, steps, reps int) error {
	const depth = 64
	var through, raw []float64
	for range reps {
		e := b.open()
		var all sync.WaitGroup
		times := make([][]time.Time, n)
		errs := make([]error, n)
		for i := range n {
			prompt, random := b.tokens(depth), b.tokens(steps+n*depth/32+1)
			all.Go(func() { times[i], _, errs[i] = b.answer(e, prompt, len(random)-1, random) })
		}
		all.Wait()
		e.Close()
		begin, end := times[0][0], time.Now()
		for i, t := range times {
			if errs[i] != nil {
				return errs[i]
			}
			if t[0].After(begin) {
				begin = t[0]
			}
			if last := t[len(t)-1]; last.Before(end) {
				end = last
			}
		}
		count := 0
		for _, t := range times {
			for _, at := range t {
				if at.After(begin) && !at.After(end) {
					count++
				}
			}
		}
		through = append(through, float64(count)/end.Sub(begin).Seconds())

		pass := b.model.NewPass()
		spans := make([]model.Span, n)
		states := make([]*state.State, n)
		for i := range states {
			states[i] = b.model.NewState()
			if err := states[i].Fill(depth, b.random); err != nil {
				return err
			}
		}
		var start time.Time
		for step := range steps + 1 {
			if step == 1 {
				start = time.Now() // the first allocates
			}
			for i := range spans {
				spans[i] = model.Span{State: states[i], Tokens: b.tokens(1)}
			}
			if _, err := pass.Logits(b.ctx, spans...); err != nil {
				return err
			}
		}
		raw = append(raw, float64(n*steps)/time.Since(start).Seconds())
	}
	b.tell(fmt.Sprintf("%d streams", n), "tokens/s, beside those of passes alone", median(through), median(raw), "tok/s")
	return nil
}

// turns compares the time to the first token of what comes back with that of a conversation's first turn: its second turn, and another
// conversation that begins alike, as those of an agent do; or, with restart, its second turn after one, by what is on the disk.
func (b *serving) turns(first, turn, reps int, restart bool) error {
	var second, other, before []float64
	for range reps {
		dir := ""
		if restart {
			var err error
			if dir, err = os.MkdirTemp("", "jamba-bench-"); err != nil {
				return err
			}
			defer os.RemoveAll(dir)
		}
		e, err := b.openOn(dir)
		if err != nil {
			return err
		}
		prompt, shared := b.tokens(first), max(1, first-turn)
		took, answer, err := b.untilFirst(e, engine.Request{Prompt: prompt, MaxTokens: 16, Marks: prefix.Marks{Borders: []int{shared}}})
		if err == nil && restart {
			e.Close() // and all is written
			e, err = b.openOn(dir)
		}
		if err != nil {
			return err
		}
		again, _, err := b.untilFirst(e, engine.Request{Prompt: slices.Concat(prompt, answer, b.tokens(turn)), MaxTokens: 1})
		if err != nil {
			return err
		}
		before, second = append(before, took), append(second, again)
		if !restart {
			if took, _, err = b.untilFirst(e, engine.Request{Prompt: slices.Concat(prompt[:shared], b.tokens(turn)), MaxTokens: 1}); err != nil {
				return err
			}
			other = append(other, took)
		}
		e.Close()
	}
	const what = "time to the first token, beside the first turn's"
	if restart {
		b.tell(fmt.Sprintf("restart, turn of %d after %d", turn, first), what, median(second), median(before), "s")
		return nil
	}
	b.tell(fmt.Sprintf("turn of %d after %d", turn, first), what, median(second), median(before), "s")
	b.tell(fmt.Sprintf("another, %d shared", max(1, first-turn)), what, median(other), median(before), "s")
	return nil
}

// untilFirst answers a request. It returns the seconds until the first token, and all tokens.
func (b *serving) untilFirst(e *engine.Engine, r engine.Request) (seconds float64, answer []int32, err error) {
	r.Text = plain{}
	start := time.Now()
	for p, err := range e.Generate(b.ctx, r) {
		if err != nil {
			return 0, nil, err
		}
		if p.Finish != "" {
			break
		}
		if answer = append(answer, p.ID); len(answer) == 1 {
			seconds = time.Since(start).Seconds()
		}
	}
	return seconds, answer, nil
}

// openOn opens an engine that keeps its states in a folder, "" for none.
func (b *serving) openOn(dir string) (*engine.Engine, error) {
	if dir == "" {
		return b.open(), nil
	}
	runtime.GC()
	disk, err := prefix.OpenDisk(dir, prefix.DiskOptions{})
	if err != nil {
		return nil, err
	}
	return engine.ForModel(b.model, engine.Options{Disk: disk}), nil
}

// together lets n requests come together that have a beginning in common, and counts what is computed.
func (b *serving) together(n, shared int) error {
	e := b.open()
	defer e.Close()
	beginning := b.tokens(shared)
	var all sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		prompt := slices.Concat(beginning, b.tokens(32))
		all.Go(func() { _, _, errs[i] = b.answer(e, prompt, 4, nil) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	c := e.Counters()
	b.tell(fmt.Sprintf("%d requests, %d shared", n, shared), "tokens of prompts computed, beside their least", float64(c.PromptTokens-c.ReusedTokens), float64(shared+32*n), "tokens")
	return nil
}

// mixed measures the times between tokens of n streams, alone and while long prompts come.
func (b *serving) mixed(n, long, reps int) error {
	e := b.open()
	defer e.Close()
	const quiet = 50
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	var mu sync.Mutex
	var gaps []float64 // of all streams since the last look
	var all sync.WaitGroup
	var ready sync.WaitGroup
	ready.Add(n)
	for range n {
		prompt, random := b.tokens(64), b.tokens(1<<16)
		all.Go(func() {
			var last time.Time
			r := engine.Request{Prompt: prompt, MaxTokens: len(random) - 1, Text: plain{}, Constraint: &anything{random}}
			for p, err := range e.Generate(ctx, r) {
				if err != nil || p.Finish != "" {
					return
				}
				now := time.Now()
				if last.IsZero() {
					ready.Done()
				} else {
					mu.Lock()
					gaps = append(gaps, now.Sub(last).Seconds())
					mu.Unlock()
				}
				last = now
			}
		})
	}
	ready.Wait()
	take := func(n int) []float64 {
		for {
			mu.Lock()
			if len(gaps) >= n {
				g := gaps
				gaps = nil
				mu.Unlock()
				return g
			}
			mu.Unlock()
			time.Sleep(10 * time.Millisecond)
		}
	}
	take(5 * n) // warm
	var alone, loaded []float64
	var took time.Duration // for prompts
	for range reps {
		// In turn, so that what drifts on the machine is in both.
		alone = append(alone, take(quiet*n)...)
		start := time.Now()
		if _, _, err := b.answer(e, b.tokens(long), 1, nil); err != nil {
			return err
		}
		took += time.Since(start)
		loaded = append(loaded, take(0)...)
	}
	rate := float64(reps*long) / took.Seconds()
	cancel()
	all.Wait()
	b.tell(fmt.Sprintf("%d streams, prompts of %d", n, long), "p99 between tokens, beside the p50 without prompts", quantile(loaded, 0.99), quantile(alone, 0.5), "s")
	b.tell("", fmt.Sprintf("p50 with prompts; these at %.0f tok/s", rate), quantile(loaded, 0.5), quantile(alone, 0.5), "s")
	b.tell("", "p99 without prompts", quantile(alone, 0.99), quantile(alone, 0.5), "s")
	return nil
}

func (b *serving) tell(work, what string, value, base float64, unit string) {
	b.result(Result{work, what, value, base, value / base, unit})
}

func median(v []float64) float64 { return quantile(v, 0.5) }

func quantile(v []float64, q float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[min(len(v)-1, int(q*float64(len(v))))]
}
