package sample

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// frequencies samples n first tokens, each by a sampler with another seed.
func frequencies(p Params, prompt []int32, logits []float32, n int) []float64 {
	f := make([]float64, len(logits))
	for i := range n {
		p.Seed = new(uint64(i))
		f[New(p, prompt, nil).Next(logits)] += 1 / float64(n)
	}
	return f
}

// softmax is the plain definition.
func softmax(logits []float64) []float64 {
	total := 0.0
	p := make([]float64, len(logits))
	for i, v := range logits {
		p[i] = math.Exp(v)
		total += p[i]
	}
	for i := range p {
		p[i] /= total
	}
	return p
}

func TestDistribution(t *testing.T) {
	logits := []float32{1, 2, 0.5, -1, 2.5}
	inf := math.Inf(-1)
	for _, test := range []struct {
		name   string
		params Params
		prompt []int32
		want   []float64 // logits of the distribution
	}{
		{"greedy", Params{}, nil, []float64{inf, inf, inf, inf, 0}},
		{"temperature 1", Params{Temperature: 1}, nil, []float64{1, 2, 0.5, -1, 2.5}},
		{"temperature 2", Params{Temperature: 2}, nil, []float64{0.5, 1, 0.25, -0.5, 1.25}},
		{"top-k 2", Params{Temperature: 1, TopK: 2}, nil, []float64{inf, 2, inf, inf, 2.5}},
		{"top-k 1", Params{Temperature: 5, TopK: 1}, nil, []float64{inf, inf, inf, inf, 0}},
		{"top-k beyond", Params{Temperature: 1, TopK: 99}, nil, []float64{1, 2, 0.5, -1, 2.5}},
		{"top-k -1", Params{Temperature: 1, TopK: -1}, nil, []float64{1, 2, 0.5, -1, 2.5}},
		// Probabilities are .11 .29 .064 .014 .48 (of 4 2 1 3 5th rank): .48+.29 reach .7, .48 alone does not.
		{"top-p .7", Params{Temperature: 1, TopP: 0.7}, nil, []float64{inf, 2, inf, inf, 2.5}},
		{"top-p tiny", Params{Temperature: 1, TopP: 1e-9}, nil, []float64{inf, inf, inf, inf, 2.5}},
		// exp(1-2.5) = .22, exp(.5-2.5) = .135
		{"min-p .2", Params{Temperature: 1, MinP: 0.2}, nil, []float64{1, 2, inf, inf, 2.5}},
		{"logit bias", Params{Temperature: 1, LogitBias: map[int32]float64{3: 3, 4: -100, 77: 1, -1: 1}}, nil, []float64{1, 2, 0.5, 2, inf}},
		{"repetition", Params{Temperature: 1, RepetitionPenalty: 2}, []int32{3, 4}, []float64{1, 2, 0.5, -2, 1.25}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, want := frequencies(test.params, test.prompt, logits, 20000), softmax(test.want)
			for i := range want {
				if math.Abs(got[i]-want[i]) > 0.015 || want[i] == 0 && got[i] != 0 {
					t.Errorf("token %d: frequency %.3f, want %.3f", i, got[i], want[i])
				}
			}
		})
	}
}

