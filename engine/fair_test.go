package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"jamba/engine/prefix"
	"jamba/model/state"
)

// inOrder runs requests that come one millisecond after the other and returns their numbers in the order in which they ended.
func inOrder(t *testing.T, e *Engine, requests []Request) (order []int) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for i, r := range requests {
		r.Text = spell{}
		all.Go(func() {
			time.Sleep(time.Duration(i) * time.Millisecond)
			for _, err := range e.Generate(context.Background(), r) {
				if err != nil {
					t.Errorf("request %d: %v", i, err)
				}
			}
			mu.Lock()
			order = append(order, i)
			mu.Unlock()
		})
	}
	all.Wait()
	return order
}

// TestShortPromptsPass expects prompts that are short to be answered before one that is long and came first, and that one not to
// wait for all that come later.
func TestShortPromptsPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, d := newDouble(0, Options{Chunk: 16})
		defer e.Close()
		d.delay = 10 * time.Millisecond
		requests := []Request{{Prompt: unlike(0, 400), MaxTokens: 1}}
		for i := range 60 {
			requests = append(requests, Request{Prompt: unlike(i+1, 16), MaxTokens: 1})
		}
		order := inOrder(t, e, requests)
		switch at := slices.Index(order, 0); {
		case at < 10:
			t.Errorf("the long prompt was answered after %d short ones", at)
		case at > 55:
			t.Errorf("the long prompt waited for %d that came later", at)
		}
	})
}

// unlike returns a prompt of n tokens that begins like no other.
func unlike(number, n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32((number>>(3*min(i, 6)) + i) % 7)
	}
	return ids
}

// TestPriority expects requests of a higher priority first, though they come later, and one of a low priority in its time
// nevertheless.
func TestPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, d := newDouble(0, Options{Running: 1})
		defer e.Close()
		d.delay = time.Second
		var requests []Request
		for i := range 40 {
			requests = append(requests, Request{Prompt: unlike(i, 8), MaxTokens: 1, Priority: i % 2})
		}
		order := inOrder(t, e, requests)
		high := 0
		for _, i := range order[:20] {
			high += i % 2
		}
		// The first, which nobody was there to overtake, is of the low one.
		if high != 19 || !slices.IsSorted(slices.DeleteFunc(slices.Clone(order), func(i int) bool { return i%2 == 0 })) {
			t.Errorf("order %v", order)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		e, d := newDouble(0, Options{Running: 1})
		defer e.Close()
		d.delay = time.Second
		var all sync.WaitGroup
		ctx, cancel := context.WithCancel(context.Background())
		for range 4 { // who always have one more
			all.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					for _, err := range e.Generate(ctx, Request{Prompt: unlike(i, 8), MaxTokens: 2, Priority: 3, Text: spell{}}) {
						if err != nil && ctx.Err() == nil {
							t.Error(err)
						}
					}
				}
			})
		}
		time.Sleep(time.Minute)
		start := time.Now()
		for _, err := range e.Generate(context.Background(), Request{Prompt: unlike(7, 9), MaxTokens: 1, Text: spell{}}) {
			if err != nil {
				t.Error(err)
			}
		}
		// Three levels are 30 seconds, in which those who were there first are answered.
		if waited := time.Since(start); waited < 25*time.Second || waited > time.Minute {
			t.Errorf("one of a low priority waited for %v", waited)
		}
		cancel()
		all.Wait()
	})
}

// TestStreamsBesidePrompts expects a long prompt to slow down answers by no more than it may, on a machine whose passes all take their
// time and on one where neighbours hold up some by up to 40 % of it.
func TestStreamsBesidePrompts(t *testing.T) {
	for _, noise := range []float64{0, 0.4} {
		synctest.Test(t, func(t *testing.T) {
			e, d := newDouble(0, Options{})
			defer e.Close()
			d.perRow = time.Millisecond
			d.delay = 20 * time.Millisecond
			d.noise = noise
			var all sync.WaitGroup
			var mu sync.Mutex
			var gaps []time.Duration
			all.Go(func() {
				last := time.Now()
				for p, err := range e.Generate(context.Background(), Request{Prompt: []int32{1, 2}, MaxTokens: 700, Text: spell{}}) {
					if err != nil {
						t.Error(err)
					}
					if p.Finish == "" {
						mu.Lock()
						gaps = append(gaps, time.Since(last))
						mu.Unlock()
					}
					last = time.Now()
				}
			})
			time.Sleep(4 * time.Second)
			sofar := func() int { mu.Lock(); defer mu.Unlock(); return len(gaps) }
			before := sofar()
			_, _, last, err := collect(t, e, Request{Prompt: unlike(3, 4000), MaxTokens: 1})
			after := sofar()
			all.Wait()
			if err != nil {
				t.Fatal(err)
			}
			quantile := func(g []time.Duration, percent int) time.Duration {
				g = slices.Sorted(slices.Values(g))
				return g[len(g)*percent/100]
			}
			alone, p99 := quantile(gaps[:before], 50), quantile(gaps[before+20:after], 99) // until then it learns
			if p99 > alone*5/2 {
				t.Errorf("noise %v: the answer's tokens come %v apart, %v without a prompt", noise, p99, alone)
			}
			if rate := last.Stats.PrefillRate(); rate < 250 {
				t.Errorf("noise %v: the prompt comes on at %.0f tokens a second", noise, rate)
			}
		})
	}
}

