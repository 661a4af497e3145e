package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"jamba/engine/prefix"
	"jamba/engine/sample"
	"jamba/internal/kernel"
	"jamba/model"
	"jamba/model/state"
	"jamba/tensor"
)

// double is a network without weights: its logits follow from all tokens of a sequence, which it keeps where a network keeps
// keys. The token bad has numbers that are none.
type double struct {
	mu     sync.Mutex
	passes [][]int       // rows of each span of each pass
	delay  time.Duration // of a pass
	perRow time.Duration // in addition
	noise  float64       // up to this part more
	layer  func(layer, layers int)
	torn   bool // spans of one adapter stood apart in a pass
}

// adapters are those that the double knows: each makes other numbers.
var adapters = []*model.Adapter{nil, {}, {}}

const (
	vocab = 50
	bad   = 49
)

var doubleSpecs = []state.Spec{{KVHeads: 1, HeadDim: 1, DType: tensor.F32}, {DInner: 1, DState: 1, DConv: 2}}

func (d *double) Forward(_ context.Context, spans ...model.Span) []model.Result {
	var rows []int
	results := make([]model.Result, len(spans))
	seen := map[*model.Adapter]int{}
	for i, s := range spans {
		if last, ok := seen[s.Adapter]; ok && last != i-1 {
			d.torn = true
		}
		seen[s.Adapter] = i
		rows = append(rows, len(s.Tokens))
		if s.Context.Err() != nil {
			results[i].Err = s.Context.Err()
			continue
		}
		at := s.State.Pos()
		if err := s.State.Reserve(len(s.Tokens), s.Keep); err != nil {
			results[i].Err = err
			continue
		}
		if _, h := s.State.Mamba(1); at > 0 && h[0] != digest(s.State, at) {
			results[i].Err = errStale
			s.State.Rollback()
			continue
		}
		failed := false
		for j, id := range s.Tokens {
			_ = s.State.KV(0).Store(at+j, []float32{float32(id)}, []float32{float32(slices.Index(adapters, s.Adapter))})
			failed = failed || id == bad
		}
		if failed {
			s.State.Rollback()
			results[i].Err = errBad
			continue
		}
		_, cuts := s.State.Cuts(1, nil, nil)
		for _, c := range cuts {
			c.To[0] = digest(s.State, at+c.Row)
		}
		results[i].Kept = s.State.Commit()
		switch s.Want {
		case model.LastLogits:
			results[i].Logits = logitsOf(s.State, s.State.Pos())
		case model.AllLogits:
			for j := range s.Tokens {
				results[i].Logits = append(results[i].Logits, logitsOf(s.State, at+j+1)...)
			}
		}
	}
	if d.layer != nil {
		d.layer(1, 2)
		d.layer(2, 2)
	}
	n := 0
	for _, r := range rows {
		n += r
	}
	took := d.delay + time.Duration(n)*d.perRow
	time.Sleep(took + time.Duration(d.noise*math.Pow(rand.Float64(), 3)*float64(took)))
	d.mu.Lock()
	d.passes = append(d.passes, rows)
	d.mu.Unlock()
	return results
}

// errBad is the error of a span with the token bad.
var errBad = errors.New("not a number")

// errStale is the error of a state whose parts are of different positions.
var errStale = errors.New("the state of Mamba is not that of the keys")

// token returns the token at a position of a sequence and the number of its adapter.
func token(s *state.State, pos int) (id, adapter uint32) {
	p := &s.KV(0).Pages()[pos/kernel.PageLen]
	return uint32(p.K[pos%kernel.PageLen]), uint32(p.V[pos%kernel.PageLen])
}

// digest returns what follows from the first n tokens of a sequence.
func digest(s *state.State, n int) float32 {
	sum := uint32(1)
	for pos := range n {
		id, adapter := token(s, pos)
		sum = (sum ^ (id + 1 + vocab*adapter)) * 16777619
	}
	return float32(sum >> 8) // 24 bits, exact
}

// logitsOf returns the logits after n tokens: most often those of what came after the last place with the same three tokens,
// else those of any token but bad.
func logitsOf(s *state.State, n int) []float32 {
	sum := uint32(digest(s, n))
	next := sum % (vocab - 1)
	key := func(pos int) uint32 { id, _ := token(s, pos); return id }
	for pos := n - 4; pos >= 0 && sum%5 > 0; pos-- {
		if key(pos) == key(n-3) && key(pos+1) == key(n-2) && key(pos+2) == key(n-1) {
			next = key(pos + 3)
			break
		}
	}
	logits := make([]float32, vocab)
	logits[next] = 1
	return logits
}