func TestPenaltiesCountTheAnswer(t *testing.T) {
	logits := []float32{3, 2.5, 0}
	for _, test := range []struct {
		name   string
		params Params
		want   []int32
	}{
		{"none", Params{}, []int32{0, 0, 0, 0}},
		{"presence", Params{PresencePenalty: 1}, []int32{0, 1, 0, 0}},
		{"frequency", Params{FrequencyPenalty: 1}, []int32{0, 1, 0, 1}},
		{"repetition", Params{RepetitionPenalty: 2}, []int32{0, 1, 0, 0}},
	} {
		// Presence and frequency leave the prompt alone.
		s := New(test.params, nil, nil)
		if test.params.RepetitionPenalty == 0 {
			s = New(test.params, []int32{0, 0, 0}, nil)
		}
		var got []int32
		for range test.want {
			got = append(got, s.Next(logits))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestSeed(t *testing.T) {
	logits := make([]float32, 100)
	draw := func(seed uint64) (ids []int32) {
		s := New(Params{Temperature: 1, TopP: 0.9, Seed: &seed}, nil, nil)
		for range 50 {
			ids = append(ids, s.Next(logits))
		}
		return ids
	}
	if !slices.Equal(draw(7), draw(7)) {
		t.Error("the same seed gives different tokens")
	}
	if slices.Equal(draw(7), draw(8)) {
		t.Error("different seeds give the same tokens")
	}
}

func TestLogprobs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		logits := make([]float32, rapid.IntRange(1, 50).Draw(t, "vocab"))
		wide := make([]float64, len(logits))
		for i := range logits {
			logits[i] = float32(r.IntN(8)) * 0.5 // with ties
			wide[i] = float64(logits[i])
		}
		want := softmax(wide)
		id := int32(r.IntN(len(logits)))
		n := rapid.IntRange(0, 60).Draw(t, "n")
		chosen, top := Logprobs(logits, id, n, nil)
		if chosen.ID != id || math.Abs(math.Exp(chosen.Logprob)-want[id]) > 1e-9 {
			t.Fatalf("chosen %v, want id %d with probability %v", chosen, id, want[id])
		}
		if len(top) != min(n, len(logits)) {
			t.Fatalf("%d best of %d, want %d", len(top), len(logits), n)
		}
		order := make([]int, len(logits))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return int(2 * (logits[b] - logits[a])) })
		for i, l := range top {
			if int(l.ID) != order[i] || math.Abs(math.Exp(l.Logprob)-want[l.ID]) > 1e-9 {
				t.Fatalf("best %d is %v, want id %d", i, l, order[i])
			}
		}
	})
}

func TestValidate(t *testing.T) {
	for want, p := range map[string]Params{
		"temperature is -1, want 0 to 100":           {Temperature: -1},
		"top-k is -2, want 0 or more, or -1 for all": {TopK: -2},
		"top-p is 1.5, want 0 to 1":                  {TopP: 1.5},
		"min-p is NaN, want 0 to 1":                  {MinP: math.NaN()},
	} {
		if err := p.Validate(); err == nil || err.Error() != want {
			t.Errorf("%+v: error %v, want %s", p, err, want)
		}
	}
	if err := (Params{Temperature: 0.7, TopP: 0.9, TopK: 40, RepetitionPenalty: 1.1}).Validate(); err != nil {
		t.Error(err)
	}
}

// TestPadded expects that rows which only fill up the vocabulary are never picked, however likely and however biased.
func TestPadded(t *testing.T) {
	logits := []float32{1, 9, 2, 9, 8}
	padded := []int32{1, 3, 4}
	bias := map[int32]float64{1: 100, 4: -5}
	for _, p := range []Params{{}, {LogitBias: bias}, {Temperature: 1}, {Temperature: 5, TopK: 4}, {Temperature: 5, TopP: 0.999, LogitBias: bias}, {Temperature: 3, MinP: 0.01}} {
		s := New(p, []int32{1}, padded)
		for range 200 {
			if id := s.Next(logits); id != 0 && id != 2 {
				t.Fatalf("%+v: picked %d", p, id)
			}
		}
	}
	chosen, top := Logprobs(logits, 2, 3, padded)
	all, _ := Logprobs(logits, 2, 0, nil)
	if chosen != all || len(top) != 2 || top[0].ID != 2 || top[1].ID != 0 {
		t.Errorf("chosen %v, top %v", chosen, top)
	}
}

// TestNoSeed expects different answers where no seed is given.
func TestNoSeed(t *testing.T) {
	logits := make([]float32, 1000)
	pick := func() (ids [4]int32) {
		s := New(Params{Temperature: 1}, nil, nil)
		for i := range ids {
			ids[i] = s.Next(logits)
		}
		return ids
	}
	if a, b := pick(), pick(); a == b {
		t.Errorf("twice %v", a)
	}
}
