package sample

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// reference is the distribution of the next token after prompt and answer, written from the definitions, in the order
// of Hugging Face's transformers: bias, repetition penalty, (presence and frequency, which it has not,) temperature,
// top-k, top-p, min-p, each of which takes what the one before has left as a distribution of its own.
func reference(p Params, prompt, answer []int32, logits []float32) []float64 {
	x := make([]float64, len(logits))
	for i, v := range logits {
		x[i] = float64(v) + p.LogitBias[int32(i)]
	}
	times := func(list []int32, id int) float64 {
		n := 0
		for _, other := range list {
			if int(other) == id {
				n++
			}
		}
		return float64(n)
	}
	for i := range x {
		in, out := times(prompt, i), times(answer, i)
		if r := p.RepetitionPenalty; r != 0 && in+out > 0 {
			if x[i] > 0 {
				x[i] /= r
			} else {
				x[i] *= r
			}
		}
		if out > 0 {
			x[i] -= p.PresencePenalty + out*p.FrequencyPenalty
		}
		x[i] /= p.Temperature
	}
	keepIf := func(keep func(i int) bool) {
		next := slices.Clone(x)
		for i := range x {
			if !keep(i) {
				next[i] = math.Inf(-1)
			}
		}
		x = next
	}
	if p.TopK > 0 {
		sorted := slices.Sorted(slices.Values(x))
		slices.Reverse(sorted)
		kth := sorted[min(p.TopK, len(sorted))-1]
		keepIf(func(i int) bool { return x[i] >= kth })
	}
	if p.TopP > 0 {
		prob := softmax(x)
		keepIf(func(i int) bool {
			likelier := 0.0
			for _, q := range prob {
				if q > prob[i] {
					likelier += q
				}
			}
			return likelier < p.TopP
		})
	}
	if p.MinP > 0 {
		prob := softmax(x)
		keepIf(func(i int) bool { return prob[i] >= p.MinP*slices.Max(prob) })
	}
	return softmax(x)
}

