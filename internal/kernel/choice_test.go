package kernel

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"jamba/internal/kernel/par"
	"jamba/tensor"
)

// unchosen has the tests that follow begin, and end, with nothing installed.
func unchosen(t *testing.T) {
	before := chosen.Swap(nil)
	t.Cleanup(func() { chosen.Store(before) })
}

// shaped are timings in which few rows take 1000 and many as much less as gain says for that number of rows, in percent.
func shaped(gain func(rows int) int) (t timings) {
	for i, m := range choiceRows {
		t[i] = timing{1000, time.Duration(100_000 / (100 + gain(m)))}
	}
	return t
}

func TestDecide(t *testing.T) {
	// from has many rows gain 20 % from some number on and lose as much before.
	from := func(at int) func(int) int {
		return func(rows int) int {
			if rows >= at {
				return 20
			}
			return -20
		}
	}
	last := choiceRows[len(choiceRows)-1]
	for name, c := range map[string]struct {
		gain           func(rows int) int
		constant, want int
	}{
		"as the constant":        {from(48), 48, 48},
		"clearly earlier":        {from(25), 48, 25},
		"always":                 {from(0), 48, choiceRows[0]},
		"clearly later":          {from(67), 48, 67},
		"with the most only":     {from(last), 24, last},
		"not at all":             {from(math.MaxInt), 24, never},
		"no difference":          {func(int) int { return 0 }, 48, 48},
		"a little faster":        {func(int) int { return 4 }, 48, 48},
		"a little slower":        {func(int) int { return -4 }, 48, 48},
		"a gap before":           {func(m int) int { return map[bool]int{true: -20, false: 20}[m == 25] }, 48, 31},
		"a gap of no gain":       {func(m int) int { return map[bool]int{true: 2, false: 20}[m == 25] }, 48, 31},
		"a loss that gains pay":  {func(m int) int { return map[bool]int{true: -20, false: 20}[m == 97] }, 24, 24},
		"losses that they don't": {func(m int) int { return map[bool]int{true: -20, false: 6}[m >= 37 && m <= 97] }, 24, last},
		"a constant between":     {from(13), 13, 13},
		"below a low constant":   {from(0), 13, choiceRows[0]},
		"below all":              {from(0), 8, 8},
	} {
		times := shaped(c.gain)
		if got := times.decide(c.constant); got != c.want {
			t.Errorf("%s: from %d rows on, want %d", name, got, c.want)
		}
	}
	if got := new(timings).decide(48); got != 48 {
		t.Errorf("nothing measured: %d", got)
	}
}

// TestDecideMonotone asserts that from a decision that is not the constant on many rows never lose clearly, and that what
// was changed gains clearly.
func TestDecideMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var times timings
		for i := range times {
			times[i] = timing{1000, time.Duration(rapid.IntRange(700, 1400).Draw(t, "many"))}
		}
		constant := rapid.SampledFrom([]int{8, 13, 24, 48}).Draw(t, "constant")
		from := times.decide(constant)
		var changed timing
		for i, m := range choiceRows {
			if from != constant && m >= from && times[i].fewPays() {
				t.Fatalf("from %d rows on instead of %d, but %d lose: %v", from, constant, m, times)
			}
			if m >= min(from, constant) && m < max(from, constant) {
				changed.few += times[i].few
				changed.many += times[i].many
			}
		}
		if from < constant && !changed.manyPays() || from > constant && !changed.fewPays() {
			t.Fatalf("from %d rows on instead of %d for no gain: %v", from, constant, times)
		}
	})
}

// TestChoose asserts that decisions that differ are made once more.
func TestChoose(t *testing.T) {
	for _, c := range []struct {
		decided []int // as each measurement would have it
		want    int
		calls   int
	}{
		{[]int{25, 25}, 25, 2},
		{[]int{25, 31, 31}, 31, 3},
		{[]int{25, 31, 25}, 25, 3},
		{[]int{never, 25, 31}, 31, 3},
		{[]int{48, 25, 67}, 48, 3},
	} {
		calls := 0
		got := choose(func() timings {
			at := c.decided[calls]
			calls++
			return shaped(func(m int) int {
				if m >= at {
					return 20
				}
				return -20
			})
		}, 48)
		if got != c.want || calls != c.calls {
			t.Errorf("%v: %d after %d measurements, want %d after %d", c.decided, got, calls, c.want, c.calls)
		}
	}
}

// TestMeasureChoice asserts that what is measured is a choice for the tier in use, and measured within its time.
func TestMeasureChoice(t *testing.T) {
	unchosen(t)
	all := active.pack.choices()
	begin := time.Now()
	c, ok := MeasureChoice()
	took := time.Since(begin)
	if ok && len(all) == 0 || len(c) > 0 != ok {
		t.Fatalf("%v, %v for %d arithmetics", c, ok, len(all))
	}
	if !ok {
		t.Skip("nothing to choose, or a coarse clock")
	}
	if err := c.Install(); err != nil || !maps.Equal(Chosen(), c) {
		t.Errorf("%v is installed as %v: %v", c, Chosen(), err)
	}
	// A product that is under way when the time is over ends; emulated it takes long.
	if limit := time.Duration(len(all)) * trialTime; took > 20*limit {
		t.Errorf("it took %v, want %v", took, limit)
	}
	trial := newTrial(active.pack, all[0])
	trial.until = time.Now().Add(-1)
	if got := trial.measure(); got != (timings{}) {
		t.Errorf("without time: %v", got)
	}
}

