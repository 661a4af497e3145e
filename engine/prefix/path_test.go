package prefix

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jamba/model/state"
)

// TestLeader has requests that share 400 tokens, and some 600, come together: each finds the first that will compute what it
// shares, as long as that has not gone by.
func TestLeader(t *testing.T) {
	c := New(state.NewArena(hybrid, 0), Options{})
	long := prompt(600)
	with := func(n, own int) []int32 {
		return append(slices.Clone(long[:n]), slices.Repeat([]int32{int32(-own)}, 50)...)
	}
	paths := []*Path{}
	for _, tokens := range [][]int32{with(400, 1), with(600, 2), with(600, 3), with(400, 4), with(0, 5)} {
		paths = append(paths, c.Announce(Root{}, tokens))
	}
	paths = append(paths, c.Announce(Root{Salt: "x"}, with(400, 6)))
	expect := func(i, lead, at int) {
		t.Helper()
		got, pos := paths[i].Leader()
		if want := append(paths, nil)[lead]; got != want || pos != at {
			t.Errorf("request %d: leader %d until %d, want %d until %d", i, slices.Index(paths, got), pos, lead, at)
		}
	}
	none := len(paths)
	expect(0, none, 0)
	expect(1, 0, 400)
	expect(2, 1, 600)
	expect(3, 0, 400)
	expect(4, none, 0)
	expect(5, none, 0)
	paths[0].Advance(400)
	expect(3, 0, 400)
	paths[0].Advance(401)
	expect(3, 1, 400)
	paths[1].Advance(500)
	expect(3, 2, 400)
	expect(2, 1, 600)
	paths[2].Advance(600) // it has that much itself
	expect(2, none, 0)
	paths[1].Retire()
	paths[1].Retire() // does nothing
	expect(3, none, 0)
	// A prompt that is all of another's leaves a token to compute.
	same := c.Announce(Root{}, with(400, 4))
	if lead, at := same.Leader(); lead != paths[3] || at != 449 {
		t.Error("the same prompt:", at)
	}
	for _, p := range append(paths, same) {
		p.Retire()
	}
}

// TestRolling expects one snapshot of an unfinished prompt at a time, none after a later one, and that a cancelled request's
// stays.
func TestRolling(t *testing.T) {
	arena := state.NewArena(hybrid, 0)
	c := New(arena, Options{})
	tokens := prompt(900)
	p := c.Announce(Root{}, tokens)
	s := p.Match().Take()
	roll := func(to int, kind Kind, want ...int) {
		t.Helper()
		compute(t, s, tokens[:to])
		p.Insert(tokens, s.Fork(), kind)
		var got []int
		for _, e := range c.entries {
			got = append(got, e.node.depth)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("snapshots at %v, want %v", got, want)
		}
	}
	roll(100, Rolling, 100)
	roll(200, Rolling, 200)
	roll(300, Border, 300)
	roll(400, Rolling, 300, 400)
	s.Free()
	p.Retire()
	p = c.Announce(Root{}, tokens)
	h := p.Match()
	if h.Pos != 400 || h.Kind != Rolling {
		t.Error("the cancelled request is not gone on from:", h.Pos, h.Kind)
	}
	s = h.Take()
	roll(500, Rolling, 300, 400, 500) // the other's is not this request's
	roll(600, Turn, 300, 400, 600)
	p.Insert(tokens[:10], s.Fork(), Turn) // misused: it is freed
	s.Free()
	p.Retire()
	c.Close()
	if arena.Used() != 0 {
		t.Errorf("%d bytes in use", arena.Used())
	}
}

// TestReasons expects each reason of a miss.
func TestReasons(t *testing.T) {
	arena := state.NewArena(hybrid, 0)
	c := New(arena, Options{})
	other := append(prompt(100), 9999)
	ask := func(r Root, tokens []int32, cut int, want Reason) {
		t.Helper()
		p := c.Announce(r, tokens)
		defer p.Retire()
		h := p.Match()
		if h.Reason != want {
			t.Errorf("%v, want %v", h.Reason, want)
		}
		s := h.Take()
		defer s.Free()
		if cut > s.Pos() {
			p.Insert(tokens, compute(t, s, tokens, cut)[0], Border)
		}
	}
	ask(Root{}, prompt(200), 0, Empty)
	ask(Root{}, prompt(200), 0, Underway)
	ask(Root{}, prompt(200), 150, Underway)
	ask(Root{}, prompt(200), 0, Found)
	ask(Root{}, other, 0, Differs)
	ask(Root{}, []int32{1, 2, 3}, 0, Beginning)
	ask(Root{Salt: "x"}, prompt(200), 0, OtherRoot)
	ask(Root{Adapter: c}, prompt(200), 0, OtherRoot)
	c.Evict(1)
	ask(Root{}, prompt(200), 0, Evicted)
	got := c.Stats()
	want := Stats{Hits: 1, Saved: 150, Computed: 6*200 + 50 + 101 + 3, Taken: 1, Evictions: 1}
	want.Misses = [Reasons]int64{Empty: 1, Underway: 2, Differs: 1, Beginning: 1, OtherRoot: 2, Evicted: 1}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for r := range Reasons {
		if r.String() == "" {
			t.Error("a reason has no name")
		}
	}
}