// alone returns what the double answers to a prompt.
func alone(prompt []int32, n int) []int32 { return aloneWith(nil, prompt, n) }

// aloneWith is alone with an adapter.
func aloneWith(a *model.Adapter, prompt []int32, n int) (ids []int32) {
	s := state.New(doubleSpecs)
	d := &double{}
	next := prompt
	for range n {
		r := d.Forward(context.Background(), model.Span{Context: context.Background(), State: s, Tokens: next, Adapter: a})
		id := int32(slices.Index(r[0].Logits, 1))
		ids, next = append(ids, id), []int32{id}
	}
	return ids
}

func newDouble(limit int64, o Options) (*Engine, *double) {
	d := &double{}
	e := New(d, state.NewArena(doubleSpecs, limit), o)
	d.layer = e.layerDone
	return e, d
}

// TestAnyRequests lets requests of all kinds come, go, stall and fail at random, several sessions at once, many of which begin
// alike, with so little memory now and then that they drive each other out, and expects each to be answered as it is alone;
// afterwards nothing is in use but what is kept for later.
func TestAnyRequests(t *testing.T) {
	var counts Counters
	happened := func() bool {
		c := &counts
		return c.Preempted > 0 && c.ReusedTokens > 0 && c.AcceptedTokens > 0 && c.AcceptedTokens < c.DraftedTokens
	}
	// What happens depends on times, too.
	for round := 0; round < 20 && !happened() && !t.Failed(); round++ {
		rapid.Check(t, func(t *rapid.T) { anyRequests(t, &counts) })
	}
	t.Logf("%d were preempted, %d tokens reused, %d of %d guesses right", counts.Preempted, counts.ReusedTokens, counts.AcceptedTokens, counts.DraftedTokens)
	if !happened() {
		t.Error("not all of these happened")
	}
}

