package eval

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"jamba/checkpoint"
	"jamba/internal/measure/compare"
	"jamba/internal/testutil"
	"jamba/model"
	"jamba/text"
	"jamba/train/data"
)

func openE2E(t *testing.T, p model.Precision) *model.Model {
	t.Helper()
	m, err := checkpoint.OpenModel(testutil.Golden("e2e", "model"), checkpoint.Options{Precision: p})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func openText(t *testing.T) *text.Text {
	t.Helper()
	own, err := text.Open(testutil.Golden("e2e", "model"))
	if err != nil {
		t.Fatal(err)
	}
	return own
}

// journal opens a journal without a file, or with one.
func journal(t *testing.T, path string) *Journal[WindowRecord] {
	t.Helper()
	j, err := OpenJournal(path, Head{Evaluation: "perplexity"}, SummariseText)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// TestLMEvalRolling compares with what lm-evaluation-harness has of the same model and documents.
func TestLMEvalRolling(t *testing.T) {
	own, m := openText(t), openE2E(t, model.Exact)
	want := testutil.JSON[struct {
		Tasks struct {
			PPL []struct{ Loglikelihood float64 } `json:"jm_ppl"`
		}
		Results map[string]map[string]float64
	}](t, testutil.Golden("e2e", "expected.json"))
	bos, _ := own.Tokenizer.BOS()
	windows, err := Texts(&data.Sources{Paths: []string{testutil.Golden("e2e", "tasks", "docs.jsonl")}}, own,
		&TextSettings{Window: 2048, Stride: 2047, Score: ScoreAll, Prefix: &bos})
	if err != nil {
		t.Fatal(err)
	}
	j := journal(t, "")
	if err := Perplexity(context.Background(), compare.Model(m), nil, windows, j, nil); err != nil {
		t.Fatal(err)
	}
	records := j.Records()
	if len(records) != len(want.Tasks.PPL) {
		t.Fatalf("%d records of %d documents", len(records), len(want.Tasks.PPL))
	}
	for i, r := range records {
		if math.Abs(r.LogProb.Sum-want.Tasks.PPL[i].Loglikelihood) > 1e-3 {
			t.Errorf("document %d: %v, want %v", i, r.LogProb.Sum, want.Tasks.PPL[i].Loglikelihood)
		}
	}
	if got := SummariseText(records).(TextSummary).BitsPerByte; math.Abs(got-want.Results["jm_ppl"]["bits_per_byte,none"]) > 1e-6 {
		t.Errorf("%v bits a byte, want %v", got, want.Results["jm_ppl"])
	}
}

// TestLlamaPerplexity compares with what llama-perplexity (llama.cpp 0c1e57098, --ctx-size 512) says of the licence, if
// scripts/fetch-smollm2 has brought the model.
func TestLlamaPerplexity(t *testing.T) {
	const path, want = "../../../models/SmolLM2-135M-Instruct.Q4_1.gguf", 15.9411
	if _, err := os.Stat(path); err != nil {
		t.Skip("run scripts/fetch-smollm2 for this test")
	}
	m, err := checkpoint.OpenModel(path, checkpoint.Options{Precision: model.Fast})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	own, err := text.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	windows, err := Texts(&data.Sources{Paths: []string{"../../../LICENSE"}, PlainText: true}, own, &TextSettings{Window: 512, Score: ScoreSecondHalf})
	if err != nil {
		t.Fatal(err)
	}
	j := journal(t, "")
	if err := Perplexity(context.Background(), compare.Model(m), nil, windows, j, nil); err != nil {
		t.Fatal(err)
	}
	if got := SummariseText(j.Records()).(TextSummary); math.Abs(got.Perplexity/want-1) > 5e-3 || got.Tokens != 4*255 {
		t.Errorf("%+v, want %v", got, want)
	}
}

// TestCut: each token but the first is predicted once, by as many tokens before it as the stride leaves.
func TestCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, size := rapid.IntRange(0, 60).Draw(t, "tokens"), rapid.IntRange(2, 20).Draw(t, "window")
		stride := rapid.IntRange(1, size-1).Draw(t, "stride")
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = int32(i)
		}
		next := 1
		for _, w := range Cut(ids, size, stride) {
			if len(w.IDs) > size || w.From < min(next, size-stride) {
				t.Fatalf("window %v predicts from %d on", w.IDs, w.From)
			}
			for i, id := range w.IDs {
				if i > 0 && id != w.IDs[i-1]+1 {
					t.Fatalf("window %v", w.IDs)
				}
				if i >= w.From {
					if int(id) != next {
						t.Fatalf("token %d is predicted, want %d", id, next)
					}
					next++
				}
			}
		}
		if next != max(n, 1) {
			t.Fatalf("tokens up to %d of %d are predicted", next, n)
		}
	})
}

