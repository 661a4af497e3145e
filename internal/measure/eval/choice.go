package eval

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"unicode/utf8"

	"jamba"
	"jamba/internal/measure/compare"
)

// together is how many questions are computed at a time.
const together = 16

// ChoiceRecord is what a model made of a question with choices.
type ChoiceRecord struct {
	LogLikelihoods []float64 `json:"log_likelihoods"` // of the choices, in nats
	Greedy         []bool    `json:"greedy"`          // each of its tokens was the most likely one
	Lengths        []int     `json:"lengths"`         // in characters
	Answer         int       `json:"answer"`
	Group          string    `json:"group,omitempty"`
}

// Choice asks the questions that the journal lacks. What they have in common is computed once.
func Choice(ctx context.Context, m *jamba.Model, q *Questions, j *Journal[ChoiceRecord], progress func(done, total int)) error {
	return j.Each(ctx, q.Settings.Questions, together, func(ctx context.Context, item int) (ChoiceRecord, error) {
		a, err := q.ask(item)
		if err != nil {
			return ChoiceRecord{}, err
		}
		n := len(a.choices)
		r := ChoiceRecord{LogLikelihoods: make([]float64, n), Greedy: make([]bool, n), Lengths: make([]int, n), Answer: a.answer, Group: a.group}
		var all sync.WaitGroup
		errs := make([]error, n)
		for i := range n {
			r.Lengths[i] = utf8.RuneCountInString(a.choices[i])
			all.Go(func() {
				r.LogLikelihoods[i], r.Greedy[i], errs[i] = logLikelihood(ctx, m, q.Settings.BOS, a.contexts[i%len(a.contexts)], a.continuations[i])
			})
		}
		all.Wait()
		for _, err := range errs {
			if err != nil {
				return r, fmt.Errorf("%s: %w", q.Rows[item].Place, err)
			}
		}
		return r, nil
	}, progress)
}

// logLikelihood returns the logarithm of the probability of a continuation, and whether each of its tokens is the most likely one.
func logLikelihood(ctx context.Context, m *jamba.Model, bos bool, context, continuation string) (sum float64, greedy bool, err error) {
	ids, from, err := pair(m.Text(), bos, context, continuation)
	if err != nil {
		return 0, false, err
	}
	greedy = true
	for p, err := range m.GenerateIDs(ctx, ids, jamba.Options{MaxTokens: -1, ScorePrompt: true, ScoreFrom: from, TopTokens: 1}) {
		if err != nil {
			return 0, false, err
		}
		for _, s := range p.Prompt {
			sum += s.Logprob.Logprob
			greedy = greedy && s.Top[0].ID == s.Logprob.ID
		}
	}
	return sum, greedy, nil
}

// Accuracy is a share of right answers.
type Accuracy struct {
	compare.Share
	StandardError float64 `json:"standard_error"`
}

func accuracy(right, of int) Accuracy {
	a := Accuracy{Share: compare.Wilson(right, of)}
	if of > 1 {
		p := float64(right) / float64(of)
		a.StandardError = math.Sqrt(p * (1 - p) / float64(of-1))
	}
	return a
}

// ChoiceScore is how many questions were answered right: by the likeliest choice, and by the likeliest for its length.
type ChoiceScore struct {
	Questions int      `json:"questions"`
	Acc       Accuracy `json:"acc"`
	AccNorm   Accuracy `json:"acc_norm"`
}

// ChoiceSummary is the score of all questions and of each group.
type ChoiceSummary struct {
	ChoiceScore
	Groups map[string]ChoiceScore `json:"groups,omitempty"`
}

// SummariseChoice sums up the records of questions with choices.
func SummariseChoice(records []ChoiceRecord) any {
	s := ChoiceSummary{ChoiceScore: scoreChoice(records)}
	for name, group := range grouped(records, func(r ChoiceRecord) string { return r.Group }) {
		if s.Groups == nil {
			s.Groups = map[string]ChoiceScore{}
		}
		s.Groups[name] = scoreChoice(group)
	}
	return s
}

// grouped returns the records of each group that has a name.
func grouped[R any](records []R, group func(R) string) map[string][]R {
	all := map[string][]R{}
	for _, r := range records {
		all[group(r)] = append(all[group(r)], r)
	}
	delete(all, "")
	return all
}

func scoreChoice(records []ChoiceRecord) ChoiceScore {
	right, norm := 0, 0
	for _, r := range records {
		best, bestNorm := 0, 0
		by := func(i int) float64 { return r.LogLikelihoods[i] / max(1, float64(r.Lengths[i])) }
		for i := range r.LogLikelihoods {
			if r.LogLikelihoods[i] > r.LogLikelihoods[best] {
				best = i
			}
			if by(i) > by(bestNorm) {
				bestNorm = i
			}
		}
		if best == r.Answer {
			right++
		}
		if bestNorm == r.Answer {
			norm++
		}
	}
	if len(records) == 0 {
		return ChoiceScore{}
	}
	return ChoiceScore{len(records), accuracy(right, len(records)), accuracy(norm, len(records))}
}

// GroupNames returns the names of groups in order.
func GroupNames[S any](groups map[string]S) []string { return slices.Sorted(maps.Keys(groups)) }
