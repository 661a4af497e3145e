package state

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"jamba/tensor"
)

// hybrid is two attention layers, one with a window, between Mamba layers.
func hybrid(d tensor.DType, window int) []Spec {
	return []Spec{{DInner: 3, DState: 2, DConv: 4}, {KVHeads: 2, HeadDim: 3, DType: d}, {DInner: 17, DState: 1, DConv: 2}, {KVHeads: 1, HeadDim: 5, Window: window, DType: d}}
}

// pass writes what a forward pass over n tokens would: numbers that depend on the sequence and the position alone.
func pass(s *State, name, n int) error {
	for i, spec := range s.arena.specs {
		if spec.KVHeads == 0 {
			conv, h := s.Cuts(i, nil, nil)
			for j := range conv {
				for k := range conv[j].To {
					conv[j].To[k] = value(name, s.pos+conv[j].Row)
				}
				for k := range h[j].To {
					h[j].To[k] = -value(name, s.pos+h[j].Row)
				}
			}
			continue
		}
		for pos := s.pos; pos < s.pos+n; pos++ {
			x := slices.Repeat([]float32{value(name, pos)}, spec.KVHeads*spec.HeadDim)
			if err := s.KV(i).Store(pos, x, x); err != nil {
				return err
			}
		}
	}
	return nil
}

// value is an integer that all types hold.
func value(name, pos int) float32 { return float32(1 + (name*7+pos)%100) }

// holds returns an error unless s has what passes wrote: names[p] is the sequence that position p was written by.
func holds(s *State, names []int) error {
	if s.pos != len(names) {
		return fmt.Errorf("position %d, want %d", s.pos, len(names))
	}
	for i, spec := range s.arena.specs {
		if spec.KVHeads == 0 {
			conv, h := s.Mamba(i)
			if len(names) == 0 {
				if conv != nil {
					return errors.New("an empty sequence has states")
				}
				continue
			}
			want := value(names[len(names)-1], len(names))
			if slices.ContainsFunc(conv, func(v float32) bool { return v != want }) || slices.ContainsFunc(h, func(v float32) bool { return v != -want }) {
				return fmt.Errorf("layer %d: states %v %v, want %v", i, conv, h, want)
			}
			continue
		}
		first := 0
		if spec.Window > 0 {
			first = max(0, len(names)-spec.Window+1)
		}
		for p := first; p < len(names); p++ {
			k, v := s.KV(i).At(p, spec.KVHeads-1)
			if want := value(names[p], p); math.Abs(float64(k[0]-want)) > float64(want)/200 || k[0] != v[spec.HeadDim-1] {
				return fmt.Errorf("layer %d, position %d: key %v value %v, want %v", i, p, k, v, want)
			}
		}
	}
	return nil
}

// TestAnyOrder does at random what an engine does with sequences, beside a model of them that copies everything, and expects
// that nobody writes into another's memory, and that the bytes in use are those of the pages and slots that are referred to.
func TestAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SampledFrom([]tensor.DType{tensor.F32, tensor.F16, tensor.Q8_0}).Draw(t, "type")
		arena := NewArena(hybrid(d, rapid.SampledFrom([]int{0, 0, 40, 300}).Draw(t, "window")), rapid.SampledFrom([]int64{0, 300_000}).Draw(t, "limit"))
		states, names := []*State{arena.New()}, [][]int{nil}
		add := func(s *State, n []int) { states, names = append(states, s), append(names, slices.Clone(n)) }
		for step := range 40 {
			i := rapid.IntRange(0, len(states)-1).Draw(t, "which")
			s := states[i]
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				add(s.Fork(), names[i])
			case 1:
				if j := rapid.IntRange(0, len(states)-1).Draw(t, "to"); j != i {
					s.Return(states[j])
					names[i] = slices.Clone(names[j])
				}
			case 2:
				s.Free()
				names[i] = nil
			case 3:
				var b bytes.Buffer
				if err := s.Save(&b, [32]byte{1}); err != nil {
					t.Fatal(err)
				}
				loaded, err := arena.Load(&b, [32]byte{1}, 1<<20)
				if err == nil {
					add(loaded, names[i])
				} else if !errors.Is(err, ErrFull) {
					t.Fatal(err)
				}
			default:
				n := rapid.SampledFrom([]int{1, 2, 100, 255, 256, 257, 600}).Draw(t, "tokens")
				var cuts []int
				for at := s.pos; at < s.pos+n; at += rapid.IntRange(1, n).Draw(t, "between") {
					if rapid.Bool().Draw(t, "cut") {
						cuts = append(cuts, at)
					}
				}
				before := arena.Used()
				if err := s.Reserve(n, cuts); err != nil {
					if !errors.Is(err, ErrFull) || arena.Used() != before {
						t.Fatalf("%v; %d bytes in use, %d before", err, arena.Used(), before)
					}
					break
				}
				if err := pass(s, step, n); err != nil {
					t.Fatal(err)
				}
				if rapid.Bool().Draw(t, "rollback") {
					s.Rollback()
					break
				}
				names[i] = append(slices.Clone(names[i]), slices.Repeat([]int{step}, n)...)
				for k, f := range s.Commit() {
					if cuts[k] == len(names[i])-n {
						// The double of a pass writes the state before the first token, too.
						f.Free()
						continue
					}
					add(f, names[i][:cuts[k]])
				}
			}
			for j, s := range states {
				if err := holds(s, names[j]); err != nil {
					t.Fatalf("step %d: sequence %d: %v", step, j, err)
				}
			}
			if got, want := arena.Used(), referred(states); got != want {
				t.Fatalf("step %d: %d bytes in use, %d are referred to", step, got, want)
			}
			if arena.limit > 0 && arena.used > arena.limit {
				t.Fatalf("%d bytes in use, more than %d", arena.used, arena.limit)
			}
		}
		for _, s := range states {
			s.Free()
		}
		if arena.Used() != 0 {
			t.Fatalf("%d bytes in use at the end", arena.Used())
		}
	})
}

