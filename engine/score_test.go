package engine

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"jamba/checkpoint"
	"jamba/internal/testutil"
)

// TestScorePrompt compares the log-probabilities of prompts with those that the reference's logits give, however the prompts are
// cut, and with others at the same time. A scored prompt is computed whole although its beginning is known.
func TestScorePrompt(t *testing.T) {
	dir := testutil.Golden("models", "jamba-v01-mini")
	m, err := checkpoint.OpenModel(dir, checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	file := testutil.OpenTensors(t, dir+"/golden.safetensors")
	ids, _ := file.Ints("input_ids")
	logits, shape := file.Floats("logits")
	vocab := shape[len(shape)-1]
	for _, chunk := range []int{1, 3, 512} {
		e := ForModel(m, Options{Chunk: chunk})
		defer e.Close()
		if _, _, _, err := collect(t, e, Request{Prompt: ids, MaxTokens: 2}); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for _, answer := range []int{-1, 1, 4} {
			all.Go(func() {
				var scores []Score
				pieces := 0
				for p, err := range e.Generate(context.Background(), Request{Prompt: ids, MaxTokens: answer, ScorePrompt: true, TopTokens: 3, Text: spell{}}) {
					if err != nil {
						t.Error(err)
						return
					}
					if pieces++; pieces > 1 && p.Prompt != nil {
						t.Error("a later piece has the prompt's scores")
					}
					scores = append(scores, p.Prompt...)
					if p.Stats != nil && (p.Stats.AnswerTokens != max(answer, 0) || p.Stats.ReusedTokens != 0 || p.Finish != FinishLength) {
						t.Errorf("stats %+v, finish %s", p.Stats, p.Finish)
					}
				}
				if len(scores) != len(ids)-1 || pieces != max(answer, 0)+1 {
					t.Errorf("chunk %d: %d scores of %d tokens, %d pieces", chunk, len(scores), len(ids), pieces)
				}
				for i, s := range scores {
					row := logits[i*vocab : (i+1)*vocab]
					total, best := 0.0, 0
					for j, v := range row {
						total += math.Exp(float64(v))
						if v > row[best] {
							best = j
						}
					}
					want := float64(row[ids[i+1]]) - math.Log(total)
					if s.Logprob.ID != ids[i+1] || math.Abs(s.Logprob.Logprob-want) > 1e-4 || len(s.Top) != 3 || s.Top[0].ID != int32(best) {
						t.Errorf("chunk %d, token %d: %+v, want %v, best %d", chunk, i+1, s, want, best)
					}
				}
			})
		}
		all.Wait()
	}
}

// TestScoreFrom scores the ends of prompts that begin alike: the beginning is computed once, and the scores are those of the whole prompt.
func TestScoreFrom(t *testing.T) {
	m, prompt, _ := open(t)
	prompt = slices.Concat(prompt, prompt, prompt, prompt, prompt)
	from := len(prompt) - 4
	want := map[int32][]Score{}
	score := func(e *Engine, last int32, from int) (scores []Score, reused int) {
		ids := append(slices.Clone(prompt), last)
		for p, err := range e.Generate(context.Background(), Request{Prompt: ids, MaxTokens: -1, ScorePrompt: true, ScoreFrom: from, Text: spell{}}) {
			if err != nil {
				t.Error(err)
				return nil, 0
			}
			scores, reused = append(scores, p.Prompt...), p.Stats.ReusedTokens
		}
		return scores, reused
	}
	e := ForModel(m, Options{})
	for last := range int32(6) {
		var reused int
		if want[last], reused = score(e, last, 0); reused > 0 {
			t.Errorf("%d tokens of a prompt that is scored whole were reused", reused)
		}
	}
	e.Close()
	e = ForModel(m, Options{})
	defer e.Close()
	var all sync.WaitGroup
	var total atomic.Int64
	for last := range int32(6) {
		all.Go(func() {
			scores, reused := score(e, last, from)
			total.Add(int64(reused))
			if !slices.EqualFunc(scores, want[last][from-1:], func(a, b Score) bool { return a.Logprob == b.Logprob }) {
				t.Errorf("%v, want %v", scores, want[last][from-1:])
			}
		})
	}
	all.Wait()
	if n := total.Load(); n != int64(5*(from-1)) {
		t.Errorf("%d tokens were reused, want all %d before the scored ones by 5 of 6 prompts", n, from-1)
	}
	// A token further on goes on from there, too; what was scored is not kept.
	if _, reused := score(e, 7, from+2); reused != from-1 {
		t.Errorf("%d tokens were reused, want %d", reused, from-1)
	}
}

// TestNoAnswer fills the cache with a prompt that is not answered, which may be as long as the context.
func TestNoAnswer(t *testing.T) {
	m, prompt, _ := open(t)
	e := ForModel(m, Options{})
	defer e.Close()
	ids, text, last, err := collect(t, e, Request{Prompt: prompt, MaxTokens: -1})
	if err != nil || len(ids) != 0 || text != "." || last.Stats.AnswerTokens != 0 || last.Finish != FinishLength {
		t.Fatalf("%v %q %+v %v", ids, text, last, err)
	}
	if _, _, last, err = collect(t, e, Request{Prompt: prompt, MaxTokens: 1}); err != nil || last.Stats.ReusedTokens != len(prompt)-1 {
		t.Errorf("stats %+v, error %v: the prompt was not kept", last.Stats, err)
	}
}
