package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"jamba/engine/prefix"
	"jamba/internal/kernel/par"
	"jamba/model"
	"jamba/model/state"
)

// Its goroutines stay: they are not to be born in a bubble.
func init() { par.For(100, 1, func(int, int) {}) }

var page = state.Bytes(doubleSpecs, 1) // with a slot

// stays runs a request whose reader takes one token, stays away until back is closed, and takes the rest then.
func stays(t *testing.T, e *Engine, r Request, back chan struct{}) (ids []int32) {
	r.Text = spell{}
	for p, err := range e.Generate(context.Background(), r) {
		if err != nil {
			t.Errorf("whose reader was away: %v", err)
		}
		if p.Finish == "" {
			if ids = append(ids, p.ID); len(ids) == 1 {
				<-back
			}
		}
	}
	return ids
}

// TestReadersAway expects readers who take one token and stay away to hold up nobody: neither with their memory, nor with their
// place among those that run, nor after the end of their answers; and to get the rest when they come back.
func TestReadersAway(t *testing.T) {
	for name, test := range map[string]struct {
		limit int64
		o     Options
		r     Request
	}{
		"memory": {3 * page, Options{}, Request{Prompt: unlike(1, 200), MaxTokens: 300}},
		"places": {0, Options{Running: 1}, Request{Prompt: unlike(1, 200), MaxTokens: 300}},
		"ended":  {0, Options{Running: 1}, Request{Prompt: unlike(1, 200), MaxTokens: 5, Undo: 4}},
		// Four ways back are promised beside two pages and a slot.
		"ended, memory": {7 * page, Options{}, Request{Prompt: unlike(1, 300), MaxTokens: 5, Undo: 4}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, d := newDouble(test.limit, test.o)
				d.delay = time.Millisecond
				back := make(chan struct{})
				var all sync.WaitGroup
				all.Go(func() {
					if ids := stays(t, e, test.r, back); !slices.Equal(ids, alone(test.r.Prompt, test.r.MaxTokens)) {
						t.Errorf("whose reader was away: %v", ids)
					}
				})
				time.Sleep(time.Second)
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				var ids []int32
				prompt := unlike(20, 300)
				for p, err := range e.Generate(ctx, Request{Prompt: prompt, MaxTokens: 30, Text: spell{}}) {
					if err != nil {
						t.Errorf("beside: %v", err)
					}
					if p.Finish == "" {
						ids = append(ids, p.ID)
					}
				}
				cancel()
				if !slices.Equal(ids, alone(prompt, 30)) {
					t.Errorf("beside: %v", ids)
				}
				close(back)
				all.Wait()
				if c := e.Counters(); c.Preempted > 2 {
					t.Errorf("%d were preempted", c.Preempted)
				}
				cleared(t, e)
			})
		})
	}
}

// TestForcedOfOneWhoWaits preempts a sequence whose reader has not taken all tokens that a constraint has forced: he gets the rest when he
// comes back, and the answer goes on.
func TestForcedOfOneWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, d := newDouble(3*page, Options{})
		d.delay = time.Millisecond
		forced, prompt, other := forcing{5, 6, 7, 5, 6}, unlike(1, 200), unlike(20, 300)
		back := make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() {
			ids := stays(t, e, Request{Prompt: prompt, MaxTokens: 8, Constraint: forced}, back)
			if want := slices.Concat(forced, alone(slices.Concat(prompt, forced), 3)); !slices.Equal(ids, want) {
				t.Errorf("%v, want %v", ids, want)
			}
		})
		time.Sleep(time.Second)
		if ids, _, _, err := collect(t, e, Request{Prompt: other, MaxTokens: 30}); err != nil || !slices.Equal(ids, alone(other, 30)) {
			t.Errorf("beside: %v, %v", ids, err)
		}
		if c := e.Counters(); c.Preempted != 1 {
			t.Errorf("%d were preempted", c.Preempted)
		}
		close(back)
		all.Wait()
		cleared(t, e)
	})
}

