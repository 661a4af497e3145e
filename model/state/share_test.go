package state

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"jamba/tensor"
)

// TestShared forks and cuts back states at random and expects that Parts are what is in use, each once, that a cut-back fork
// has the tokens before it, and that Free gives back as much as Exclusive says.
func TestShared(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := hybrid(tensor.F16, rapid.SampledFrom([]int{0, 40, 300}).Draw(t, "window"))
		specs := rapid.SampledFrom([][]Spec{all, {all[1], all[3]}}).Draw(t, "layers")
		arena := NewArena(specs, 0)
		states, names := []*State{arena.New()}, [][]int{nil}
		for step := range 30 {
			i := rapid.IntRange(0, len(states)-1).Draw(t, "which")
			s := states[i]
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				pos := rapid.IntRange(-1, s.pos+1).Draw(t, "pos")
				f, ok := s.ForkAt(pos)
				if ok != s.Reaches(pos) || len(specs) == 4 && ok && pos != s.pos && pos != 0 || pos == s.pos && !ok {
					t.Fatalf("a fork at %d of %d: %v", pos, s.pos, ok)
				}
				if len(specs) == 2 && specs[1].Window == 0 && ok != (pos >= 0 && pos <= s.pos) {
					t.Fatalf("without windows a fork at %d of %d: %v", pos, s.pos, ok)
				}
				if ok {
					states, names = append(states, f), append(names, slices.Clone(names[i][:pos]))
				}
			case 1:
				before, want := arena.Used(), s.Exclusive()
				s.Free()
				names[i] = nil
				if got := before - arena.Used(); got != want {
					t.Fatalf("%d bytes were given back, Exclusive said %d", got, want)
				}
			default:
				n := rapid.SampledFrom([]int{1, 100, 256, 300}).Draw(t, "tokens")
				if err := s.Reserve(n, nil); err != nil {
					t.Fatal(err)
				}
				if err := pass(s, step, n); err != nil {
					t.Fatal(err)
				}
				s.Commit()
				names[i] = append(slices.Clone(names[i]), slices.Repeat([]int{step}, n)...)
			}
			seen, refs := map[int]Part{}, map[int]int{}
			var bytes int64
			for j, s := range states {
				if err := holds(s, names[j]); err != nil {
					t.Fatalf("step %d: sequence %d: %v", step, j, err)
				}
				for _, p := range s.Parts(nil) {
					if refs[p.ID] == 0 {
						bytes += p.Bytes
					}
					seen[p.ID] = p
					refs[p.ID]++
				}
			}
			if bytes != arena.Used() {
				t.Fatalf("the parts have %d bytes, %d are in use", bytes, arena.Used())
			}
			for id, p := range seen {
				if p.Refs != refs[id] {
					t.Fatalf("part %d: %d references, there are %d", id, p.Refs, refs[id])
				}
			}
		}
	})
}