func anyRequests(t *rapid.T, counts *Counters) {
	o := Options{
		Context: rapid.SampledFrom([]int{0, 700}).Draw(t, "context"), Chunk: rapid.SampledFrom([]int{1, 3, 64, 512}).Draw(t, "chunk"),
		Cache: rapid.SampledFrom([]int64{-1, 0, 10 << 10}).Draw(t, "cache"), Running: rapid.SampledFrom([]int{0, 2}).Draw(t, "running"),
	}
	e, d := newDouble(rapid.SampledFrom([]int64{0, 8 << 10, 20 << 10}).Draw(t, "limit"), o)
	type plan struct {
		prompt             []int32
		marks              prefix.Marks
		max, leave, cancel int
		ahead, priority    int
		lookup             bool
		undo               int
		slow               time.Duration
		broken             bool
		adapter            int
	}
	beginnings := rapid.SliceOfN(rapid.SliceOfN(rapid.Int32Range(0, vocab-2), 1, 200), 1, 2).Draw(t, "beginnings")
	var plans [][]plan
	for range rapid.IntRange(1, 6).Draw(t, "sessions") {
		var own []plan
		for range rapid.IntRange(1, 3).Draw(t, "requests") {
			prompt := slices.Concat(rapid.SampledFrom(beginnings).Draw(t, "beginning"), rapid.SliceOfN(rapid.Int32Range(0, vocab-2), 1, 150).Draw(t, "prompt"))
			own = append(own, plan{
				prompt: prompt, max: rapid.IntRange(1, 40).Draw(t, "max"),
				marks: prefix.Marks{Borders: []int{rapid.IntRange(0, 400).Draw(t, "border")}, Turn: rapid.IntRange(0, 400).Draw(t, "turn")},
				leave: rapid.SampledFrom([]int{-1, -1, 0, 5}).Draw(t, "leave"), cancel: rapid.SampledFrom([]int{-1, -1, 0, 3}).Draw(t, "cancel"),
				ahead: rapid.SampledFrom([]int{0, 0, 7}).Draw(t, "ahead"), priority: rapid.IntRange(0, 2).Draw(t, "priority"),
				lookup: rapid.Bool().Draw(t, "lookup"), undo: rapid.SampledFrom([]int{0, 0, 1, 4}).Draw(t, "undo"),
				slow:   rapid.SampledFrom([]time.Duration{0, 0, time.Microsecond, 2 * time.Millisecond}).Draw(t, "slow"),
				broken: rapid.IntRange(0, 5).Draw(t, "broken") == 0, adapter: rapid.IntRange(0, len(adapters)-1).Draw(t, "adapter"),
			})
		}
		plans = append(plans, own)
	}
	var all sync.WaitGroup
	errs := make(chan error, 100)
	for _, own := range plans {
		all.Go(func() {
			var before []int32
			for i, p := range own {
				prompt := p.prompt
				if i%2 == 1 {
					prompt = slices.Concat(before, p.prompt) // the conversation goes on
				}
				if p.broken {
					prompt = append(slices.Clone(prompt), bad)
				}
				ctx, cancel := context.WithCancel(context.Background())
				r := Request{
					Prompt: prompt, Marks: p.marks, MaxTokens: p.max, Text: spell{}, Ahead: p.ahead, Adapter: adapters[p.adapter], Priority: p.priority,
					Lookup: p.lookup,
				}
				if p.undo > 0 {
					r.Undo, r.Constraint = p.undo, &wavering{back: p.undo}
				}
				if p.slow > 0 && r.Constraint == nil {
					r.Constraint = Mask(func([]int32, []float32) {})
				}
				if p.slow > 0 {
					r.Constraint = newSlow(r.Constraint, func() time.Duration { return rand.N(p.slow) })
				}
				var got []int32
				var err error
				ended := false
				for piece, fail := range e.Generate(ctx, r) {
					if err = fail; err != nil || piece.Finish != "" {
						ended = true
						continue
					}
					got = append(got, piece.ID)
					if len(got) == p.cancel+1 {
						cancel()
					}
					if len(got) == p.leave+1 {
						break
					}
				}
				cancel()
				var want []int32
				if !p.broken {
					want = aloneWith(adapters[p.adapter], prompt, len(got))
				}
				switch {
				case !slices.Equal(got, want):
					errs <- fmt.Errorf("%v: got %v, want %v", p, got, want)
				case p.broken && (err == nil || len(got) > 0):
					errs <- fmt.Errorf("%v: a broken prompt was answered: %v", p, err)
				case errors.Is(err, errStale):
					errs <- err
				case !p.broken && ended && err == nil && p.leave < 0 && p.cancel < 0 && len(got) != p.max && (o.Context == 0 || len(prompt)+len(got) != o.Context):
					errs <- fmt.Errorf("%v: %d tokens", p, len(got))
				case err != nil && !p.broken && !errors.Is(err, context.Canceled) && !strings.Contains(err.Error(), "needs") && !strings.Contains(err.Error(), "the model's context"):
					errs <- fmt.Errorf("%v: %w", p, err)
				}
				if before = append(slices.Clone(prompt), got...); p.broken {
					before = nil
				}
			}
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	c := e.Counters()
	cleared(t, e)
	if d.torn {
		t.Error("spans of one adapter stood apart")
	}
	counts.Preempted += c.Preempted
	counts.ReusedTokens += c.ReusedTokens
	counts.AcceptedTokens += c.AcceptedTokens
	counts.DraftedTokens += c.DraftedTokens
}

// wavering is a constraint that takes back what was picked some times, and lets it be picked again, or forces it to be.
type wavering struct {
	back  int
	calls int
	taken []int32
}

func (w *wavering) Next(answer []int32, _ []float32) ([]int32, int, error) {
	w.calls++
	switch n := min(w.back, len(answer)); {
	case len(w.taken) > 0:
		forced := w.taken
		w.taken = nil
		return forced, 0, nil
	case n > 0 && w.calls%3 == 0 && w.calls < 30:
		if w.calls%2 == 0 {
			w.taken = slices.Clone(answer[len(answer)-n:])
		}
		return nil, n, nil
	}
	return nil, 0, nil
}

// TestPassesAreShared expects one pass for the next tokens of all sequences, and prompts in the order in which they came.
func TestPassesAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, d := newDouble(0, Options{Chunk: 10})
		defer e.Close()
		d.delay = time.Millisecond
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * time.Microsecond)
				for _, err := range e.Generate(context.Background(), Request{Prompt: slices.Repeat([]int32{int32(i)}, 12), MaxTokens: 5, Text: spell{}}) {
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		// The first prompt begins alone; then its rest and the second, and so on; each answer has four tokens after its first.
		want := [][]int{{10}, {2, 8}, {1, 4, 5}, {1, 1, 7}, {1, 1, 1}, {1, 1, 1}, {1, 1}, {1}}
		if fmt.Sprint(d.passes) != fmt.Sprint(want) {
			t.Errorf("passes %v, want %v", d.passes, want)
		}
		if c := e.Counters(); c.Passes != 8 || c.PassTokens != 3*(12+4) || c.PassTime != 8*time.Millisecond {
			t.Errorf("%d passes of %d tokens in %v", c.Passes, c.PassTokens, c.PassTime)
		}
	})
}

