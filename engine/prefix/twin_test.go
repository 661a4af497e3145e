package prefix

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"jamba/model/state"
	"jamba/tensor"
)

// The layers of the tests: a hybrid, one that can be cut back, and one that can where its window still reaches.
var (
	hybrid    = []state.Spec{{DInner: 3, DState: 2, DConv: 2}, {KVHeads: 1, HeadDim: 1, DType: tensor.F32}}
	attention = hybrid[1:]
	windowed  = []state.Spec{attention[0], {KVHeads: 1, HeadDim: 1, Window: 300, DType: tensor.F32}}
)

// compute writes what a forward pass over tokens would from s.Pos() on: a hash of what came before as Mamba's state, the
// tokens as keys. It returns the Forks of the cuts.
func compute(t fataler, s *state.State, tokens []int32, cuts ...int) []*state.State {
	from := s.Pos()
	if err := s.Reserve(len(tokens)-from, cuts); err != nil {
		t.Fatal(err)
	}
	for i, spec := range s.Arena().Specs() {
		if spec.KVHeads == 0 {
			convs, scans := s.Cuts(i, nil, nil)
			for _, cut := range append(convs, scans...) {
				for j := range cut.To {
					cut.To[j] = digest(tokens[:from+cut.Row])
				}
			}
			continue
		}
		for pos := from; pos < len(tokens); pos++ {
			x := []float32{float32(tokens[pos])}
			if err := s.KV(i).Store(pos, x, x); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s.Commit()
}

type fataler interface {
	Fatal(...any)
	Fatalf(string, ...any)
}

func digest(tokens []int32) float32 {
	h := fnv.New32()
	for _, id := range tokens {
		h.Write([]byte{byte(id)})
	}
	return float32(h.Sum32() >> 9)
}

// check fails unless s is the state of these tokens.
func check(t fataler, s *state.State, tokens []int32) {
	if s.Pos() != len(tokens) {
		t.Fatalf("a state of %d tokens, want %d", s.Pos(), len(tokens))
	}
	for i, spec := range s.Arena().Specs() {
		if spec.KVHeads == 0 {
			if conv, h := s.Mamba(i); len(tokens) > 0 && (conv[0] != digest(tokens) || h[0] != digest(tokens)) {
				t.Fatalf("the states of other tokens after %d", len(tokens))
			}
			continue
		}
		first := 0
		if spec.Window > 0 {
			first = max(0, len(tokens)-spec.Window+1)
		}
		for p := first; p < len(tokens); p++ {
			if k, v := s.KV(i).At(p, 0); k[0] != float32(tokens[p]) || v[0] != k[0] {
				t.Fatalf("the key of token %d is %v, want %d", p, k[0], tokens[p])
			}
		}
	}
}

// twin is the cache as a list: what it does is said in the plainest way.
type twin struct {
	limit int64
	clock int64
	kept  []*copied
	ever  []*copied // that were evicted
	known []known
	cuts  bool
	taken int64 // snapshots for which there was room
}

type known struct {
	root   Root
	tokens []int32
}

type copied struct {
	known
	state *state.State
	kind  Kind
	last  int64
	other bool
	pins  int
}

func begins(long, short []int32) bool {
	return len(long) >= len(short) && slices.Equal(long[:len(short)], short)
}

// at returns the deepest of all that r begins with and is longer than, and was kept or is.
func deepest(all []*copied, r known) (best *copied) {
	for _, e := range all {
		if e.root == r.root && len(e.tokens) < len(r.tokens) && begins(r.tokens, e.tokens) && (best == nil || len(e.tokens) > len(best.tokens)) {
			best = e
		}
	}
	return best
}

// match returns how many tokens of r are found.
func (w *twin) match(r known) (pos int) {
	if e := deepest(w.kept, r); e != nil {
		pos = len(e.tokens)
	}
	for _, e := range w.kept {
		if w.cuts && e.root == r.root {
			pos = max(pos, min(common(e.tokens, r.tokens), len(r.tokens)-1))
		}
	}
	return pos
}

// bytes returns what snapshots hold, each part once, and how much of it is one's alone.
func (w *twin) bytes(of *copied) (held, own int64) {
	refs, size := map[int]int{}, map[int]int64{}
	for _, e := range w.kept {
		for _, p := range e.state.Parts(nil) {
			refs[p.ID]++
			size[p.ID] = p.Bytes
		}
	}
	for _, n := range size {
		held += n
	}
	if of != nil {
		for _, p := range of.state.Parts(nil) {
			if refs[p.ID] == 1 {
				own += p.Bytes
			}
		}
	}
	return held, own
}

// worst returns the snapshot that has to go first, by the formula.
func (w *twin) worst(want func(*copied) bool) (worst *copied) {
	least := 0.0
	for _, e := range w.kept {
		if e.pins > 0 || !want(e) {
			continue
		}
		replay, age := len(e.tokens), float64(w.clock-e.last+1)
		if up := deepest(w.kept, e.known); up != nil {
			replay -= len(up.tokens)
		}
		next, passed := map[int32]bool{}, false
		for _, k := range w.known {
			if k.root == e.root && len(k.tokens) > len(e.tokens) && begins(k.tokens, e.tokens) {
				next[k.tokens[len(e.tokens)]] = true
			}
		}
		for _, d := range w.kept {
			if d != e && d.root == e.root && begins(d.tokens, e.tokens) {
				passed = passed || d.kind != End
				if w.cuts {
					replay = 0
				}
			}
		}
		if e.other || passed && len(next) == 1 {
			age *= 16
		}
		worth := 0.0
		if replay > 0 {
			_, own := w.bytes(e)
			worth = float64(replay) / float64(own) / age
		}
		if worst == nil || worth < least || worth == least && e.last < worst.last { // the first of equals
			worst, least = e, worth
		}
	}
	return worst
}

func (w *twin) evict(e *copied) {
	w.kept = slices.DeleteFunc(w.kept, func(k *copied) bool { return k == e })
	w.ever = append(w.ever, e)
}

func (w *twin) insert(via Kind, r known, s *state.State, kind Kind) {
	w.known = append(w.known, r)
	for _, e := range w.kept {
		if e.root == r.root && slices.Equal(e.tokens, r.tokens) {
			e.kind = max(e.kind, kind)
			return
		}
	}
	e := &copied{known: r, state: s, kind: kind, last: w.clock, other: via == Turn && kind == End || via == End && kind == Turn}
	w.kept = append(w.kept, e)
	w.ever = slices.DeleteFunc(w.ever, func(k *copied) bool { return k.root == r.root && slices.Equal(k.tokens, r.tokens) })
	for held, _ := w.bytes(nil); w.limit > 0 && held > w.limit; held, _ = w.bytes(nil) {
		victim := e
		var all int64
		for _, p := range e.state.Parts(nil) {
			all += p.Bytes
		}
		if all <= w.limit {
			victim = w.worst(func(*copied) bool { return true })
		}
		if w.evict(victim); victim == e {
			return
		}
	}
	w.taken++
}

// TestTwin runs requests at random, several at a time, and expects of the cache what the twin does, that every state found
// is that of the tokens, and that memory is counted exactly and all given back.
func TestTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		specs := rapid.SampledFrom([][]state.Spec{hybrid, hybrid, attention}).Draw(t, "layers")
		arena := state.NewArena(specs, 0)
		limit := rapid.SampledFrom([]int64{0, 2500, 10_000, 30_000}).Draw(t, "limit")
		c := New(arena, Options{Limit: limit})
		w := &twin{limit: limit, cuts: len(specs) == 1}
		type running struct {
			path   *Path
			via    Kind
			r      known
			state  *state.State
			hit    *Hit
			pinned *copied
		}
		var live []*running
		lengths := []int{1, 2, 3, 250, 256, 260}
		segments := func(n int) (tokens []int32) {
			for range n {
				i := rapid.IntRange(0, len(lengths)-1).Draw(t, "segment")
				tokens = append(tokens, slices.Repeat([]int32{int32(1 + i + len(lengths)*rapid.IntRange(0, 1).Draw(t, "which"))}, lengths[i])...)
			}
			return tokens
		}
		for range 60 {
			switch what := rapid.IntRange(0, 9).Draw(t, "what"); {
			case what < 4 && len(live) < 5: // a request comes
				tokens := segments(rapid.IntRange(1, 4).Draw(t, "segments"))
				r := known{Root{Salt: rapid.SampledFrom([]string{"", "", "x"}).Draw(t, "salt")}, tokens}
				if n := len(w.ever) + len(w.kept); n > 0 && rapid.Bool().Draw(t, "comes back") {
					from := slices.Concat(w.kept, w.ever)[rapid.IntRange(0, n-1).Draw(t, "from")]
					r = known{from.root, slices.Concat(from.tokens, tokens[:min(3, len(tokens))])}
					tokens = r.tokens
				}
				deep := deepest(slices.Concat(w.kept, w.ever), r)
				run := &running{r: r}
				if deep != nil {
					run.via = deep.kind
				}
				want := 0
				for _, k := range w.known {
					if k.root == r.root {
						want = max(want, common(k.tokens, tokens))
					}
				}
				w.known = append(w.known, r)
				run.path = c.Announce(r.root, tokens)
				if run.path.Known != want {
					t.Fatalf("%d tokens are known, want %d", run.path.Known, want)
				}
				run.hit = run.path.Match()
				if pos := w.match(r); run.hit.Pos != pos || (pos == 0) == (run.hit.Reason == Found) {
					t.Fatalf("found %d tokens (%v), want %d", run.hit.Pos, run.hit.Reason, pos)
				}
				if e := run.hit.entry; e != nil {
					run.pinned = w.kept[slices.IndexFunc(w.kept, func(k *copied) bool { return k.state == e.state })]
					run.pinned.pins++
				}
				live = append(live, run)
			case what < 8 && len(live) > 0: // one goes on
				i := rapid.IntRange(0, len(live)-1).Draw(t, "who")
				run := live[i]
				if run.state == nil {
					pos := run.hit.Pos
					run.state = run.hit.Take()
					check(t, run.state, run.r.tokens[:pos])
					w.clock++
					if run.pinned != nil {
						run.pinned.pins--
						run.pinned.last = w.clock
					}
					break
				}
				if left := len(run.r.tokens) - run.state.Pos(); left > 0 {
					upTo := run.state.Pos() + rapid.IntRange(1, left).Draw(t, "tokens")
					cut := rapid.IntRange(run.state.Pos()+1, upTo).Draw(t, "cut")
					kept := compute(t, run.state, run.r.tokens[:upTo], cut)[0]
					kind := rapid.SampledFrom([]Kind{Junction, Border, Turn}).Draw(t, "kind")
					w.insert(run.via, known{run.r.root, run.r.tokens[:cut]}, kept, kind)
					run.path.Insert(run.r.tokens, kept, kind)
					break
				}
				all := slices.Concat(run.r.tokens, segments(1))
				compute(t, run.state, all)
				end := run.state.Fork()
				w.insert(run.via, known{run.r.root, all}, end, End)
				run.path.Insert(all, end, End)
				run.state.Free()
				run.path.Retire()
				live = slices.Delete(live, i, i+1)
			case what == 8 && len(live) > 0: // one is cancelled
				i := rapid.IntRange(0, len(live)-1).Draw(t, "who")
				if run := live[i]; run.state != nil {
					run.state.Free()
				} else {
					run.hit.Release()
					if run.pinned != nil {
						run.pinned.pins--
					}
				}
				live[i].path.Retire()
				live = slices.Delete(live, i, i+1)
			case what == 9: // memory is needed
				need, before, can := int64(rapid.IntRange(1, 20_000).Draw(t, "bytes")), arena.Used(), c.Evictable()
				var want []*state.State
				var freed int64
				for freed < need {
					e := w.worst(func(e *copied) bool { return e.state.Exclusive() > 0 })
					if e == nil {
						break // the cache's list is at its end, too, but for those that share among themselves
					}
					want = append(want, e.state)
					// The cache frees it; to know what the next gives back, one at a time.
					freed += c.Evict(1)
					w.evict(e)
					if e.state.Pos() != 0 {
						t.Fatalf("another snapshot than the twin's went: %d are left", len(c.entries))
					}
				}
				freed += c.Evict(need - freed)
				w.kept = slices.DeleteFunc(w.kept, func(e *copied) bool {
					gone := e.state.Pos() == 0
					if gone {
						w.ever = append(w.ever, e)
					}
					return gone
				})
				if freed != before-arena.Used() || freed < min(need, can) {
					t.Fatalf("%d bytes are said to be freed, %d are; %d were needed, %d to be had; %d went", freed, before-arena.Used(), need, can, len(want))
				}
			}
			held, _ := w.bytes(nil)
			if got := c.Stats(); got.Bytes != held || got.Snapshots != len(w.kept) || got.Taken != w.taken || limit > 0 && held > limit {
				t.Fatalf("%d bytes in %d snapshots, want %d in %d", got.Bytes, got.Snapshots, held, len(w.kept))
			}
			for _, e := range w.kept {
				check(t, e.state, e.tokens)
				_, own := w.bytes(e)
				i := slices.IndexFunc(c.entries, func(k *entry) bool { return k.state == e.state })
				if k := c.entries[i]; k.own != own || k.kind != e.kind || math.IsNaN(c.worth(k)) {
					t.Fatalf("an entry has %d bytes of its own as %v, want %d as %v", k.own, k.kind, own, e.kind)
				}
			}
			if err := sound(c); err != nil {
				t.Fatal(err)
			}
		}
		for _, run := range live {
			run.hit.Release()
			if run.state != nil {
				run.state.Free()
			}
			run.path.Retire()
		}
		if err := c.Close(); err != nil || arena.Used() != 0 || c.held != 0 || len(c.parts) != 0 {
			t.Fatalf("%v; %d bytes are in use at the end, %d held, %d parts", err, arena.Used(), c.held, len(c.parts))
		}
	})
}

