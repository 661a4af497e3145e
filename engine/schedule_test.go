package engine

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"jamba/engine/sample"
	"jamba/model"
	"jamba/model/state"
	"jamba/tensor"
)

// double is a network without weights: its logits follow from all tokens of a sequence, which it keeps where a network keeps
// keys. The token bad has numbers that are none.
type double struct {
	mu     sync.Mutex
	passes [][]int // rows of each span of each pass
	delay  time.Duration
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
		failed := false
		for j, id := range s.Tokens {
			_ = s.State.KV(0).Store(at+j, []float32{float32(id)}, []float32{float32(slices.Index(adapters, s.Adapter))})
			failed = failed || id == bad
		}
		if failed {
			s.State.Rollback()
			results[i].Err = errors.New("not a number")
			continue
		}
		results[i].Kept = s.State.Commit()
		if s.Want == model.LastLogits {
			results[i].Logits = logitsOf(s.State)
		}
	}
	if d.layer != nil {
		d.layer(1, 2)
		d.layer(2, 2)
	}
	time.Sleep(d.delay)
	d.mu.Lock()
	d.passes = append(d.passes, rows)
	d.mu.Unlock()
	return results
}

func logitsOf(s *state.State) []float32 {
	h := fnv.New64a()
	for pos := range s.Pos() {
		k, v := s.KV(0).At(pos, 0)
		fmt.Fprint(h, k[0], v[0], ",")
	}
	logits := make([]float32, vocab)
	logits[h.Sum64()%(vocab-1)] = 1 // never bad
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

// TestAnyRequests lets requests of all kinds come, go, stall and fail at random, several sessions at once, and expects each to
// be answered as it is alone; afterwards nothing is in use.
func TestAnyRequests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := Options{Context: rapid.SampledFrom([]int{0, 700}).Draw(t, "context"), Chunk: rapid.SampledFrom([]int{1, 3, 64, 512}).Draw(t, "chunk")}
		e, d := newDouble(rapid.SampledFrom([]int64{0, 20 << 10}).Draw(t, "limit"), o)
		type plan struct {
			prompt             []int32
			max, leave, cancel int
			ahead              int
			broken             bool
			adapter            int
		}
		var plans [][]plan
		for range rapid.IntRange(1, 5).Draw(t, "sessions") {
			var own []plan
			for range rapid.IntRange(1, 3).Draw(t, "requests") {
				own = append(own, plan{
					prompt: rapid.SliceOfN(rapid.Int32Range(0, vocab-2), 1, 300).Draw(t, "prompt"), max: rapid.IntRange(1, 40).Draw(t, "max"),
					leave: rapid.SampledFrom([]int{-1, -1, 0, 5}).Draw(t, "leave"), cancel: rapid.SampledFrom([]int{-1, -1, 0, 3}).Draw(t, "cancel"),
					ahead: rapid.SampledFrom([]int{0, 0, 7}).Draw(t, "ahead"), broken: rapid.IntRange(0, 5).Draw(t, "broken") == 0,
					adapter: rapid.IntRange(0, len(adapters)-1).Draw(t, "adapter"),
				})
			}
			plans = append(plans, own)
		}
		var all sync.WaitGroup
		errs := make(chan error, 100)
		for _, own := range plans {
			all.Go(func() {
				s := e.NewSession()
				defer s.Close()
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
					var got []int32
					var err error
					ended := false
					for piece, e := range s.Generate(ctx, Request{Prompt: prompt, MaxTokens: p.max, Text: spell{}, Ahead: p.ahead, Adapter: adapters[p.adapter]}) {
						if err = e; err != nil || piece.Finish != "" {
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
		if n := e.Arena().Used(); n != 0 {
			t.Errorf("%d bytes are in use afterwards", n)
		}
		e.Close()
		if d.torn {
			t.Error("spans of one adapter stood apart")
		}
	})
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
				s := e.NewSession()
				defer s.Close()
				for _, err := range s.Generate(context.Background(), Request{Prompt: slices.Repeat([]int32{int32(i)}, 12), MaxTokens: 5, Text: spell{}}) {
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
	})
}

// TestSlowReader expects a reader that does not come back to hold up nobody, and its sequence no more than it asked for.
func TestSlowReader(t *testing.T) {
	e, d := newDouble(0, Options{})
	defer e.Close()
	slow := e.NewSession()
	defer slow.Close()
	for _, err := range slow.Generate(context.Background(), Request{Prompt: []int32{1}, MaxTokens: 9, Text: spell{}}) {
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			s := e.NewSession()
			if ids, _, _, err := collect(t, s, Request{Prompt: []int32{2, 3}, MaxTokens: 20}); err != nil || !slices.Equal(ids, alone([]int32{2, 3}, 20)) {
				t.Errorf("ids %v, error %v", ids, err)
			}
			s.Close()
		}
		if slow.state.Pos() != 1 {
			t.Errorf("%d tokens were computed for a reader that has taken one", slow.state.Pos())
		}
		break
	}
	if len(d.passes) != 1+3*20 {
		t.Errorf("%d passes", len(d.passes))
	}
}

// TestMemory expects requests to wait for the memory that others will give back, and those that never fit to be refused with
// what helps.
func TestMemory(t *testing.T) {
	page := state.Bytes(doubleSpecs, 1)
	e, _ := newDouble(3*page, Options{})
	defer e.Close()
	first, second := e.NewSession(), e.NewSession()
	var waited sync.WaitGroup
	for _, err := range first.Generate(context.Background(), Request{Prompt: make([]int32, 200), MaxTokens: 300, Text: spell{}}) {
		if err != nil {
			t.Fatal(err)
		}
		waited.Go(func() {
			if ids, _, _, err := collect(t, second, Request{Prompt: make([]int32, 300), MaxTokens: 3}); err != nil || len(ids) != 3 {
				t.Errorf("ids %v, error %v", ids, err)
			}
		})
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		for _, err := range e.NewSession().Generate(ctx, Request{Prompt: make([]int32, 300), MaxTokens: 3, Text: spell{}}) {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a request that waits ended with %v", err)
			}
		}
		cancel()
		break
	}
	first.Close()
	waited.Wait()
	second.Close()
	third := e.NewSession()
	_, _, _, err := collect(t, third, Request{Prompt: make([]int32, 700), MaxTokens: 100})
	if err == nil || !strings.HasPrefix(err.Error(), "a context of 800 tokens needs 0.0 GiB of memory") || !strings.Contains(err.Error(), "--max-tokens") {
		t.Errorf("error %v", err)
	}
	// Without a limit of its own an answer goes on until there is no more.
	ids, _, _, err := collect(t, third, Request{Prompt: make([]int32, 10)})
	if !errors.Is(err, state.ErrFull) || len(ids) < 256 {
		t.Errorf("%d tokens, error %v", len(ids), err)
	}
	if ids, _, _, err := collect(t, third, Request{Prompt: []int32{1}, MaxTokens: 2}); err != nil || !slices.Equal(ids, alone([]int32{1}, 2)) {
		t.Errorf("afterwards: ids %v, error %v", ids, err)
	}
	third.Close()
	if e.Arena().Used() != 0 {
		t.Errorf("%d bytes in use", e.Arena().Used())
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
				for _, err := range e.NewSession().Generate(context.Background(), Request{Prompt: []int32{1}, Text: spell{}}) {
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
		for _, err := range e.NewSession().Generate(context.Background(), Request{Prompt: []int32{1}, Text: spell{}}) {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("error %v after closing", err)
			}
		}
	})
}

