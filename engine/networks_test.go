package engine

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"jamba/checkpoint"
	"jamba/engine/prefix"
	"jamba/engine/sample"
	"jamba/internal/testutil"
	"jamba/model"
	"jamba/model/state"
	"jamba/tensor"
)

var rounds = flag.Int("rounds", 1, "how many rounds of random requests TestNetworks makes of each model")

// network is a real network with what random requests need of it.
type network struct {
	m        *model.Model
	adapters []*model.Adapter
}

func openNetwork(t *testing.T, name string, o checkpoint.Options) *network {
	m, err := checkpoint.OpenModel(testutil.Golden("models", name), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	n := &network{m, []*model.Adapter{nil}}
	for of, dir := range map[string]string{
		"jamba-v01-mini": "jamba-v01-mini.all", "llama-tiny": "llama-tiny.attention", "mamba-tiny": "mamba-tiny.mamba", "mixtral-tiny": "mixtral-tiny.experts",
	} {
		if of != name {
			continue
		}
		from, err := checkpoint.OpenAdapter(testutil.Golden("adapters", dir), m.Modules())
		if err != nil {
			t.Fatal(err)
		}
		a, err := m.NewAdapter(from)
		if err != nil {
			t.Fatal(err)
		}
		n.adapters = append(n.adapters, a)
	}
	return n
}

// logits returns those after each token of a sequence that is computed alone, in one pass.
func (n *network) logits(t *testing.T, a *model.Adapter, ids []int32) [][]float32 {
	r := n.m.NewPass().Forward(context.Background(), model.Span{State: n.m.NewState(), Tokens: ids, Want: model.AllLogits, Adapter: a})
	if r[0].Err != nil {
		t.Fatal(r[0].Err)
	}
	return slices.Collect(slices.Chunk(r[0].Logits, n.m.Config.VocabSize))
}

// recording is a constraint that notes the logits of each place of the answer, as often as it is asked.
type recording struct {
	wavering *wavering // nil: takes nothing back
	at       []int     // lengths of the answer
	logits   [][]float32
}

func (r *recording) Next(answer []int32, logits []float32) ([]int32, int, error) {
	r.at, r.logits = append(r.at, len(answer)), append(r.logits, slices.Clone(logits))
	if r.wavering != nil {
		return r.wavering.Next(answer, logits)
	}
	return nil, 0, nil
}

// TestNetworks makes random requests of real networks, many at once, which begin alike, go on from each other, are cut short, guess, take
// back, are saved and loaded, with adapters, little memory and a folder that outlives the engine. It expects of each the logits that
// it has alone, in one pass, bit for bit, and the tokens that follow from them; in the exact pass, and in the fast one with rounded
// weights and each type of keys and values.
func TestNetworks(t *testing.T) {
	var all Counters
	disk := int64(0)
	happened := func() bool {
		return all.Preempted > 0 && all.ReusedTokens > 0 && all.AcceptedTokens > 0 && all.AcceptedTokens < all.DraftedTokens && disk > 0
	}
	fast := checkpoint.Options{Precision: model.Fast, Weights: "q8_0"}
	small := checkpoint.Options{Precision: model.Fast, Weights: "q4_0", KV: tensor.Q8_0}
	networks := []struct {
		name string
		o    checkpoint.Options
	}{
		{"jamba-v01-mini", checkpoint.Options{}},
		{"mamba-tiny", checkpoint.Options{}},
		{"llama-tiny", checkpoint.Options{}},
		{"mixtral-tiny", checkpoint.Options{}},
		{"mistral-window", checkpoint.Options{}},
		{"jamba-v01-mini", fast},
		{"jamba-v01-mini", small},
		{"mixtral-tiny", small},
		{"mistral-window", fast},
	}
	// What happens depends on times, too: there are further rounds until all has.
	for first := uint64(0); first < 5*uint64(*rounds) && !happened() && !t.Failed(); first += uint64(*rounds) {
		for _, one := range networks {
			if testutil.Race && one.o.Precision == model.Exact && one.name != "jamba-v01-mini" && one.name != "mamba-tiny" {
				continue // nearly all of the time, for attention that the hybrid has, too
			}
			t.Run(fmt.Sprint(one.name, " ", one.o.Precision, " ", one.o.Weights), func(t *testing.T) {
				n := openNetwork(t, one.name, one.o)
				for seed := first; seed < first+uint64(*rounds); seed++ {
					w := &world{network: n, t: t, random: rand.New(rand.NewPCG(seed, 1)), dir: t.TempDir(), name: fmt.Sprintf("seed %d", seed)}
					w.begin()
					for range 2 { // the second engine finds what the first has left on the disk
						c := w.live()
						all.Preempted += c.Preempted
						all.ReusedTokens += c.ReusedTokens
						all.AcceptedTokens += c.AcceptedTokens
						all.DraftedTokens += c.DraftedTokens
						disk += c.Cache.Disk.Hits
					}
				}
			})
		}
	}
	t.Logf("%d were preempted, %d tokens reused, %d of %d guesses right, %d states came from the disk", all.Preempted, all.ReusedTokens, all.AcceptedTokens, all.DraftedTokens, disk)
	if !happened() {
		t.Error("not all of these happened")
	}
}

// world is what random requests of one round have in common.
type world struct {
	*network
	t          *testing.T
	random     *rand.Rand
	dir, name  string
	beginnings [][]int32
	limit      int64
	saved      [][]byte
	mu         sync.Mutex // of saved
}

func (w *world) begin() {
	for range 2 {
		w.beginnings = append(w.beginnings, w.ids(w.random, 1+w.random.IntN(200)))
	}
	specs := w.m.StateSpecs()
	if need := state.Bytes(specs, 500) + 3*state.SlotBytes(specs); w.random.IntN(3) > 0 {
		w.limit = need + w.random.Int64N(2*need)
	}
}

// ids returns random tokens, which repeat themselves now and then so that guesses are right.
func (w *world) ids(r *rand.Rand, n int) (ids []int32) {
	for len(ids) < n {
		if len(ids) > 8 && r.IntN(3) == 0 {
			ids = append(ids, ids[:min(len(ids), n-len(ids))]...)
		} else {
			ids = append(ids, int32(r.IntN(w.m.Config.VocabSize)))
		}
	}
	return ids
}

// live lets an engine live and answer, and returns what it has counted.
func (w *world) live() Counters {
	d, err := prefix.OpenDisk(w.dir, prefix.DiskOptions{Model: [32]byte{1}, Warn: func(err error) { w.t.Error(err) }})
	if err != nil {
		w.t.Fatal(err)
	}
	o := Options{Context: w.m.Config.MaxPositionEmbeddings, Chunk: 1 + w.random.IntN(64), Running: 1 + w.random.IntN(8), Disk: d}
	e := New(w.m.NewPass(), state.NewArena(w.m.StateSpecs(), w.limit), o)
	for _, b := range w.saved {
		if _, err := e.Load(bytes.NewReader(b), [32]byte{2}, "", nil); err != nil {
			w.t.Error(err)
		}
	}
	var all sync.WaitGroup
	for range 6 {
		r := rand.New(rand.NewPCG(w.random.Uint64(), 2))
		all.Go(func() { w.converse(e, r) })
	}
	all.Wait()
	c := e.Counters()
	if c.Failed > 0 {
		w.t.Errorf("%s: %d have failed", w.name, c.Failed)
	}
	disk := d.Stats().Hits
	e.Close() // only then nothing is on its way to the disk
	if used := e.Arena().Used(); used != 0 {
		w.t.Errorf("%s: %d bytes are in use after closing", w.name, used)
	}
	c.Cache.Disk.Hits = disk
	return c
}

// converse makes some requests that go on from each other.
func (w *world) converse(e *Engine, random *rand.Rand) {
	var before []int32
	for range 3 {
		prompt := slices.Concat(before, w.ids(random, 1+random.IntN(40)))
		if before == nil {
			prompt = slices.Concat(w.beginnings[random.IntN(2)], prompt)
		}
		r := Request{
			Prompt: prompt, MaxTokens: 1 + random.IntN(30), Text: spell{}, Adapter: w.adapters[random.IntN(len(w.adapters))], Priority: random.IntN(2),
			Marks:    prefix.Marks{Borders: []int{random.IntN(200)}, Turn: random.IntN(len(prompt))},
			Padded:   []int32{3},
			Ahead:    12 * random.IntN(2),
			Sample:   sample.Params{RepetitionPenalty: 1 + 0.1*float64(random.IntN(2))},
			Logprobs: random.IntN(2) == 0,
		}
		r.Lookup = random.IntN(2) == 0 && r.Ahead > 0
		c := &recording{}
		switch random.IntN(3) {
		case 0:
			r.Undo, c.wavering = 3, &wavering{back: 3}
		case 1:
			r.Sample.Temperature, r.Sample.Seed = 1, new(random.Uint64())
		}
		r.Constraint = c
		if r.ScorePrompt = random.IntN(3) == 0; r.ScorePrompt {
			r.ScoreFrom = random.IntN(len(prompt) + 1)
		}
		var late *slow
		if random.IntN(2) == 0 {
			late = newSlow(c, func() time.Duration { return rand.N(3 * time.Millisecond) })
			r.Constraint = late
		}
		ctx, cancel := context.WithCancel(context.Background())
		cut, layers := random.IntN(60), random.IntN(200)
		r.Progress = func(int, int) {
			if layers--; layers == 0 {
				cancel() // within a pass over the prompt
			}
		}
		var got []int32
		var logprobs []float64
		var scores []Score
		for p, err := range e.Generate(ctx, r) {
			if err != nil && !errors.Is(err, context.Canceled) && !strings.Contains(err.Error(), "the model's context") {
				w.t.Errorf("%s: %v", w.name, err)
			}
			if scores = append(scores, p.Prompt...); err != nil || p.Finish != "" {
				break
			}
			if got = append(got, p.ID); r.Logprobs && p.Logprob != nil {
				logprobs = append(logprobs, p.Logprob.Logprob)
			}
			if len(got) == cut {
				cancel()
			}
		}
		cancel()
		if late != nil && late.early {
			w.t.Errorf("%s: a constraint was asked before it was ready", w.name)
		}
		if len(got) == 0 {
			continue
		}
		before = slices.Concat(prompt, got)
		w.compare(&r, c, got, logprobs, scores)
		if random.IntN(3) == 0 && r.Adapter == nil {
			var b bytes.Buffer
			if err := e.Save(context.Background(), r.Sequence(got), &b, [32]byte{2}); err != nil {
				w.t.Errorf("%s: %v", w.name, err)
			}
			w.mu.Lock()
			w.saved = append(w.saved, b.Bytes())
			w.mu.Unlock()
		}
	}
}

// compare compares an answer with that which the network gives alone.
func (w *world) compare(r *Request, c *recording, got []int32, logprobs []float64, scores []Score) {
	ids := slices.Concat(r.Prompt, got)
	all := w.logits(w.t, r.Adapter, ids)
	if r.ScorePrompt {
		from := max(1, r.ScoreFrom)
		if len(scores) != max(0, len(r.Prompt)-from) {
			w.t.Errorf("%s: %d scores of %d tokens from %d on", w.name, len(scores), len(r.Prompt), from)
		}
		for i, s := range scores {
			if l, _ := sample.Logprobs(all[from+i-1], r.Prompt[from+i], 0, nil); s.Logprob != l {
				w.t.Errorf("%s: the score of token %d is %v, alone %v", w.name, from+i, s.Logprob, l)
			}
		}
	}
	alone := all[len(r.Prompt)-1:]
	for i, at := range c.at {
		if at < len(alone) && !bytes.Equal(tensor.Bytes(c.logits[i]), tensor.Bytes(alone[at])) {
			w.t.Errorf("%s: %d tokens and %d of the answer: other logits than alone; adapter %v, marks %+v, lookup %v, call %d of %v, diff %v", w.name, len(r.Prompt), at, r.Adapter != nil, r.Marks, r.Lookup, i, c.at, maxdiff(c.logits[i], alone[at]))
			return
		}
	}
	s := sample.New(r.Sample, r.Prompt, r.Padded)
	var want []int32
	for i := range got {
		want = append(want, s.Next(alone[i]))
		if l, _ := sample.Logprobs(alone[i], got[i], 0, nil); c.wavering == nil && r.Logprobs && l.Logprob != logprobs[i] {
			w.t.Errorf("%s: log-probability %v, alone %v", w.name, logprobs[i], l.Logprob)
		}
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("%s: got %v, alone %v", w.name, got, want)
	}
}

func maxdiff(a, b []float32) (d float32) {
	for i := range a {
		d = max(d, max(a[i]-b[i], b[i]-a[i]))
	}
	return d
}