// TestTooLargeAtOnce expects a request that never fits to be refused though others run, and to hold up none behind it.
func TestTooLargeAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, d := newDouble(4*page, Options{})
		d.delay = time.Second
		var all sync.WaitGroup
		all.Go(func() { _, _, _, _ = collect(t, e, Request{Prompt: []int32{1}, MaxTokens: 100}) })
		time.Sleep(time.Millisecond)
		start := time.Now()
		_, _, _, err := collect(t, e, Request{Prompt: make([]int32, 2000), MaxTokens: 1})
		if took := time.Since(start); err == nil || !strings.Contains(err.Error(), "a context of 2001 tokens needs") || took > 3*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
		all.Wait()
		if c := e.Counters(); c.Failed != 1 {
			t.Errorf("%d have failed", c.Failed)
		}
		cleared(t, e)
	})
}

// TestMemoryOfOthers expects a request that fits to be answered though ways back would not, and to wait, not to fail, while what it
// needs is being written to a file.
func TestMemoryOfOthers(t *testing.T) {
	e, _ := newDouble(4*page, Options{})
	ids, _, _, err := collect(t, e, Request{Prompt: unlike(1, 10), MaxTokens: 5, Undo: 50})
	if err != nil || !slices.Equal(ids, alone(unlike(1, 10), 5)) {
		t.Errorf("with ways back: %v, %v", ids, err)
	}
	r, w := io.Pipe()
	var all sync.WaitGroup
	all.Go(func() {
		if err := e.Save(context.Background(), Sequence{Tokens: unlike(2, 400)}, w, [32]byte{}); err != nil {
			t.Error(err)
		}
		w.Close()
	})
	_, _ = io.ReadFull(r, make([]byte, 10)) // it has the state
	all.Go(func() {
		time.Sleep(50 * time.Millisecond)
		_, _ = io.Copy(io.Discard, r)
	})
	ids, _, _, err = collect(t, e, Request{Prompt: unlike(3, 600), MaxTokens: 5})
	if err != nil || !slices.Equal(ids, alone(unlike(3, 600), 5)) {
		t.Errorf("beside a file: %v, %v", ids, err)
	}
	all.Wait()
	cleared(t, e)
}

// TestPromptsBesideManyAnswers expects prompts to come on though there are as many answers as a pass has tokens.
func TestPromptsBesideManyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, d := newDouble(0, Options{Chunk: 2})
		d.delay = time.Millisecond
		ctx, cancel := context.WithCancel(context.Background())
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				for _, err := range e.Generate(ctx, Request{Prompt: []int32{int32(i)}, Text: spell{}}) {
					if err != nil && ctx.Err() == nil {
						t.Error(err)
					}
				}
			})
		}
		time.Sleep(time.Second)
		within, stop := context.WithTimeout(context.Background(), time.Second)
		for _, err := range e.Generate(within, Request{Prompt: unlike(1, 40), MaxTokens: 1, Text: spell{}}) {
			if err != nil {
				t.Error(err)
			}
		}
		stop()
		cancel()
		all.Wait()
		cleared(t, e)
	})
}

// TestCommonOfThoseWhoWait expects the beginning that two requests have in common to be computed once, though both waited for a third
// that begins alike for less.
func TestCommonOfThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, d := newDouble(0, Options{Chunk: 16})
		d.delay = time.Millisecond
		first := unlike(9, 300)
		second := slices.Concat(first[:100], slices.Repeat([]int32{8}, 500))
		var all sync.WaitGroup
		for i, prompt := range [][]int32{first, append(slices.Clone(second), 1, 2, 3), append(slices.Clone(second), 4, 5, 6)} {
			all.Go(func() {
				time.Sleep(time.Duration(i) * time.Microsecond)
				if ids, _, _, err := collect(t, e, Request{Prompt: prompt, MaxTokens: 3}); err != nil || !slices.Equal(ids, alone(prompt, 3)) {
					t.Errorf("ids %v, error %v", ids, err)
				}
			})
		}
		all.Wait()
		if c := e.Counters(); c.PromptTokens-c.ReusedTokens > 300+500+2*20 {
			t.Errorf("%d tokens were computed", c.PromptTokens-c.ReusedTokens)
		}
		cleared(t, e)
	})
}