// TestDeadline expects a request whose time is over to end then, whether it waits, is computed or answers, and to leave what was
// computed to the next.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, d := newDouble(0, Options{Chunk: 10, Running: 1})
		defer e.Close()
		d.delay = time.Second
		for _, test := range []struct {
			name   string
			within time.Duration
			tokens int
		}{{"prompt", 3500 * time.Millisecond, 0}, {"answer", 7500 * time.Millisecond, 5}} {
			ctx, cancel := context.WithTimeout(context.Background(), test.within)
			start := time.Now()
			n, last := 0, error(nil)
			for p, err := range e.Generate(ctx, Request{Prompt: unlike(5, 100), MaxTokens: 100, Text: spell{}}) {
				if last = err; err == nil && p.Finish == "" {
					n++
				}
			}
			cancel()
			if took := time.Since(start); !errors.Is(last, context.DeadlineExceeded) || took > test.within+time.Second {
				t.Errorf("%s: %d tokens, %v after %v", test.name, n, last, took)
			}
		}
		// Four passes and eight have computed 100 tokens and two of the answer.
		_, _, last, err := collect(t, e, Request{Prompt: unlike(5, 100), MaxTokens: 1})
		if err != nil || last.Stats.ReusedTokens < 90 {
			t.Errorf("%+v, %v", last.Stats, err)
		}
		var all sync.WaitGroup
		all.Go(func() { _, _, _, _ = collect(t, e, Request{Prompt: unlike(6, 100), MaxTokens: 1}) })
		time.Sleep(time.Millisecond)
		ctx, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
		defer cancel()
		start := time.Now()
		for _, err := range e.Generate(ctx, Request{Prompt: []int32{1}, MaxTokens: 1, Text: spell{}}) {
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 3*time.Second {
				t.Errorf("a request that waits: %v after %v", err, time.Since(start))
			}
		}
		all.Wait()
	})
}

// TestTogether lets many requests come at once that begin alike, and expects what they have in common to be computed once, as for
// several answers to one prompt, whose pages are shared.
func TestTogether(t *testing.T) {
	for _, own := range []int{0, 20} {
		synctest.Test(t, func(t *testing.T) {
			e, d := newDouble(0, Options{Chunk: 64})
			d.delay = time.Millisecond
			beginning := unlike(9, 600)
			var all sync.WaitGroup
			used := make([]int64, 32)
			for i := range used {
				all.Go(func() {
					prompt := slices.Concat(beginning, unlike(i, own))
					ids, _, _, err := collect(t, e, Request{Prompt: prompt, MaxTokens: 3})
					if err != nil || !slices.Equal(ids, alone(prompt, 3)) {
						t.Errorf("ids %v, error %v", ids, err)
					}
					used[i] = e.Arena().Used()
				})
			}
			all.Wait()
			c := e.Counters()
			if computed := c.PromptTokens - c.ReusedTokens; computed > int64(600+32*max(1, own)+64) {
				t.Errorf("%d tokens were computed", computed)
			}
			if page := state.Bytes(doubleSpecs, 1); slices.Max(used) > (3+4*32)*page {
				t.Errorf("%d bytes were in use, a page has %d", slices.Max(used), page)
			}
			cleared(t, e)
		})
	}
}

// TestSession saves a sequence and loads it into another engine, which goes on from there and from its turn; damaged and foreign
// files are errors and leave nothing behind.
func TestSession(t *testing.T) {
	e, _ := newDouble(0, Options{})
	r := Request{Prompt: unlike(4, 300), MaxTokens: 20, Marks: prefix.Marks{Turn: 280}}
	ids, _, _, err := collect(t, e, r)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	hash := [32]byte{7}
	if err := e.Save(context.Background(), r.Sequence(ids), &b, hash); err != nil {
		t.Fatal(err)
	}
	cleared(t, e)
	for _, test := range []struct {
		prompt []int32
		reused int
	}{
		{slices.Concat(r.Prompt, ids, []int32{3, 4}), 320},
		{slices.Concat(r.Prompt[:280], []int32{9, 9, 9}), 280},
		{slices.Concat(r.Prompt[:270], []int32{9, 9, 9}), 0},
	} {
		next, _ := newDouble(0, Options{})
		q, err := next.Load(bytes.NewReader(b.Bytes()), hash, "", nil)
		if err != nil || !slices.Equal(q.Tokens, slices.Concat(r.Prompt, ids)) || q.Turn != 280 {
			t.Fatalf("%+v, %v", q, err)
		}
		got, _, last, err := collect(t, next, Request{Prompt: test.prompt, MaxTokens: 5})
		if err != nil || last.Stats.ReusedTokens != test.reused || !slices.Equal(got, alone(test.prompt, 5)) {
			t.Errorf("reused %d, want %d; ids %v, error %v", last.Stats.ReusedTokens, test.reused, got, err)
		}
		cleared(t, next)
	}
	next, _ := newDouble(20<<10, Options{Context: 4096})
	for name, file := range map[string][]byte{
		"empty": nil, "text": []byte(strings.Repeat("jamba ", 100)), "cut": b.Bytes()[:b.Len()-1], "cut in the tokens": b.Bytes()[:200],
		"damaged": flipped(b.Bytes(), b.Len()-100), "damaged tokens": flipped(b.Bytes(), 60), "too long": flipped(b.Bytes(), len(sessionMagic)+2),
	} {
		if _, err := next.Load(bytes.NewReader(file), hash, "", nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := next.Load(bytes.NewReader(b.Bytes()), [32]byte{8}, "", nil); err == nil || !strings.Contains(fmt.Sprint(err), "another model") {
		t.Errorf("of another model: %v", err)
	}
	cleared(t, next)
}

func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 0x40
	return b
}