// referred returns the bytes of all pages and slots that states have, each once.
func referred(states []*State) (n int64) {
	seen := map[any]bool{}
	for _, s := range states {
		if s.slot != nil && !seen[s.slot] {
			seen[s.slot] = true
			n += SlotBytes(s.arena.specs)
		}
		for _, table := range s.tables {
			for _, p := range table.pages {
				if p == nil || seen[p] {
					continue
				}
				seen[p] = true
				for _, l := range p.layers {
					n += int64(4*len(l.K) + 4*len(l.V) + len(l.RawK) + len(l.RawV))
				}
			}
		}
	}
	return n
}

// TestForkShares expects that a fork takes no memory, and of what is written then one page and one slot.
func TestForkShares(t *testing.T) {
	a := NewArena(hybrid(tensor.F16, 0), 0)
	s := a.New()
	grow(t, s, 700)
	before := a.Used()
	f := s.Fork()
	if a.Used() != before {
		t.Errorf("a fork takes %d bytes", a.Used()-before)
	}
	grow(t, f, 1)
	if page := 256 * (hybrid(tensor.F16, 0)[1].KVBytes() + hybrid(tensor.F16, 0)[3].KVBytes()); a.Used()-before != page+SlotBytes(a.specs) {
		t.Errorf("its first token takes %d bytes, want a page of %d and a slot of %d", a.Used()-before, page, SlotBytes(a.specs))
	}
	grow(t, f, 67) // to the end of the page
	g := f.Fork()
	grow(t, g, 1) // a page of its own, nothing is copied
	if id := g.tables[0].pages[2].id; id != f.tables[0].pages[2].id || len(f.tables[0].pages) != 3 {
		t.Errorf("a full page was copied: %d and %d", id, f.tables[0].pages[2].id)
	}
}

