package engine

import (
	"context"
	"math"
	"sync"
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