// TestCombined has cases in which another order of the steps would give another distribution.
func TestCombined(t *testing.T) {
	// Alone they have the probabilities .11 .30 .07 .02 .50; the three likeliest among themselves .12 .33 .55.
	logits := []float32{1, 2, 0.5, -1, 2.5}
	for _, test := range []struct {
		name           string
		params         Params
		prompt, answer []int32
		kept           []int32 // tokens that are left, written down by hand
	}{
		{"top-p of what top-k left: 1", Params{Temperature: 1, TopK: 3, TopP: 0.53}, nil, nil, []int32{4}},
		{"top-p of what top-k left: 2", Params{Temperature: 1, TopK: 3, TopP: 0.85}, nil, nil, []int32{1, 4}},
		{"top-k of 1 and top-p", Params{Temperature: 1, TopK: 1, TopP: 0.9}, nil, nil, []int32{4}},
		// .50 and .30 reach .61. If min-p had left only these two, .62 would have reached it alone.
		{"min-p of what top-p left", Params{Temperature: 1, TopP: 0.61, MinP: 0.3}, nil, nil, []int32{1, 4}},
		{"top-k, top-p and min-p", Params{Temperature: 1, TopK: 4, TopP: 0.9, MinP: 0.3}, nil, nil, []int32{1, 4}},
		{"top-k, then min-p", Params{Temperature: 1, TopK: 2, MinP: 0.2}, nil, nil, []int32{1, 4}},
		// At temperature 2 the probabilities are .17 .28 .13 .06 .36.
		{"temperature, then top-p", Params{Temperature: 2, TopP: 0.7}, nil, nil, []int32{0, 1, 4}},
		{"temperature, then min-p", Params{Temperature: 2, MinP: 0.4}, nil, nil, []int32{0, 1, 4}},
		{"presence, then temperature", Params{Temperature: 2, PresencePenalty: 1.5}, nil, []int32{4}, []int32{0, 1, 2, 3, 4}},
		{"frequency, then temperature", Params{Temperature: 0.5, FrequencyPenalty: 0.5}, nil, []int32{4, 1, 4}, []int32{0, 1, 2, 3, 4}},
		{"bias, then temperature", Params{Temperature: 2, LogitBias: map[int32]float64{3: 3}}, nil, nil, []int32{0, 1, 2, 3, 4}},
		{"bias, then repetition", Params{Temperature: 1, RepetitionPenalty: 2, LogitBias: map[int32]float64{3: 4, 1: -4}}, []int32{3, 1}, nil, []int32{0, 1, 2, 3, 4}},
		{"repetition, then presence", Params{Temperature: 1, RepetitionPenalty: 2, PresencePenalty: 1.5}, []int32{0}, []int32{1}, []int32{0, 1, 2, 3, 4}},
		{"repetition, then frequency", Params{Temperature: 1, RepetitionPenalty: 2, FrequencyPenalty: 0.75}, nil, []int32{1, 1, 0}, []int32{0, 1, 2, 3, 4}},
		{"penalties, then top-k", Params{Temperature: 1, PresencePenalty: 3, TopK: 2}, nil, []int32{4}, []int32{0, 1}},
		{"repetition, then min-p", Params{Temperature: 1, RepetitionPenalty: 5, MinP: 0.9}, []int32{4}, nil, []int32{1}},
		{
			"all", Params{
				Temperature: 1.5, TopK: 4, TopP: 0.8, MinP: 0.35, RepetitionPenalty: 1.3, PresencePenalty: 0.4, FrequencyPenalty: 0.2,
				LogitBias: map[int32]float64{2: 1, 3: 2},
			}, []int32{0, 4}, []int32{1, 1, 3}, []int32{0, 2, 4},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := reference(test.params, test.prompt, test.answer, logits)
			for id, p := range want {
				if p > 0 != slices.Contains(test.kept, int32(id)) {
					t.Fatalf("the reference gives %.3f, want only %v above 0", want, test.kept)
				}
			}
			got := make([]float64, len(logits))
			const n = 12000
			for i := range n {
				test.params.Seed = new(uint64(i))
				s := New(test.params, test.prompt, nil)
				for _, id := range test.answer {
					sure := make([]float32, len(logits))
					sure[id] = 1e6
					if s.Next(sure) != id {
						t.Fatal("a token that is sure was not taken")
					}
				}
				got[s.Next(logits)] += 1.0 / n
			}
			for id := range want {
				if math.Abs(got[id]-want[id]) > 0.02 || want[id] == 0 && got[id] != 0 {
					t.Errorf("token %d: frequency %.3f, want %.3f", id, got[id], want[id])
				}
			}
		})
	}
}

// TestCut compares what is left of large vocabularies with the reference, which sorts everything.
func TestCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 3000).Draw(t, "vocab")
		spread := rapid.Float64Range(0.1, 8).Draw(t, "spread")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		logits := make([]float32, n)
		for i := range logits {
			logits[i] = float32(spread * random.NormFloat64())
		}
		p := Params{
			Temperature: rapid.Float64Range(0.3, 2).Draw(t, "temperature"),
			TopK:        rapid.IntRange(0, n+2).Draw(t, "top-k"),
			TopP:        rapid.Float64Range(0, 0.999).Draw(t, "top-p"),
			MinP:        rapid.SampledFrom([]float64{0, 0.01, 0.5}).Draw(t, "min-p"),
		}
		if p.TopK == 1 {
			p.TopK = 2 // no candidates are listed for 1
		}
		s := New(p, nil, nil)
		s.Next(logits)
		got := make([]bool, n)
		for _, c := range s.cands {
			got[c.id] = true
		}
		differ := 0
		for id, prob := range reference(p, nil, nil, logits) {
			if got[id] != (prob > 0) {
				differ++
			}
		}
		// Sums are rounded in another order, so one token may be on the other side of top-p.
		if differ > 1 {
			t.Errorf("%d tokens are left that should not be, or the other way round; %d are left of %d", differ, len(s.cands), n)
		}
	})
}

// TestTies asserts that of tokens with the same logit those that come first are kept.
func TestTies(t *testing.T) {
	logits := make([]float32, 101)
	for i := range logits {
		logits[i] = float32(i % 3)
	}
	s := New(Params{Temperature: 1, TopK: 40}, nil, nil)
	s.Next(logits)
	for i, c := range s.cands {
		want := int32(2 + 3*i) // 33 of them
		if i >= 33 {
			want = int32(1 + 3*(i-33))
		}
		if c.id != want {
			t.Fatalf("candidate %d is token %d, want %d", i, c.id, want)
		}
	}
}