// grow commits n tokens.
func grow(t *testing.T, s *State, n int) {
	t.Helper()
	err := s.Reserve(n, nil)
	if err == nil {
		err = pass(s, 3, n)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.Commit()
}

// TestBytesInUse expects what Bytes foresees, at every position.
func TestBytesInUse(t *testing.T) {
	for _, window := range []int{0, 7, 300} {
		for _, d := range []tensor.DType{tensor.F32, tensor.F16, tensor.Q8_0} {
			a := NewArena(hybrid(d, window), 0)
			s := a.New()
			for _, n := range []int{1, 200, 55, 1, 300, 1, 1, 254, 700} {
				grow(t, s, n)
				if got, want := a.Used(), Bytes(a.specs, s.Pos()); got > want || window == 0 && got != want {
					t.Errorf("%v, window %d: %d bytes of %d tokens in use, %d foreseen", d, window, got, s.Pos(), want)
				}
			}
		}
	}
}

// TestSavedFiles damages a saved state in every way: it is an error, and nothing is left in use.
func TestSavedFiles(t *testing.T) {
	a := NewArena(hybrid(tensor.Q8_0, 40), 0)
	s := a.New()
	grow(t, s, 300)
	var b bytes.Buffer
	if err := s.Save(&b, [32]byte{1}); err != nil {
		t.Fatal(err)
	}
	s.Free()
	file := b.Bytes()
	refused := func(name string, arena *Arena, file []byte, model byte, limit int) {
		t.Helper()
		if s, err := arena.Load(bytes.NewReader(file), [32]byte{model}, limit); err == nil || s != nil || !strings.HasPrefix(err.Error(), "state: ") {
			t.Errorf("%s: %v, error %v", name, s, err)
		}
		if arena.Used() != 0 {
			t.Errorf("%s: %d bytes are left in use", name, arena.Used())
		}
	}
	refused("another model", a, file, 2, 1000)
	refused("too long", a, file, 1, 299)
	refused("other layers", NewArena(hybrid(tensor.F16, 40), 0), file, 1, 1000)
	refused("no room", NewArena(hybrid(tensor.Q8_0, 40), 5000), file, 1, 1000)
	for i := 0; i < len(file); i += 1 + i/40 {
		refused(fmt.Sprint("cut to ", i), a, file[:i], 1, 1000)
		bad := slices.Clone(file)
		bad[i] ^= 0x10
		refused(fmt.Sprint("bit at ", i), a, bad, 1, 1000)
	}
	if s, err := a.Load(bytes.NewReader(file), [32]byte{1}, 300); err != nil || s.Pos() != 300 {
		t.Error(err)
	}
}

func TestReserveMisused(t *testing.T) {
	s := New(hybrid(tensor.F32, 0))
	if s.Reserve(0, nil) == nil || s.Reserve(3, []int{4}) == nil || s.Reserve(3, []int{2, 1}) == nil || s.Reserve(3, []int{-1}) == nil {
		t.Error("no error")
	}
	if err := s.Reserve(3, []int{0, 0, 3}); err != nil {
		t.Fatal(err)
	}
	if s.Reserve(1, nil) == nil {
		t.Error("reserved twice")
	}
	s.Rollback()
	s.Rollback()
	if s.Arena().Used() != 0 {
		t.Errorf("%d bytes in use", s.Arena().Used())
	}
}

// TestStoreLimits stores the largest values that round to finite ones, and the next.
func TestStoreLimits(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, test := range []struct {
		d               tensor.DType
		finite, tooMuch float32
		want            string
	}{
		{tensor.F32, math.MaxFloat32, inf, ""}, // what is infinite is found after the layer
		{tensor.F16, 65519, 65520, "a key or value of 6.55e+04 is more than F16 holds"},
		{tensor.Q8_0, 127 * 65519, 127 * 65520, "a key or value of 8.32e+06 is more than Q8_0 holds"},
		{tensor.Q8_0, 0, inf, "a key or value is infinite or NaN"},
		{tensor.Q8_0, 0, float32(math.NaN()), "a key or value is infinite or NaN"},
	} {
		for i := range 3 {
			s := New([]Spec{{KVHeads: 1, HeadDim: 3, DType: test.d}})
			if err := s.Reserve(1, nil); err != nil {
				t.Fatal(err)
			}
			kv := s.KV(0)
			x, zero := make([]float32, 3), make([]float32, 3)
			x[i] = -test.finite
			if err := kv.Store(0, x, x); err != nil {
				t.Errorf("%v: %v: %v", test.d, x, err)
			}
			if k, _ := kv.At(0, 0); math.Abs(float64(k[i]-x[i])) > 1e-3*float64(test.finite) || math.IsInf(float64(k[i]), 0) {
				t.Errorf("%v: %v comes back as %v", test.d, x, k)
			}
			x[i] = -test.tooMuch
			for _, err := range []error{kv.Store(0, x, zero), kv.Store(0, zero, x)} {
				if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
					t.Errorf("%v: %v: error %v, want %q", test.d, x, err, test.want)
				}
			}
		}
	}
}

// TestFill fills states to a depth, and again: what the next token sees is there, and memory is used again.
func TestFill(t *testing.T) {
	a := NewArena(hybrid(tensor.F32, 300), 0)
	s, r := a.New(), rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{600, 300, 257, 600, 0} {
		if err := s.Fill(n, r); err != nil || s.Pos() != n {
			t.Fatalf("%v; position %d, want %d", err, s.Pos(), n)
		}
		for pos := max(0, n-299); pos < n; pos++ {
			if k, v := s.KV(3).At(pos, 0); k[0] == 0 || v[4] == 0 {
				t.Errorf("position %d of %d is empty", pos, n)
			}
		}
		if conv, h := s.Mamba(0); n > 0 && (conv[8] == 0 || h[0] == 0) {
			t.Error("the states are empty")
		}
	}
	if a.Used() != 0 || a.ids > 9 {
		t.Errorf("%d bytes in use, %d pages made", a.Used(), a.ids)
	}
	if NewArena(hybrid(tensor.F32, 0), 10_000).New().Fill(600, r) == nil {
		t.Error("filled beyond the limit")
	}
}