// TestSlowReader expects a reader that does not come back to hold up nobody, and its sequence no more than it asked for.
func TestSlowReader(t *testing.T) {
	e, d := newDouble(0, Options{})
	defer e.Close()
	for _, err := range e.Generate(context.Background(), Request{Prompt: []int32{1}, MaxTokens: 9, Text: spell{}}) {
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if ids, _, _, err := collect(t, e, Request{Prompt: []int32{2, 3}, MaxTokens: 20}); err != nil || !slices.Equal(ids, alone([]int32{2, 3}, 20)) {
				t.Errorf("ids %v, error %v", ids, err)
			}
		}
		break
	}
	if len(d.passes) != 1+3*20 {
		t.Errorf("%d passes", len(d.passes))
	}
}

// TestReadersHeldUp expects readers who take a little of a long pass's time with each token to miss none, and one who takes more
// to hold up the others by a twentieth of it.
func TestReadersHeldUp(t *testing.T) {
	const tokens, pass = 20, 100 * time.Millisecond
	for _, c := range []struct {
		takes time.Duration
		most  time.Duration // for the answer of the other reader
	}{{time.Millisecond, tokens * (pass + time.Millisecond)}, {pass / 2, tokens * (pass + pass/ofPass)}} {
		synctest.Test(t, func(t *testing.T) {
			e, d := newDouble(0, Options{})
			defer e.Close()
			d.delay = pass
			start := time.Now()
			var all sync.WaitGroup
			all.Go(func() {
				for _, err := range e.Generate(context.Background(), Request{Prompt: []int32{1}, MaxTokens: tokens, Text: spell{}}) {
					if err != nil {
						t.Error(err)
					}
					time.Sleep(c.takes)
				}
			})
			if _, _, _, err := collect(t, e, Request{Prompt: []int32{2}, MaxTokens: tokens}); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took > c.most+pass {
				t.Errorf("beside a reader that takes %v: %v", c.takes, took)
			}
			all.Wait()
			if c.takes == time.Millisecond && len(d.passes) > tokens+1 {
				t.Errorf("%d passes for two answers of %d tokens", len(d.passes), tokens)
			}
		})
	}
}

// TestMemory expects requests to wait for the memory that others will give back, and those that never fit to be refused with
// what helps.
func TestMemory(t *testing.T) {
	page := state.Bytes(doubleSpecs, 1)
	e, _ := newDouble(3*page, Options{})
	defer e.Close()
	var waited sync.WaitGroup
	for _, err := range e.Generate(context.Background(), Request{Prompt: make([]int32, 200), MaxTokens: 300, Text: spell{}}) {
		if err != nil {
			t.Fatal(err)
		}
		waited.Go(func() {
			if ids, _, _, err := collect(t, e, Request{Prompt: make([]int32, 300), MaxTokens: 3}); err != nil || len(ids) != 3 {
				t.Errorf("ids %v, error %v", ids, err)
			}
		})
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		for _, err := range e.Generate(ctx, Request{Prompt: make([]int32, 300), MaxTokens: 3, Text: spell{}}) {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a request that waits ended with %v", err)
			}
		}
		cancel()
		break
	}
	waited.Wait()
	_, _, _, err := collect(t, e, Request{Prompt: make([]int32, 700), MaxTokens: 100})
	if err == nil || !strings.HasPrefix(err.Error(), "a context of 800 tokens needs 0.0 GiB of memory") || !strings.Contains(err.Error(), "--max-tokens") {
		t.Errorf("error %v", err)
	}
	// Without a limit of its own an answer goes on until there is no more.
	ids, _, _, err := collect(t, e, Request{Prompt: make([]int32, 10)})
	if !errors.Is(err, state.ErrFull) || len(ids) < 256 {
		t.Errorf("%d tokens, error %v", len(ids), err)
	}
	if ids, _, _, err := collect(t, e, Request{Prompt: []int32{1}, MaxTokens: 2}); err != nil || !slices.Equal(ids, alone([]int32{1}, 2)) {
		t.Errorf("afterwards: ids %v, error %v", ids, err)
	}
	cleared(t, e)
}