// TestWindow expects that a state with a window is cut back as far as the window reaches, and no further.
func TestWindow(t *testing.T) {
	arena := state.NewArena(windowed, 0)
	c := New(arena, Options{})
	tokens := prompt(1000)
	p := c.Announce(Root{}, tokens)
	s := p.Match().Take()
	compute(t, s, tokens)
	p.Insert(tokens, s, End)
	p.Retire()
	for _, test := range []struct{ n, want int }{{1000, 999}, {900, 899}, {812, 811}, {600, 0}, {20, 0}} {
		p := c.Announce(Root{}, append(prompt(test.n-1), 9999))
		h := p.Match()
		if h.Pos != test.want {
			t.Errorf("%d of %d tokens are found, want %d", h.Pos, test.n, test.want)
		}
		s := h.Take()
		check(t, s, tokens[:test.want])
		s.Free()
		p.Retire()
	}
	c.Close()
	if arena.Used() != 0 {
		t.Errorf("%d bytes in use", arena.Used())
	}
}

// TestForget expects that paths without snapshots are forgotten, the oldest first, as far as the bound asks for, and no
// others.
func TestForget(t *testing.T) {
	c := New(state.NewArena(hybrid, 0), Options{Known: 1000})
	kept := c.Announce(Root{}, prompt(300))
	s := c.arena.New()
	kept.Insert(prompt(300), compute(t, s, prompt(300), 200)[0], Border)
	kept.Retire()
	s.Free()
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		tokens := append(prompt(r.IntN(300)), slices.Repeat([]int32{int32(-1 - i)}, 1+r.IntN(200))...)
		p := c.Announce(Root{Salt: fmt.Sprint(i % 2)}, tokens)
		p.Retire()
		if err := sound(c); err != nil || c.known > 1000 {
			t.Fatal(err, c.known)
		}
		if again := c.Announce(Root{Salt: fmt.Sprint(i % 2)}, tokens); again.Known != len(tokens) {
			t.Fatalf("the last path is forgotten: %d of %d", again.Known, len(tokens))
		} else {
			again.Retire()
		}
	}
	p := c.Announce(Root{}, prompt(300))
	if h := p.Match(); h.Pos != 200 {
		t.Errorf("the snapshot's path is forgotten: %d", h.Pos)
	}
}

// TestMany expects that a cache with thousands of snapshots is still quick: a request that evicts takes well below the time
// of one token's pass.
func TestMany(t *testing.T) {
	const n = 3000
	one := state.SlotBytes(hybrid) + 256*hybrid[1].KVBytes()
	c := New(state.NewArena(hybrid, 0), Options{Limit: n * one})
	serve := func(i int) {
		tokens := append(prompt(40), int32(-i), 1, 2, 3)
		p := c.Announce(Root{}, tokens)
		s := p.Match().Take()
		p.Insert(tokens, compute(t, s, tokens, 42)[0], Turn)
		s.Free()
		p.Retire()
	}
	for i := range n {
		serve(i)
	}
	start, evicted := time.Now(), c.Stats().Evictions
	for i := range 200 {
		serve(n + i)
	}
	took := time.Since(start) / 200
	if c.Stats().Evictions-evicted < 200 || took > 20*time.Millisecond {
		t.Errorf("%v a request, %d evictions", took, c.Stats().Evictions-evicted)
	}
	t.Logf("%v a request with %d snapshots", took, c.Stats().Snapshots)
}

func TestPlaces(t *testing.T) {
	m := Marks{Borders: []int{100, 1000}, Breakpoints: []int{500, 1005}, Turn: 1200, Junction: 300}
	for _, test := range []struct {
		m       Marks
		from, n int
		want    []Place
	}{
		{m, 0, 1203, []Place{{300, Junction}, {500, Border}, {1000, Border}, {1200, Turn}}},
		{m, 499, 1203, []Place{{1000, Border}, {1200, Turn}}}, // the breakpoint is near to what is there
		{m, 1000, 1203, []Place{{1200, Turn}}},
		{m, 1200, 1203, nil},
		{Marks{Borders: []int{1190}, Turn: 1200, Junction: 1190}, 0, 1203, []Place{{1190, Border}}},
		{Marks{Turn: 10, Junction: 1203}, 0, 1203, nil}, // too short; all known
		{Marks{}, 0, 10, nil},
	} {
		got := test.m.Places(test.from, test.n)
		if !slices.Equal(got, test.want) {
			t.Errorf("%+v from %d: %v, want %v", test.m, test.from, got, test.want)
		}
	}
}