// refusing is a network that refuses memory to the second span of one pass.
type refusing struct {
	*double
	once bool
}

func (n *refusing) Forward(ctx context.Context, spans ...model.Span) []model.Result {
	if len(spans) < 2 || n.once {
		return n.double.Forward(ctx, spans...)
	}
	n.once = true
	return append(n.double.Forward(ctx, spans[0]), slices.Repeat([]model.Result{{Err: state.ErrFull}}, len(spans)-1)...)
}

// TestCountedOnce expects a sequence that had to make room to be counted once, and not as failed.
func TestCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &refusing{double: &double{delay: time.Millisecond}}
		e := New(d, state.NewArena(doubleSpecs, 0), Options{Chunk: 32})
		var all sync.WaitGroup
		for i := range 2 {
			all.Go(func() {
				ids, _, last, err := collect(t, e, Request{Prompt: unlike(1+9*i, 100), MaxTokens: 3})
				if err != nil || !slices.Equal(ids, alone(unlike(1+9*i, 100), 3)) || last.Stats.ReusedTokens != 0 {
					t.Errorf("ids %v, stats %v, error %v", ids, last.Stats, err)
				}
			})
		}
		all.Wait()
		if c := e.Counters(); c.Preempted != 1 || c.PromptTokens != 200 || c.ReusedTokens != 0 || c.Failed != 0 {
			t.Errorf("%+v", c)
		}
		cleared(t, e)
	})
}

// interruptible is a network whose passes end with their context alone.
type interruptible struct{}

func (interruptible) Forward(ctx context.Context, spans ...model.Span) []model.Result {
	<-ctx.Done()
	return slices.Repeat([]model.Result{{Err: ctx.Err()}}, len(spans))
}

// TestCloseInterrupts expects ErrClosed of what is in the pass that Close interrupts, too.
func TestCloseInterrupts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New(interruptible{}, state.NewArena(doubleSpecs, 0), Options{})
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				if _, _, _, err := collect(t, e, Request{Prompt: unlike(1, 100)}); !errors.Is(err, ErrClosed) {
					t.Errorf("error %v", err)
				}
			})
		}
		synctest.Wait()
		e.Close()
		all.Wait()
		if c := e.Counters(); c.Failed != 0 || c.Running != 0 || c.Waiting != 0 {
			t.Errorf("%+v", c)
		}
	})
}

// TestForcedAreBounded expects tokens that a constraint forces to be computed in passes of bounded length.
func TestForcedAreBounded(t *testing.T) {
	e, d := newDouble(0, Options{Chunk: 10})
	forced := unlike(2, 500)
	ids, _, _, err := collect(t, e, Request{Prompt: []int32{1}, MaxTokens: 503, Constraint: forcing(forced)})
	want := append(slices.Clone(forced), alone(append([]int32{1}, forced...), 3)...)
	if err != nil || !slices.Equal(ids, want) {
		t.Errorf("ids %v, error %v", ids, err)
	}
	for _, rows := range d.passes {
		if len(rows) != 1 || rows[0] > 10 {
			t.Fatalf("a pass of %v rows", rows)
		}
	}
	cleared(t, e)
}

// forcing is a constraint that forces the first tokens of an answer.
type forcing []int32

func (f forcing) Next(answer []int32, _ []float32) ([]int32, int, error) {
	if len(answer) == 0 {
		return f, 0, nil
	}
	return nil, 0, nil
}