// TestCutHalves: llama-perplexity takes the logits of the positions from n/2 to n-2 of each whole window of n tokens, and puts the
// token that begins texts in the place of the first.
func TestCutHalves(t *testing.T) {
	ids := []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}
	first := int32(99)
	for _, test := range []struct {
		size  int
		first *int32
		want  []Window
	}{
		{6, nil, []Window{{IDs: []int32{0, 1, 2, 3, 4, 5}, From: 4}, {IDs: []int32{6, 7, 8, 9, 10, 11}, From: 4}}},
		{5, &first, []Window{{IDs: []int32{99, 1, 2, 3, 4}, From: 3}, {IDs: []int32{99, 6, 7, 8, 9}, From: 3}}},
		{15, nil, nil},
	} {
		if diff := cmp.Diff(test.want, CutHalves(ids, test.size, test.first)); diff != "" {
			t.Errorf("windows of %d (-want +got):\n%s", test.size, diff)
		}
	}
	if ids[0] != 0 {
		t.Error("the text was changed")
	}
}

// TestWindows compares log-probabilities and divergences of windows with those that follow from the logits of a pass for each
// predicted token.
func TestWindows(t *testing.T) {
	m, reference := openE2E(t, model.Fast), openE2E(t, model.Exact)
	ids := []int32{1, 17, 300, 44, 512, 7, 7, 1200, 33, 9, 2000, 5}
	windows := Cut(ids, 6, 4)
	alone, both := journal(t, ""), journal(t, "")
	if err := Perplexity(context.Background(), compare.Model(m), nil, windows, alone, nil); err != nil {
		t.Fatal(err)
	}
	if err := Perplexity(context.Background(), compare.Model(m), compare.Model(reference), windows, both, nil); err != nil {
		t.Fatal(err)
	}
	for i, w := range windows {
		var sum, kl, most float64
		same := 0
		for at := w.From; at < len(w.IDs); at++ {
			p, q := probabilities(t, reference, w.IDs[:at]), probabilities(t, m, w.IDs[:at])
			sum += math.Log(q[w.IDs[at]])
			own, top, otherTop := 0.0, 0, 0
			for i := range p {
				own += p[i] * math.Log(p[i]/q[i])
				if p[i] > p[top] {
					top = i
				}
				if q[i] > q[otherTop] {
					otherTop = i
				}
			}
			kl, most = kl+own, max(most, own)
			if top == otherTop {
				same++
			}
		}
		a, b := alone.Records()[i], both.Records()[i]
		d := b.Divergence
		if math.Abs(a.LogProb.Sum-sum) > 1e-9 || a.LogProb.N != len(w.IDs)-w.From || !closeTo(a.LogProb, b.LogProb) {
			t.Errorf("window %d: %+v and %+v, want a sum of %v", i, a, b, sum)
		}
		if d == nil || math.Abs(d.KL.Sum-kl) > 1e-9 || math.Abs(d.MaxKL-most) > 1e-9 || d.SameTop != same || math.Abs(d.Change.Sum-(b.LogProb.Sum-d.LogProb.Sum)) > 1e-9 {
			t.Errorf("window %d: %+v, want KL %v, at most %v, the same %d", i, d, kl, most, same)
		}
	}
}

func closeTo(a, b compare.Moments) bool {
	return a.N == b.N && math.Abs(a.Sum-b.Sum) < 1e-9 && math.Abs(a.Squares-b.Squares) < 1e-8
}

// probabilities returns the distribution of the token after ids.
func probabilities(t *testing.T, m *model.Model, ids []int32) []float64 {
	t.Helper()
	logits, err := m.NewPass().Logits(context.Background(), model.Span{State: m.NewState(), Tokens: ids})
	if err != nil {
		t.Fatal(err)
	}
	p, sum := make([]float64, len(logits)), 0.0
	for i, v := range logits {
		p[i] = math.Exp(float64(v))
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// TestResume: what was interrupted after any number of windows goes on to the same records and the same summary.
func TestResume(t *testing.T) {
	m := openE2E(t, model.Exact)
	ids := make([]int32, 40)
	for i := range ids {
		ids[i] = int32(i * 37 % 4000)
	}
	windows := Cut(ids, 8, 4)
	whole := journal(t, filepath.Join(t.TempDir(), "whole.json"))
	if err := Perplexity(context.Background(), compare.Model(m), nil, windows, whole, nil); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "result.json")
	for stop := 3; ; stop += 2 {
		j := journal(t, path)
		ctx, cancel := context.WithCancel(context.Background())
		err := Perplexity(ctx, compare.Model(m), nil, windows, j, func(int64, int64) {
			if j.Done() >= stop {
				cancel()
			}
		})
		cancel()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) || stop > len(windows) {
			t.Fatal(err)
		}
		if j.Head.Ended != nil {
			t.Error("an interrupted result has ended")
		}
	}
	got := journal(t, path)
	if diff := cmp.Diff(whole.Records(), got.Records()); diff != "" {
		t.Errorf("records (-whole +resumed):\n%s", diff)
	}
	if diff := cmp.Diff(whole.Result().Summary, got.Result().Summary); diff != "" || got.Head.Ended == nil {
		t.Errorf("ended %v, summary (-whole +resumed):\n%s", got.Head.Ended, diff)
	}
}