// sound returns an error if the tree's counts are not those of its nodes.
func sound(c *Cache) error {
	known := 0
	var visit func(n *node) (entries, ends, paths int, err error)
	visit = func(n *node) (entries, ends, paths int, err error) {
		known += len(n.label)
		if n.entry != nil {
			entries++
			if n.entry.kind == End {
				ends++
			}
			if n.entry.state.Pos() != n.depth {
				return 0, 0, 0, fmt.Errorf("a state of %d tokens at %d", n.entry.state.Pos(), n.depth)
			}
		}
		for _, p := range c.paths {
			if p.tail == n {
				paths++
			}
		}
		for first, child := range n.children {
			if child.parent != n || child.label[0] != first || child.depth != n.depth+len(child.label) || child.root != n.root {
				return 0, 0, 0, fmt.Errorf("a child at %d of %d does not fit", child.depth, n.depth)
			}
			a, b, p, err := visit(child)
			if err != nil {
				return 0, 0, 0, err
			}
			entries, ends, paths = entries+a, ends+b, paths+p
		}
		if n.entries != entries || n.ends != ends || n.paths != paths {
			err = fmt.Errorf("at %d: %d snapshots, %d ends and %d paths are counted, there are %d, %d and %d", n.depth, n.entries, n.ends, n.paths, entries, ends, paths)
		}
		return entries, ends, paths, err
	}
	for _, r := range c.roots {
		if _, _, _, err := visit(r); err != nil {
			return err
		}
	}
	return cmp.Or(map[bool]error{true: fmt.Errorf("%d tokens are counted, there are %d", c.known, known)}[known != c.known])
}