// cleared expects an engine whose sessions are closed to have nothing but what it keeps for later, and to free that when it is
// closed.
func cleared(t interface{ Errorf(string, ...any) }, e *Engine) {
	// What has ended is freed between passes, and what is being read from the disk for a request that has gone when it is there.
	var used, kept int64
	for range 1000 {
		_ = e.do(func() {})
		if used, kept = e.Arena().Used(), e.Counters().Cache.Bytes; used == kept {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if used != kept {
		t.Errorf("%d bytes are in use, of which %d are kept for later", used, kept)
	}
	e.Close()
	if used := e.Arena().Used(); used != 0 {
		t.Errorf("%d bytes are in use after closing", used)
	}
}

// TestBounds expects a bound on waiting requests, and that closing ends all.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, d := newDouble(0, Options{Waiting: 2})
		d.delay = time.Hour // the first pass
		errs := map[error]int{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				for _, err := range e.Generate(context.Background(), Request{Prompt: []int32{1}, Text: spell{}}) {
					if err != nil {
						mu.Lock()
						errs[err]++
						mu.Unlock()
					}
				}
			})
		}
		time.Sleep(time.Minute)
		e.Close()
		all.Wait()
		if errs[ErrBusy] != 3 || errs[ErrClosed] != 3 {
			t.Errorf("errors %v, want 3 busy and 3 closed", errs)
		}
		for _, err := range e.Generate(context.Background(), Request{Prompt: []int32{1}, Text: spell{}}) {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("error %v after closing", err)
			}
		}
	})
}

// TestSampledInParallel expects answers with a seed to be the same in any company.
func TestSampledInParallel(t *testing.T) {
	e, _ := newDouble(0, Options{})
	defer e.Close()
	answer := func(seed uint64) []int32 {
		ids, _, _, err := collect(t, e, Request{Prompt: []int32{1, 2}, MaxTokens: 20, Sample: sample.Params{Temperature: 1, Seed: &seed}, Padded: []int32{bad}, Ahead: 3})
		if err != nil {
			t.Error(err)
		}
		return ids
	}
	want := make([][]int32, 8)
	for i := range want {
		want[i] = answer(uint64(i))
	}
	var all sync.WaitGroup
	for i := range want {
		all.Go(func() {
			if got := answer(uint64(i)); !slices.Equal(got, want[i]) {
				t.Errorf("seed %d: %v, alone %v", i, got, want[i])
			}
		})
	}
	all.Wait()
}

// TestMask expects a mask to see the answer so far and to decide what comes next, and an answer without a token left to end
// with an error.
func TestMask(t *testing.T) {
	e, _ := newDouble(0, Options{})
	defer e.Close()
	var seen [][]int32
	only := func(answer []int32, logits []float32) {
		seen = append(seen, slices.Clone(answer))
		for id := range logits {
			if id != 7+len(answer) || len(answer) == 3 {
				logits[id] = float32(math.Inf(-1))
			}
		}
	}
	ids, _, _, err := collect(t, e, Request{Prompt: []int32{1}, MaxTokens: 9, Constraint: Mask(only), Logprobs: true, TopTokens: 1})
	if !errors.Is(err, errNoToken) || !slices.Equal(ids, []int32{7, 8, 9}) || fmt.Sprint(seen) != "[[] [7] [7 8] [7 8 9]]" {
		t.Errorf("ids %v, seen %v, error %v", ids, seen, err)
	}
	// The session goes on.
	ids, _, last, err := collect(t, e, Request{Prompt: []int32{1, 7, 8, 9, 4}, MaxTokens: 3})
	if err != nil || last.Stats.ReusedTokens != 4 || !slices.Equal(ids, alone([]int32{1, 7, 8, 9, 4}, 3)) {
		t.Errorf("ids %v, stats %+v, error %v", ids, last.Stats, err)
	}
}