// TestJournalOfOthers: a result goes on with the same model, data, settings and versions alone, and the error names what differs.
func TestJournalOfOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "result.json")
	head := Head{Evaluation: "perplexity", Model: Model{Name: "a", Hash: "1"}, Data: []DataFile{{"x", "2"}}, Settings: TextSettings{Window: 8}}
	if _, err := OpenJournal(path, head, SummariseText); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Head){
		"":                           func(*Head) {},
		"model.hash":                 func(h *Head) { h.Model.Hash = "3" },
		"settings.window":            func(h *Head) { h.Settings = TextSettings{Window: 9} },
		"settings.prefix":            func(h *Head) { h.Settings = TextSettings{Window: 8, Prefix: new(int32)} },
		"reference":                  func(h *Head) { h.Reference = &Model{} },
		"data":                       func(h *Head) { h.Data = []DataFile{{"x", "4"}} },
		"evaluation, versions.jamba": func(h *Head) { h.Evaluation, h.Versions.Jamba = "choice", "2" },
	} {
		other := head
		change(&other)
		_, err := OpenJournal(path, other, SummariseText)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), "differs in "+want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	for _, content := range []string{"", "{", "[1]", "{}", `{"evaluation": 3}`, "some text"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenJournal(path, head, SummariseText); err == nil || !strings.Contains(err.Error(), "no result of an evaluation") {
			t.Errorf("%q: error %v", content, err)
		}
		if b, _ := os.ReadFile(path); string(b) != content {
			t.Errorf("%q was overwritten", content)
		}
	}
}

// TestTexts asserts what cannot be predicted, and how bytes are counted.
func TestTexts(t *testing.T) {
	own := openText(t)
	bos, _ := own.Tokenizer.BOS()
	for _, test := range []struct {
		name, content string
		settings      TextSettings
		want          string
	}{
		{"a.txt", "The house, 中文 and naïve.", TextSettings{Window: 6, Stride: 3, Score: ScoreAll, Prefix: &bos}, "29 bytes"},
		{"a.txt", "The house.", TextSettings{Window: 6, Stride: 3, Score: ScoreAll}, "7 bytes"},
		{"a.jsonl", `{"input_ids": [5, 6, 7]}`, TextSettings{Window: 6, Stride: 3, Score: ScoreAll, Prefix: &bos}, fmt.Sprint(len(own.Tokenizer.TokenBytes(6))+len(own.Tokenizer.TokenBytes(7)), " bytes")},
		{"a.jsonl", "{\"text\": \"a\"}\n{\"text\": 3}", TextSettings{Window: 6, Stride: 3, Score: ScoreAll}, "a.jsonl:2: text: found a JSON number, want a string"},
		{"a.jsonl", `{"messages": [{"role": "user", "content": "x"}]}`, TextSettings{Window: 6, Stride: 3, Score: ScoreAll}, "a.jsonl:1: is a conversation"},
		{"a.txt", "Short.", TextSettings{Window: 512, Score: ScoreSecondHalf}, "less than one window of 512"},
		{"a.txt", "", TextSettings{Window: 6, Stride: 3, Score: ScoreAll}, "no text to predict"},
	} {
		path := filepath.Join(t.TempDir(), test.name)
		if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		windows, err := Texts(&data.Sources{Paths: []string{path}}, own, &test.settings)
		bytes := 0
		for _, w := range windows {
			bytes += w.Bytes
		}
		if got := fmt.Sprint(bytes, " bytes"); err == nil && got != test.want || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %s, error %v, want %s", test.content, got, err, test.want)
		}
	}
	outside := []Window{{IDs: []int32{1, 1 << 20}, From: 1}}
	if err := Perplexity(context.Background(), compare.Model(openE2E(t, model.Exact)), nil, outside, journal(t, ""), nil); err == nil || !strings.Contains(err.Error(), "not in the model's vocabulary") {
		t.Errorf("error %v of a token that is none", err)
	}
}