// TestForgottenSession expects the memory of a session that is out of reach to be freed.
func TestForgottenSession(t *testing.T) {
	e, _ := newDouble(0, Options{})
	defer e.Close()
	func() {
		if _, _, _, err := collect(t, e.NewSession(), Request{Prompt: []int32{1, 2}, MaxTokens: 2}); err != nil {
			t.Error(err)
		}
	}()
	for range 100 {
		if runtime.GC(); e.Arena().Used() == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d bytes in use", e.Arena().Used())
}

// TestSampledInParallel expects answers with a seed to be the same in any company.
func TestSampledInParallel(t *testing.T) {
	e, _ := newDouble(0, Options{})
	defer e.Close()
	answer := func(seed uint64) []int32 {
		s := e.NewSession()
		defer s.Close()
		ids, _, _, err := collect(t, s, Request{Prompt: []int32{1, 2}, MaxTokens: 20, Sample: sample.Params{Temperature: 1, Seed: &seed}, Padded: []int32{bad}, Ahead: 3})
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
	s := e.NewSession()
	defer s.Close()
	var seen [][]int32
	only := func(answer []int32, logits []float32) {
		seen = append(seen, slices.Clone(answer))
		for id := range logits {
			if id != 7+len(answer) || len(answer) == 3 {
				logits[id] = float32(math.Inf(-1))
			}
		}
	}
	ids, _, _, err := collect(t, s, Request{Prompt: []int32{1}, MaxTokens: 9, Mask: only, Logprobs: true, TopTokens: 1})
	if !errors.Is(err, errNoToken) || !slices.Equal(ids, []int32{7, 8, 9}) || fmt.Sprint(seen) != "[[] [7] [7 8] [7 8 9]]" {
		t.Errorf("ids %v, seen %v, error %v", ids, seen, err)
	}
	// The session goes on.
	ids, _, last, err := collect(t, s, Request{Prompt: []int32{1, 7, 8, 9, 4}, MaxTokens: 3})
	if err != nil || last.Stats.ReusedTokens != 4 || !slices.Equal(ids, alone([]int32{1, 7, 8, 9, 4}, 3)) {
		t.Errorf("ids %v, stats %+v, error %v", ids, last.Stats, err)
	}
}
