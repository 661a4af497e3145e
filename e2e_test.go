package jamba_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"jamba"
	"jamba/checkpoint"
	"jamba/engine/sample"
	"jamba/internal/testutil"
	"jamba/model"
)

// The tests in this file repeat what lm-evaluation-harness computed with the reference (testdata/goldens/e2e).

func openE2E(t testing.TB) *jamba.Model {
	t.Helper()
	m, err := jamba.OpenWith(testutil.Golden("e2e", "model"), jamba.OpenOptions{Options: checkpoint.Options{Precision: model.Exact}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

type expected struct {
	Tasks struct {
		MC []struct {
			Loglikelihoods []float64
			IsGreedy       []bool `json:"is_greedy"`
		} `json:"jm_mc"`
		PPL []struct{ Loglikelihood float64 } `json:"jm_ppl"`
		Gen []struct{ Text string }           `json:"jm_gen"`
	}
}

// loglikelihood returns the logarithm of the probability of ids[from:] after ids[:from], and whether each of them was
// the most likely token.
func loglikelihood(t *testing.T, m *jamba.Model, ids []int32, from int) (sum float64, greedy bool) {
	t.Helper()
	logits, err := m.Network().NewPass().Logits(context.Background(), model.Span{State: m.Network().NewState(), Tokens: ids[:len(ids)-1], Want: model.AllLogits})
	if err != nil {
		t.Fatal(err)
	}
	vocab := m.Network().Config.VocabSize
	greedy = true
	for i := from; i < len(ids); i++ {
		row := logits[(i-1)*vocab : i*vocab]
		chosen, top := sample.Logprobs(row, ids[i], 1, nil)
		sum += chosen.Logprob
		greedy = greedy && top[0].ID == ids[i]
	}
	return sum, greedy
}

func TestLMEvalMultipleChoice(t *testing.T) {
	testutil.SkipRace(t, "the network alone computes, whose tests share as much")
	m := openE2E(t)
	want := testutil.JSON[expected](t, testutil.Golden("e2e", "expected.json")).Tasks.MC
	docs := testutil.JSONLines[struct {
		Question string
		Choices  []string
	}](t, testutil.Golden("e2e", "tasks", "mc.jsonl"))
	if len(docs) != len(want) {
		t.Fatalf("%d questions, %d answers", len(docs), len(want))
	}
	for i, doc := range docs {
		question := "Question: " + doc.Question + "\nAnswer:"
		from := len(tokens(t, m, question))
		for j, choice := range doc.Choices {
			sum, greedy := loglikelihood(t, m, tokens(t, m, question+" "+choice), from)
			if math.Abs(sum-want[i].Loglikelihoods[j]) > 1e-3 || greedy != want[i].IsGreedy[j] {
				t.Errorf("question %d choice %d: %v, %v; want %v, %v", i, j, sum, greedy, want[i].Loglikelihoods[j], want[i].IsGreedy[j])
			}
		}
	}
}

// tokens are the ids of text, without special ones.
func tokens(t *testing.T, m *jamba.Model, text string) []int32 {
	t.Helper()
	ids, err := m.Text().Tokenizer.Encode(text, false)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestLMEvalRolling(t *testing.T) {
	testutil.SkipRace(t, "the network alone computes, whose tests share as much")
	m := openE2E(t)
	want := testutil.JSON[expected](t, testutil.Golden("e2e", "expected.json")).Tasks.PPL
	bos, _ := m.Text().Tokenizer.BOS()
	for i, doc := range testutil.JSONLines[struct{ Text string }](t, testutil.Golden("e2e", "tasks", "docs.jsonl")) {
		ids := append([]int32{bos}, tokens(t, m, doc.Text)...)
		if sum, _ := loglikelihood(t, m, ids, 1); math.Abs(sum-want[i].Loglikelihood) > 1e-3 {
			t.Errorf("document %d: %v, want %v", i, sum, want[i].Loglikelihood)
		}
	}
}

func TestLMEvalGenerate(t *testing.T) {
	m := openE2E(t)
	want := testutil.JSON[expected](t, testutil.Golden("e2e", "expected.json")).Tasks.Gen
	for i, doc := range testutil.JSONLines[struct{ Prompt string }](t, testutil.Golden("e2e", "tasks", "gen.jsonl")) {
		// The harness adds no token in front, and the model's own default would.
		got := generate(t, m, tokens(t, m, doc.Prompt), 24, "\n\n", "Question:")
		if got != want[i].Text {
			t.Errorf("prompt %d: %q, want %q", i, got, want[i].Text)
		}
	}
}

// generate continues ids with the most likely tokens.
func generate(t *testing.T, m *jamba.Model, ids []int32, n int, stop ...string) string {
	t.Helper()
	p, s, next, answer := m.Network().NewPass(), m.Network().NewState(), ids, []int32{}
	for range n {
		logits, err := p.Logits(context.Background(), model.Span{State: s, Tokens: next})
		if err != nil {
			t.Fatal(err)
		}
		id := int32(slices.Index(logits, slices.Max(logits)))
		if eos, _ := m.Text().Tokenizer.EOS(); id == eos {
			break
		}
		answer, next = append(answer, id), []int32{id}
	}
	text := m.Text().Tokenizer.Decode(answer, true)
	for _, s := range stop {
		text, _, _ = strings.Cut(text, s)
	}
	return text
}

func TestLMEvalRequests(t *testing.T) {
	m := openE2E(t)
	type body struct {
		Prompt    any
		MaxTokens int `json:"max_tokens"`
		Echo      bool
		Stop      []string
		Messages  []jamba.Message
	}
	for i, r := range testutil.JSON[[]struct {
		Body     body
		Response struct {
			Choices []struct {
				Text     string
				Message  struct{ Content string }
				Logprobs struct {
					TokenLogprobs []*float64           `json:"token_logprobs"`
					TopLogprobs   []map[string]float64 `json:"top_logprobs"`
				}
			}
		}
	}](t, testutil.Golden("e2e", "lm_eval_requests.json")) {
		want := r.Response.Choices[0]
		var ids []int32
		switch p := r.Body.Prompt.(type) {
		case string:
			ids = tokens(t, m, p)
		case []any:
			for _, id := range p[0].([]any) {
				ids = append(ids, int32(id.(float64)))
			}
		}
		switch {
		case r.Body.Messages != nil:
			got := ""
			for p, err := range m.Chat(context.Background(), r.Body.Messages, jamba.Options{MaxTokens: r.Body.MaxTokens, Stop: r.Body.Stop}) {
				if err != nil {
					t.Fatal(err)
				}
				got += p.Text
			}
			if got != want.Message.Content {
				t.Errorf("request %d: %q, want %q", i, got, want.Message.Content)
			}
		case r.Body.Echo:
			for j, v := range want.Logprobs.TokenLogprobs[:len(ids)] {
				if j == 0 {
					continue
				}
				if got, _ := loglikelihood(t, m, ids[:j+1], j); math.Abs(got-*v) > 1e-3 {
					t.Errorf("request %d token %d: %v, want %v", i, j, got, *v)
				}
			}
		default:
			if got := generate(t, m, ids, r.Body.MaxTokens, r.Body.Stop...); got != want.Text {
				t.Errorf("request %d: %q, want %q", i, got, want.Text)
			}
		}
	}
}