// TestMaskOfPadding expects a mask that leaves ids alone that fill up the vocabulary to allow nothing.
func TestMaskOfPadding(t *testing.T) {
	e, _ := newDouble(0, Options{})
	only := Mask(func(_ []int32, logits []float32) {
		for id := range logits {
			if id != 7 {
				logits[id] = float32(math.Inf(-1))
			}
		}
	})
	if ids, _, _, err := collect(t, e, Request{Prompt: []int32{1}, MaxTokens: 2, Constraint: only, Padded: []int32{7}}); !errors.Is(err, errNoToken) {
		t.Errorf("ids %v, error %v", ids, err)
	}
	cleared(t, e)
}

// watching is a constraint that allows one token, takes back the last now and then, and notes what the logits were.
type watching struct {
	only, back int
	calls      int
	seen       map[int]string
	t          *testing.T
}

func (w *watching) Next(answer []int32, logits []float32) ([]int32, int, error) {
	was := fmt.Sprint(slices.Index(logits, 1))
	if before, ok := w.seen[len(answer)]; ok && before != was {
		w.t.Errorf("after %d tokens the logits are %v and were %v", len(answer), was, before)
	}
	w.seen[len(answer)] = was
	if w.calls++; w.back > 0 && w.calls%w.back == 0 && len(answer) > 0 {
		return nil, 1, nil
	}
	for id := range logits {
		if id != w.only {
			logits[id] = float32(math.Inf(-1))
		}
	}
	return nil, 0, nil
}

// TestTakenBackAmongGuesses takes tokens back while guesses of the same token are right: what is computed again looks like a guess.
func TestTakenBackAmongGuesses(t *testing.T) {
	seen := map[int]string{}
	for _, back := range []int{0, 3, 4, 5} {
		e, d := newDouble(0, Options{})
		d.delay = time.Millisecond // so that guesses pay
		c := &watching{only: 5, back: back, seen: seen, t: t}
		ids, _, _, err := collect(t, e, Request{Prompt: slices.Repeat([]int32{5}, 20), MaxTokens: 60, Constraint: c, Undo: 2, Lookup: true, Ahead: 12})
		if err != nil || !slices.Equal(ids, slices.Repeat([]int32{5}, 60)) {
			t.Errorf("ids %v, error %v", ids, err)
		}
		if c := e.Counters(); c.AcceptedTokens == 0 {
			t.Errorf("%+v", c)
		}
		cleared(t, e)
	}
}

// TestConstraintOfOneWhoLeft expects no call of a constraint once its reader has left, who may use it for something else, nor a look at
// the prompt.
func TestConstraintOfOneWhoLeft(t *testing.T) {
	e, d := newDouble(0, Options{})
	d.delay = time.Millisecond
	prompt := unlike(4, 100)
	for range 20 {
		calls := 0
		for _, err := range e.Generate(context.Background(), Request{Prompt: prompt, Text: spell{}, Ahead: 5, Constraint: Mask(func([]int32, []float32) { calls++ })}) {
			if err != nil {
				t.Error(err)
			}
			break
		}
		before := calls
		prompt[99] = (prompt[99] + 1) % 7
		time.Sleep(3 * time.Millisecond)
		if calls != before {
			t.Fatalf("%d calls after %d", calls-before, before)
		}
	}
	cleared(t, e)
}

// TestSpare expects an engine not to promise all memory that is free to sequences, nor more than its share.
func TestSpare(t *testing.T) {
	m, _, _ := open(t)
	before, known := state.Available()
	if !known {
		t.Skip("the system does not tell what is free")
	}
	whole, half := ForModel(m, Options{}), ForModel(m, Options{Share: 2})
	after, _ := state.Available()
	const moment = 256 << 20 // others come and go
	if limit, most := whole.Arena().Limit(), max(before, after)/5*4; limit < 1 || limit > most+moment || half.Arena().Limit() > most/2+moment {
		t.Errorf("%d and %d bytes of %d", limit, half.Arena().Limit(), max(before, after))
	}
	cleared(t, whole)
	cleared(t, half)
}

