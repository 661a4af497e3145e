package engine

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
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

// trouble is an engine that meets all kinds of it at once.
type trouble struct {
	*testing.T
	e          *Engine
	dir        string // of its states
	beginnings [][]int32
}

// TestFaults cancels, leaves, and runs out of time and memory at random steps, saves and loads, and damages what is on the disk, for as
// long as -faults says. It expects no wrong token and no error but those, and that nothing is left in use: no page, no slot, no goroutine.
func TestFaults(t *testing.T) {
	par.For(100, 1, func(int, int) {}) // its goroutines stay
	goroutines := runtime.NumGoroutine()
	end := time.Now().Add(*faults)
	f := &trouble{T: t, dir: t.TempDir()}
	disk, err := prefix.OpenDisk(f.dir, prefix.DiskOptions{Limit: 200 << 10})
	if err != nil {
		t.Fatal(err)
	}
	d := &double{}
	f.e = New(&faulty{d, rand.New(rand.NewPCG(1, 2))}, state.NewArena(doubleSpecs, 40<<10), Options{Chunk: 48, Waiting: 20, Disk: disk})
	d.layer = f.e.layerDone
	for i := range 4 {
		f.beginnings = append(f.beginnings, unlike(i, 150))
	}
	// On a machine with much to do it takes longer until all has happened.
	latest := end.Add(time.Minute)
	happened := func() bool {
		c := f.e.Counters()
		return c.Failed > 0 && c.Preempted > 0 && c.ReusedTokens > 0 && c.AcceptedTokens > 0 && c.Cache.Disk.Hits > 0 && c.Cache.Disk.Errors > 0
	}
	var all sync.WaitGroup
	for worker := range 14 {
		do := f.ask
		switch worker {
		case 12:
			do = f.keep
		case 13:
			do = f.damage
		}
		all.Go(func() {
			r := rand.New(rand.NewPCG(3, uint64(worker)))
			for time.Now().Before(end) || !happened() && time.Now().Before(latest) {
				do(r)
			}
		})
	}
	all.Wait()
	c := f.e.Counters()
	t.Logf("%+v", c)
	if !happened() {
		t.Errorf("not all of these happened: %+v", c)
	}
	for f.e.cache.Writing() {
		time.Sleep(time.Millisecond)
	}
	cleared(t, f.e)
	for range 100 {
		if runtime.NumGoroutine() <= goroutines {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines are left of %d", runtime.NumGoroutine(), goroutines)
}

// prompt returns a prompt that begins like others.
func (f *trouble) prompt(r *rand.Rand) []int32 {
	return slices.Concat(f.beginnings[r.IntN(len(f.beginnings))], unlike(r.IntN(1000), 1+r.IntN(100)))
}

// within returns a context that is cancelled, or whose time is over, at some time or not.
func within(r *rand.Rand) (context.Context, context.CancelFunc) {
	if r.IntN(3) == 0 {
		return context.WithTimeout(context.Background(), time.Duration(r.IntN(4000))*time.Microsecond)
	}
	return context.WithCancel(context.Background())
}

// ask makes a request, which ends or is left or cancelled.
func (f *trouble) ask(r *rand.Rand) {
	prompt := f.prompt(r)
	broken := r.IntN(10) == 0
	if broken {
		prompt = append(prompt, bad)
	}
	ctx, cancel := within(r)
	defer cancel()
	request := Request{
		Prompt: prompt, MaxTokens: 1 + r.IntN(60), Text: spell{}, Ahead: 4 * r.IntN(2), Lookup: r.IntN(2) == 0, Priority: r.IntN(3),
		Marks: prefix.Marks{Borders: []int{150}, Turn: len(prompt) - 1}, Salt: fmt.Sprint(r.IntN(2)),
		Adapter: adapters[max(0, r.IntN(6)-3)], ScorePrompt: r.IntN(8) == 0, ScoreFrom: r.IntN(len(prompt)),
	}
	if r.IntN(4) == 0 {
		request.Undo = 1 + r.IntN(3)
		request.Constraint = &wavering{back: request.Undo}
	}
	if r.IntN(4) == 0 {
		if request.Constraint == nil {
			request.Constraint = Mask(func([]int32, []float32) {})
		}
		request.Constraint = newSlow(request.Constraint, func() time.Duration { return rand.N(3 * time.Millisecond) })
	}
	leave := r.IntN(80)
	var got []int32
	for p, err := range f.e.Generate(ctx, request) {
		f.expect(ctx, err, broken)
		if err != nil || p.Finish != "" {
			break
		}
		if got = append(got, p.ID); len(got) == leave {
			if r.IntN(2) == 0 {
				break
			}
			cancel()
		}
	}
	if want := aloneWith(request.Adapter, prompt, len(got)); !slices.Equal(got, want) {
		f.Errorf("got %v, want %v", got, want)
	}
}

// expect expects an error to be one of those that are provoked.
func (f *trouble) expect(ctx context.Context, err error, broken bool) {
	switch {
	case err == nil || errors.Is(err, state.ErrFull) || errors.Is(err, ErrBusy):
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
	case broken && errors.Is(err, errBad):
	default:
		f.Errorf("error %v", err)
	}
}

// keep saves a sequence to a file that may have no room, and loads it, perhaps damaged.
func (f *trouble) keep(r *rand.Rand) {
	ctx, cancel := within(r)
	defer cancel()
	prompt := f.prompt(r)
	var b bytes.Buffer
	w := &limited{&b, 1 + r.IntN(6000)}
	err := f.e.Save(ctx, Sequence{Tokens: prompt, Turn: r.IntN(len(prompt))}, w, [32]byte{1})
	if err != nil {
		if !errors.Is(err, io.ErrShortWrite) {
			f.expect(ctx, err, false)
		}
		return
	}
	file := b.Bytes()
	damaged := r.IntN(2) == 0
	if damaged {
		file = flipped(file, r.IntN(len(file)))
	}
	// Where memory is short the state is not read, and its damage not found.
	if q, err := f.e.Load(bytes.NewReader(file), [32]byte{1}, "", nil); err != nil && !damaged || err == nil && !slices.Equal(q.Tokens, prompt) {
		f.Errorf("damaged %v: error %v", damaged, err)
	}
	time.Sleep(time.Duration(r.IntN(2000)) * time.Microsecond)
}

// limited is a file that has room for n bytes.
type limited struct {
	*bytes.Buffer
	n int
}

func (l *limited) Write(b []byte) (int, error) {
	if l.n -= len(b); l.n < 0 {
		return 0, io.ErrShortWrite
	}
	return l.Buffer.Write(b)
}

// damage changes, cuts or removes a file of the cache.
func (f *trouble) damage(r *rand.Rand) {
	time.Sleep(time.Duration(r.IntN(5000)) * time.Microsecond)
	files, err := os.ReadDir(f.dir)
	if err != nil || len(files) == 0 {
		return
	}
	path := filepath.Join(f.dir, files[r.IntN(len(files))].Name())
	b, err := os.ReadFile(path)
	if err != nil || filepath.Ext(path) != ".state" || len(b) == 0 {
		return // it has gone, or is another
	}
	switch r.IntN(3) {
	case 0:
		_ = os.WriteFile(path, flipped(b, r.IntN(len(b))), 0o600)
	case 1:
		_ = os.WriteFile(path, b[:r.IntN(len(b))], 0o600)
	default:
		_ = os.Remove(path)
	}
}
