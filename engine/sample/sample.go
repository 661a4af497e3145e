// Package sample picks the next token from logits.
package sample

import (
	"cmp"
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Params say how tokens are picked. The zero value picks the most likely token.
//
// They apply in the order of the reference: LogitBias and penalties, then Temperature, TopK, TopP and MinP.
type Params struct {
	Temperature float64 // 0: the most likely token (greedy)
	TopK        int     // keep the k most likely tokens; 0, or -1 as other programs say: all
	TopP        float64 // keep the fewest tokens whose probabilities sum to p (Holtzman et al. 2020); 0 or 1: all
	MinP        float64 // keep tokens at least p times as likely as the likeliest (Nguyen et al. 2024); 0: all

	RepetitionPenalty float64           // divides positive logits of tokens seen in prompt or answer, multiplies negative ones (Keskar et al. 2019); 0 or 1: none
	PresencePenalty   float64           // subtracted from logits of tokens in the answer, once
	FrequencyPenalty  float64           // subtracted from them as often as they occurred
	LogitBias         map[int32]float64 // added to logits

	Seed *uint64 // the same seed and logits give the same tokens; nil: another one each time
}

// Validate reports the first setting that is out of range, by its name on the command line.
func (p Params) Validate() error {
	check := func(name string, v, lo, hi float64) error {
		if !(v >= lo && v <= hi) {
			return fmt.Errorf("%s is %v, want %v to %v", name, v, lo, hi)
		}
		return nil
	}
	if p.TopK < -1 {
		return fmt.Errorf("top-k is %d, want 0 or more, or -1 for all", p.TopK)
	}
	for id, b := range p.LogitBias {
		if math.IsNaN(b) || math.IsInf(b, 0) {
			return fmt.Errorf("logit-bias of token %d is %v, want a finite number", id, b)
		}
	}
	return cmp.Or(
		check("temperature", p.Temperature, 0, 100),
		check("top-p", p.TopP, 0, 1),
		check("min-p", p.MinP, 0, 1),
		check("repetition-penalty", p.RepetitionPenalty, 0, 100),
		check("presence-penalty", p.PresencePenalty, -100, 100),
		check("frequency-penalty", p.FrequencyPenalty, -100, 100),
	)
}

// Sampler picks the tokens of one sequence. It is not safe for concurrent use.
type Sampler struct {
	params   Params
	padded   []int32 // ids that are never picked
	random   *rand.Rand
	prompt   map[int32]bool // the tokens in the prompt, if they matter
	answered map[int32]int  // how often in the answer
	cands    candidates
	logits   []float32
}

type candidate struct {
	id int32
	p  float64 // logit, then unnormalised probability
}

// New returns a sampler for a sequence that begins with prompt. The ids in padded, rows that only fill up the
// vocabulary, are never picked.
func New(p Params, prompt, padded []int32) *Sampler {
	seed := rand.Uint64()
	if p.Seed != nil {
		seed = *p.Seed
	}
	s := &Sampler{params: p, padded: padded, random: rand.New(rand.NewPCG(seed, 0x6a616d6261)), prompt: map[int32]bool{}, answered: map[int32]int{}}
	if p.repeats() {
		for _, id := range prompt {
			s.prompt[id] = true
		}
	}
	return s
}

// repeats reports whether there is a penalty for what the prompt has.
func (p *Params) repeats() bool { return p.RepetitionPenalty != 0 && p.RepetitionPenalty != 1 }

// Next picks a token and counts it as part of the answer. logits [vocab] are not changed.
func (s *Sampler) Next(logits []float32) int32 {
	id := s.pick(s.penalise(logits))
	s.Accept(id)
	return id
}

// Accept counts a token that was not picked as part of the answer.
func (s *Sampler) Accept(id int32) { s.answered[id]++ }

// TakeBack counts tokens as no longer part of the answer.
func (s *Sampler) TakeBack(ids []int32) {
	for _, id := range ids {
		if s.answered[id]--; s.answered[id] == 0 {
			delete(s.answered, id)
		}
	}
}

// penalise returns logits with the biases and penalties that are set.
func (s *Sampler) penalise(logits []float32) []float32 {
	p := s.params
	if !p.repeats() && p.PresencePenalty == 0 && p.FrequencyPenalty == 0 && len(p.LogitBias) == 0 && len(s.padded) == 0 {
		return logits
	}
	s.logits = append(s.logits[:0], logits...)
	at := func(id int32) bool { return id >= 0 && int(id) < len(logits) }
	for id, b := range p.LogitBias {
		if at(id) {
			s.logits[id] += float32(b)
		}
	}
	if p.repeats() {
		penalise := func(id int32) {
			switch {
			case !at(id):
			case s.logits[id] > 0:
				s.logits[id] /= float32(p.RepetitionPenalty)
			default:
				s.logits[id] *= float32(p.RepetitionPenalty)
			}
		}
		for id := range s.prompt {
			penalise(id)
		}
		for id := range s.answered {
			if !s.prompt[id] {
				penalise(id)
			}
		}
	}
	for id, n := range s.answered {
		if at(id) {
			s.logits[id] -= float32(p.PresencePenalty + float64(n)*p.FrequencyPenalty)
		}
	}
	for _, id := range s.padded {
		if at(id) {
			s.logits[id] = float32(math.Inf(-1))
		}
	}
	return s.logits
}

func (s *Sampler) pick(logits []float32) int32 {
	p := s.params
	if p.Temperature == 0 || p.TopK == 1 {
		return argmax(logits)
	}
	s.candidates(logits)
	if p.TopP > 0 && p.TopP < 1 {
		s.nucleus(p.TopP)
	}
	if p.MinP > 0 {
		// The likeliest token has 1, whatever was cut away.
		s.cands = slices.DeleteFunc(s.cands, func(c candidate) bool { return c.p < p.MinP })
	}
	x := s.random.Float64() * sum(s.cands)
	for _, c := range s.cands {
		if x -= c.p; x < 0 {
			return c.id
		}
	}
	return s.cands[len(s.cands)-1].id // x was rounded up
}

// candidates fills cands with the tokens that TopK leaves, and their probabilities as multiples of the likeliest one's.
func (s *Sampler) candidates(logits []float32) {
	s.cands = s.cands[:0]
	for id, v := range logits {
		c := candidate{int32(id), float64(v)}
		switch n := s.params.TopK; {
		case n <= 0 || len(s.cands) < n:
			if s.cands = append(s.cands, c); len(s.cands) == n {
				heap.Init(&s.cands)
			}
		case c.p > s.cands[0].p: // a later token with the same logit is left out
			s.cands[0] = c
			heap.Fix(&s.cands, 0)
		}
	}
	top := float64(logits[argmax(logits)])
	for i := range s.cands {
		s.cands[i].p = math.Exp((s.cands[i].p - top) / s.params.Temperature)
	}
	if s.params.TopK > 0 {
		s.cands.sort()
	}
}

// nucleus keeps the fewest candidates whose probabilities sum to the share of all.
func (s *Sampler) nucleus(share float64) {
	total := sum(s.cands)
	// Those below the average of what may be left out are not needed, even all together. Sorting the rest is quick.
	few := (1 - share) * total / float64(len(s.cands))
	s.cands = slices.DeleteFunc(s.cands, func(c candidate) bool { return c.p < few })
	s.cands.sort()
	kept := 0.0
	for i, c := range s.cands {
		if kept += c.p; kept >= share*total {
			s.cands = s.cands[:i+1]
			break
		}
	}
}

// candidates are a heap with the least likely token first; of two that are equally likely, the later one.
type candidates []candidate

func (c candidates) Len() int           { return len(c) }
func (c candidates) Less(i, j int) bool { return likelier(c[j], c[i]) < 0 }
func (c candidates) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }
func (c candidates) Push(any)           { panic("a heap of fixed size") }
func (c candidates) Pop() any           { panic("a heap of fixed size") }

// sort puts the likeliest first. Ties go to the lower id, so that picks do not depend on the sorting.
func (c candidates) sort() { slices.SortFunc(c, likelier) }

func likelier(a, b candidate) int { return cmp.Or(cmp.Compare(b.p, a.p), cmp.Compare(a.id, b.id)) }

func sum(cands []candidate) float64 {
	total := 0.0
	for _, c := range cands {
		total += c.p
	}
	return total
}

// argmax returns the index of the largest value, the first of several.
func argmax(x []float32) int32 {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return int32(best)
}