// TestInstall asserts that choices that are not of the tier in use are refused and change nothing.
func TestInstall(t *testing.T) {
	unchosen(t)
	constants := Chosen()
	if len(constants) == 0 {
		if err := (Choice{"q8_0": 48}).Install(); err == nil {
			t.Error("a choice where there is nothing to choose")
		}
		t.Skipf("%s has nothing to choose", active.name)
	}
	changed := func(f func(c Choice)) Choice {
		c := maps.Clone(constants)
		f(c)
		return c
	}
	for name, c := range map[string]Choice{
		"none":         nil,
		"too few":      changed(func(c Choice) { delete(c, "q8_0") }),
		"too many":     changed(func(c Choice) { c["q2_k"] = 48 }),
		"another type": changed(func(c Choice) { delete(c, "q8_0"); c["q2_k"] = 48 }),
		"zero":         changed(func(c Choice) { c["q8_0"] = 0 }),
		"negative":     changed(func(c Choice) { c["q8_0"] = -1 }),
		"too large":    changed(func(c Choice) { c["q8_0"] = never + 1 }),
	} {
		if err := c.Install(); err == nil || chosen.Load() != nil {
			t.Errorf("%s: %v, installed %v", name, err, chosen.Load())
		}
	}
	other := changed(func(c Choice) { c["q8_0"] = 7 })
	if err := other.Install(); err != nil || !maps.Equal(Chosen(), other) {
		t.Errorf("installed %v: %v", Chosen(), err)
	}
	// Kernels of other tiers do not see it.
	mine := active
	defer func() { active = mine }()
	for _, tier := range tiers {
		if active = tier; tier != mine && Chosen()["q8_0"] == 7 {
			t.Errorf("%s has the choice of %s", tier.name, mine.name)
		}
	}
}

// TestChoiceBits asserts that products have the bits of their rows by themselves whatever is chosen, that the choice is that
// of the moment in which a matrix was packed, and that neighbours that were packed under different ones can share their x.
func TestChoiceBits(t *testing.T) {
	if len(active.pack.choices()) == 0 {
		t.Skipf("%s has nothing to choose", active.name)
	}
	unchosen(t)
	defer par.SetThreads(0)
	froms := []int{1, 13, 48, never}
	for _, d := range dtypes {
		if !packs(d) || active.pack.arithmetic[layouts[d].arithmetic].many == nil {
			continue
		}
		r := rand.New(rand.NewPCG(17, uint64(d)))
		const n, k, most = 70, 768, 61
		plain, _ := randomMatrix(t, r, d, n, k)
		x, want := random(r, most*k), make([]float32, most*n)
		all := make([]Matrix, len(froms))
		for i, from := range froms {
			c := Choice{}
			for _, a := range active.pack.choices() {
				c[a.name()] = from
			}
			if err := c.Install(); err != nil {
				t.Fatal(err)
			}
			all[i] = plain
			all[i].Pack(new(Slab))
		}
		chosen.Store(nil)
		for i := range most {
			MatMul(want[i*n:(i+1)*n], x[i*k:(i+1)*k], &all[3])
		}
		for _, m := range []int{1, 2, 5, 6, 7, 12, 13, 14, 25, 47, 48, 61} {
			par.SetThreads(1 + m%3)
			var list []Projection
			for i := range all {
				if _, few := all[i].weights.(*packed).way(m).(few); few != (m < froms[i]) {
					t.Fatalf("%v, %d rows by the way of few with a choice of %d: %v", d, m, froms[i], few)
				}
				list = append(list, Projection{random(r, m*n), x[:m*k], &all[i]})
			}
			Project(list)
			for i, p := range list {
				if !slices.Equal(p.Dst, want[:m*n]) {
					t.Fatalf("%v, %d rows with a choice of %d: other bits than row by row", d, m, froms[i])
				}
			}
		}
	}
}

// TestChoiceDuringProducts installs choices while products run: those of matrices that are packed go on as they began. The
// race detector looks on.
func TestChoiceDuringProducts(t *testing.T) {
	constants := Chosen()
	if len(constants) == 0 {
		t.Skipf("%s has nothing to choose", active.name)
	}
	unchosen(t)
	r := rand.New(rand.NewPCG(18, 1))
	const n, k, m = 64, 512, 48
	w, _ := randomMatrix(t, r, tensor.Q8_0, n, k)
	source := w
	w.Pack(new(Slab))
	p := w.weights.(*packed)
	from, x, want := p.from, random(r, m*k), make([]float32, m*n)
	MatMul(want, x, &w)
	done := make(chan bool)
	go func() {
		defer close(done)
		for i := range 200 {
			c := maps.Clone(constants)
			for name := range c {
				c[name] = 1 + i%50
			}
			if err := c.Install(); err != nil {
				t.Error(err)
			}
			other := source
			other.Pack(new(Slab))
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		got := make([]float32, m*n)
		MatMul(got, x, &w)
		if !slices.Equal(got, want) || p.from != from {
			t.Fatal("a product changed with the choice")
		}
	}
}
