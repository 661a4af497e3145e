package engine

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"jamba/engine/prefix"
	"jamba/internal/kernel/par"
	"jamba/model"
	"jamba/model/state"
)

var faults = flag.Duration("faults", time.Second, "how long TestFaults runs")

// faulty is a network that fails spans at random, as if memory were refused.
type faulty struct {
	*double
	random *rand.Rand
}

func (f *faulty) Forward(ctx context.Context, spans ...model.Span) []model.Result {
	var good []model.Span
	var at []int
	results := make([]model.Result, len(spans))
	for i, s := range spans {
		if f.random.IntN(40) == 0 {
			results[i].Err = fmt.Errorf("by chance: %w", state.ErrFull)
			continue
		}
		good, at = append(good, s), append(at, i)
	}
	for i, r := range f.double.Forward(ctx, good...) {
		results[at[i]] = r
	}
	return results
}

// TestFaults cancels, leaves and runs out of time and memory at random steps, for as long as -faults says, and expects no wrong
// token, and that nothing is left in use: no page, no slot, no goroutine.
func TestFaults(t *testing.T) {
	par.For(100, 1, func(int, int) {}) // its goroutines stay
	goroutines := runtime.NumGoroutine()
	end := time.Now().Add(*faults)
	d := &double{}
	const limit = 40 << 10
	e := New(&faulty{d, rand.New(rand.NewPCG(1, 2))}, state.NewArena(doubleSpecs, limit), Options{Chunk: 48, Waiting: 20})
	d.layer = e.layerDone
	beginnings := make([][]int32, 4)
	for i := range beginnings {
		beginnings[i] = unlike(i, 150)
	}
	// On a machine with much to do it takes longer until all has happened.
	latest := end.Add(time.Minute)
	happened := func() bool {
		c := e.Counters()
		return c.Failed > 0 && c.Preempted > 0 && c.ReusedTokens > 0
	}
	var all sync.WaitGroup
	for worker := range 12 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(3, uint64(worker)))
			for time.Now().Before(end) || !happened() && time.Now().Before(latest) {
				prompt := slices.Concat(beginnings[r.IntN(len(beginnings))], unlike(r.IntN(1000), 1+r.IntN(100)))
				if r.IntN(10) == 0 {
					prompt = append(prompt, bad)
				}
				ctx, cancel := context.WithCancel(context.Background())
				if r.IntN(3) == 0 {
					ctx, cancel = context.WithTimeout(context.Background(), time.Duration(r.IntN(4000))*time.Microsecond)
				}
				request := Request{
					Prompt: prompt, MaxTokens: 1 + r.IntN(60), Text: spell{}, Ahead: 4 * r.IntN(2), Lookup: r.IntN(2) == 0, Priority: r.IntN(3),
					Marks: prefix.Marks{Borders: []int{150}, Turn: len(prompt) - 1}, Salt: fmt.Sprint(r.IntN(2)),
				}
				leave := r.IntN(80)
				var got []int32
				for p, err := range e.Generate(ctx, request) {
					if err != nil || p.Finish != "" {
						if errors.Is(err, errStale) {
							t.Error(err)
						}
						break
					}
					if got = append(got, p.ID); len(got) == leave {
						if r.IntN(2) == 0 {
							break
						}
						cancel()
					}
				}
				cancel()
				if want := alone(prompt, len(got)); !slices.Equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
			}
		})
	}
	all.Wait()
	c := e.Counters()
	t.Logf("%+v", c)
	if !happened() {
		t.Errorf("not all of these happened: %+v", c)
	}
	cleared(t, e)
	for range 100 {
		if runtime.NumGoroutine() <= goroutines {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines are left of %d", runtime.NumGoroutine(), goroutines)
}