// TestBytes uses Jamba v0.1's layout: 4 attention layers of 8 heads of 128, 28 Mamba layers of 8192 channels.
func TestBytes(t *testing.T) {
	specs := slices.Repeat([]Spec{{KVHeads: 8, HeadDim: 128, DType: tensor.F32}}, 4)
	specs = append(specs, slices.Repeat([]Spec{{DInner: 8192, DState: 16, DConv: 4}}, 28)...)
	const mamba = 28 * 8192 * (3 + 16) * 4
	if got := Bytes(specs, 0); got != mamba || SlotBytes(specs) != mamba {
		t.Errorf("empty sequence: %d bytes, want %d", got, mamba)
	}
	// 256K tokens: 8 GiB in float32, and in fp16 the 4 GiB of the Jamba paper's table 1.
	if got := Bytes(specs, 256<<10); got != mamba+8<<30 {
		t.Errorf("256K tokens: %d bytes, want %d", got-mamba, int64(8)<<30)
	}
	for d, want := range map[tensor.DType]int64{tensor.F16: 4 << 30, tensor.Q8_0: 34 << 26} {
		for i := range 4 {
			specs[i].DType = d
		}
		if got := Bytes(specs, 256<<10); got != mamba+want {
			t.Errorf("256K tokens in %v: %d bytes, want %d", d, got-mamba, want)
		}
	}
	// A head of 80 values has three blocks of 34 bytes.
	if got := (Spec{KVHeads: 3, HeadDim: 80, DType: tensor.Q8_0}).KVBytes(); got != 2*3*3*34 {
		t.Errorf("3 heads of 80 take %d bytes", got)
	}
}

func TestFits(t *testing.T) {
	defer func(f func() (int64, bool)) { available = f }(available)
	specs := slices.Repeat([]Spec{{KVHeads: 8, HeadDim: 128, DType: tensor.F32}}, 4)
	available = func() (int64, bool) { return 1 << 30, true }
	if err := Fits(specs, 0, 1000); err != nil {
		t.Error(err)
	}
	err := Fits(specs, 0, 256<<10)
	if err == nil || !strings.HasPrefix(err.Error(), "a context of 262144 tokens needs 8.0 GiB of memory, 1.0 GiB are free; shorten the prompt") {
		t.Error(err)
	}
	if err := Fits(specs, 250<<10, 256<<10); err != nil {
		t.Errorf("growing by a little: %v", err)
	}
	// A batch has pages and Mamba states for each sequence: 4 of 200 tokens take 4 pages in each layer, not those of a
	// sequence of 800.
	specs = append(specs, Spec{DInner: 1 << 20, DState: 16, DConv: 4})
	const each = 4*256*2*8*128*4 + 19<<22
	available = func() (int64, bool) { return 4 * each, true }
	if err := FitsBatch(specs, 4, 200); err != nil {
		t.Error(err)
	}
	available = func() (int64, bool) { return 4*each - 1, true }
	err = FitsBatch(specs, 4, 200)
	if err == nil || !strings.HasPrefix(err.Error(), "4 contexts of 200 tokens need 0.3 GiB of memory, 0.3 GiB are free") {
		t.Error(err)
	}
	// The largest settings and numbers do not overflow.
	specs = slices.Repeat([]Spec{{KVHeads: 1 << 20, HeadDim: 1 << 20, DType: tensor.F32}}, 3)
	if got := Bytes(specs, math.MaxInt); got != math.MaxInt64 {
		t.Errorf("%d bytes", got)
	}
	if times(1<<32, 1<<31) != math.MaxInt64 || times(1<<31, 1<<31) != 1<<62 {
		t.Error("products beyond 63 bits")
	}
	if FitsBatch(specs, 1<<30, 1<<31) == nil || FitsBatch([]Spec{{KVHeads: 1, HeadDim: 1, DType: tensor.F32}}, math.MaxInt, math.MaxInt) == nil {
		t.Error("no machine has so much memory")
	}
	available = func() (int64, bool) { return 0, false }
	if err := Fits(specs, 0, 256<<10); err != nil {
		t.Errorf("unknown memory: %v", err)
	}
}