// TestLoadWithoutRoom expects a saved sequence to be read where its state has no room: it is computed again.
func TestLoadWithoutRoom(t *testing.T) {
	e, _ := newDouble(0, Options{})
	var b bytes.Buffer
	if err := e.Save(context.Background(), Sequence{Tokens: unlike(4, 300)}, &b, [32]byte{}); err != nil {
		t.Fatal(err)
	}
	cleared(t, e)
	small, _ := newDouble(page, Options{})
	q, err := small.Load(&b, [32]byte{}, "", nil)
	if err != nil || len(q.Tokens) != 300 {
		t.Errorf("%v, %v", q, err)
	}
	cleared(t, small)
}

// restarted returns what opens engines on one folder, in which the state after all of prompt but its last token is.
func restarted(t *testing.T, prompt []int32) func(limit int64) (*Engine, *prefix.Disk) {
	dir := t.TempDir()
	open := func(limit int64) (*Engine, *prefix.Disk) {
		d, err := prefix.OpenDisk(dir, prefix.DiskOptions{Warn: func(err error) { t.Error(err) }})
		if err != nil {
			t.Fatal(err)
		}
		e, n := newDouble(limit, Options{Disk: d})
		n.delay = time.Millisecond
		return e, d
	}
	e, _ := open(0)
	if _, _, _, err := collect(t, e, Request{Prompt: prompt, MaxTokens: 1}); err != nil {
		t.Fatal(err)
	}
	e.Close()
	return open
}

// TestReadFromDiskOnce expects a request that waits for memory not to read its state from the disk again and again.
func TestReadFromDiskOnce(t *testing.T) {
	prompt := unlike(4, 300)
	e, d := restarted(t, prompt)(7 * page)
	var all sync.WaitGroup
	var once sync.Once
	for _, err := range e.Generate(context.Background(), Request{Prompt: slices.Repeat([]int32{8}, 1100), MaxTokens: 100, Text: spell{}}) {
		if err != nil {
			t.Fatal(err)
		}
		once.Do(func() {
			all.Go(func() {
				ids, _, last, err := collect(t, e, Request{Prompt: prompt, MaxTokens: 3})
				if err != nil || !slices.Equal(ids, alone(prompt, 3)) || last.Stats.ReusedTokens != 299 {
					t.Errorf("ids %v, stats %+v, error %v", ids, last.Stats, err)
				}
			})
		})
	}
	all.Wait()
	if n := d.Stats().Hits; n != 1 {
		t.Errorf("it was read %d times", n)
	}
	e.Close()
	if used := e.Arena().Used(); used != 0 {
		t.Errorf("%d bytes are in use", used)
	}
}

// TestReadFromDiskTogether lets requests come at once whose common beginning is on the disk: it is read once, and its pages are shared.
func TestReadFromDiskTogether(t *testing.T) {
	beginning := unlike(4, 1200)
	e, d := restarted(t, beginning)(0)
	var all sync.WaitGroup
	used := make([]int64, 16)
	for i := range used {
		all.Go(func() {
			prompt := append(slices.Clone(beginning[:1199]), 9, int32(i), 9)
			ids, _, last, err := collect(t, e, Request{Prompt: prompt, MaxTokens: 20})
			if err != nil || !slices.Equal(ids, alone(prompt, 20)) || last.Stats.ReusedTokens != 1199 {
				t.Errorf("ids %v, stats %+v, error %v", ids, last.Stats, err)
			}
			used[i] = e.Arena().Used()
		})
	}
	all.Wait()
	if n := d.Stats().Hits; n != 1 {
		t.Errorf("it was read %d times", n)
	}
	// The beginning has four whole pages. Of his own each has the fifth, and what he leaves at his end.
	if most := slices.Max(used); most > (5+3*16)*page {
		t.Errorf("%d bytes were in use, a page has %d", most, page)
	}
	e.Close()
	if used := e.Arena().Used(); used != 0 {
		t.Errorf("%d bytes are in use", used)
	}
}
