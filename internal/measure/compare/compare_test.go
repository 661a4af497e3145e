package compare

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jamba/checkpoint"
	"jamba/internal/kernel"
	"jamba/internal/npy"
	"jamba/internal/testutil"
	"jamba/model"
	"jamba/tensor"
	"jamba/text"
)

func open(t *testing.T, o checkpoint.Options) *model.Model {
	t.Helper()
	m, err := checkpoint.OpenModel(testutil.Golden("models", "jamba-v01-mini"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func tokens(n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(i * i % 251)
	}
	return ids
}

// slow returns the logits of each window, token by token.
func slow(t *testing.T, m *model.Model, ids []int32, window int) (all [][]float32) {
	t.Helper()
	p := m.NewPass()
	s := m.NewState()
	for i, id := range ids {
		if i%window == 0 {
			s = m.NewState()
		}
		row, err := p.Logits(context.Background(), model.Span{State: s, Tokens: []int32{id}})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, append([]float32(nil), row...))
	}
	return all
}

// TestRun compares exact with rounded weights on windows of 150, of which the last is short, and longer than a chunk.
func TestRun(t *testing.T) {
	a, b := open(t, checkpoint.Options{}), open(t, checkpoint.Options{Precision: model.Fast, Weights: "q4_0"})
	ids := tokens(2*150 + 7)
	var steps []int
	got, err := Run(context.Background(), Model(a), Model(b), ids, 150, func(done, total int) { steps = append(steps, done) })
	if err != nil || len(steps) != 5 || steps[4] != len(ids) {
		t.Fatalf("steps %v, error %v", steps, err)
	}
	var kl, same, nll, otherNLL, most float64
	p, q := slow(t, a, ids, 150), slow(t, b, ids, 150)
	for i := range ids {
		next := -1
		if (i+1)%150 != 0 && i+1 < len(ids) {
			next = int(ids[i+1])
		}
		r := slowRow(p[i], q[i], next)
		kl += r.KL / float64(len(ids))
		nll -= r.LogProb / float64(len(ids)-3)
		otherNLL -= r.OtherLogProb / float64(len(ids)-3)
		most = max(most, r.MaxDiff)
		if r.SameTop {
			same++
		}
	}
	if got.Positions != 307 || got.Predicted != 304 || !near(got.KL.Mean, kl) || !near(got.SameTop.Share, same/307) ||
		!near(got.Perplexity, math.Exp(nll)) || !near(got.WithPerplexity, math.Exp(otherNLL)) || !near(got.MaxDiff, most) {
		t.Errorf("%+v, want KL %v, same %v, perplexities %v %v, largest difference %v", got, kl, same/307, math.Exp(nll), math.Exp(otherNLL), most)
	}
	if kl < 1e-4 || same == 307 {
		t.Errorf("four bits cost nothing: %v, %v", kl, same)
	}

	// A model with itself.
	got, err = Run(context.Background(), Model(a), Model(a), ids, 100, nil)
	if err != nil || got.KL != (KL{}) || got.SameTop.Share != 1 || got.MaxDiff != 0 || got.Perplexity != got.WithPerplexity {
		t.Errorf("%+v, error %v", got, err)
	}
	// Fast with the same weights: near, and on kernels for integers not the same.
	got, err = Run(context.Background(), Model(open(t, checkpoint.Options{Weights: "q8_0"})), Model(open(t, checkpoint.Options{Precision: model.Fast, Weights: "q8_0"})), ids, 200, nil)
	if err != nil || got.KL.Mean > 1e-5 || got.SameTop.Share < 0.98 || (got.KL.Mean == 0) != (kernel.PeakI8(1<<10) == 0 && got.MaxDiff == 0) {
		t.Errorf("%+v, error %v", got, err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ctx, Model(a), Model(b), ids, 150, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := Run(context.Background(), Model(a), Model(b), []int32{1, 256}, 150, nil); err == nil || !strings.Contains(err.Error(), "token id 256 at position 1") {
		t.Error(err)
	}
}

// write writes a NumPy file.
func write(t *testing.T, logits []float32, columns int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "logits.npy")
	if err := os.WriteFile(path, append(npy.Header(len(logits)/columns, columns), tensor.Bytes(logits)...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLogits(t *testing.T) {
	m := open(t, checkpoint.Options{})
	ids := tokens(200)
	var all []float32
	for _, row := range slow(t, m, ids, 150) {
		all = append(all, row...)
	}
	run := func(logits []float32, columns int) (Summary, error) {
		e, err := OpenLogits(write(t, logits, columns), len(ids))
		if err != nil {
			return Summary{}, err
		}
		defer e.Close()
		return Run(context.Background(), Model(m), e, ids, 150, nil)
	}
	if got, err := run(all, 256); err != nil || got.KL != (KL{}) || got.MaxDiff != 0 || got.Positions != 200 {
		t.Errorf("%+v, error %v", got, err)
	}
	all[170*256+3] += 0.5
	if got, err := run(all, 256); err != nil || got.MaxDiff != 0.5 || got.KL.Max == 0 || got.KL.P99 != 0 {
		t.Errorf("one logit differs: %+v, error %v", got, err)
	}
	for want, bad := range map[string]func() (Summary, error){
		"logits of 199 positions, want those of all 200 tokens": func() (Summary, error) { return run(all[256:], 256) },
		"the vocabularies have 256 and 128 tokens":              func() (Summary, error) { return run(all[:200*128], 128) },
		"row 170 has a number that is infinite or NaN": func() (Summary, error) {
			all[170*256+3] = float32(math.NaN())
			return run(all, 256)
		},
	} {
		if _, err := bad(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestVocabularies(t *testing.T) {
	tokenizer := func(name string) *text.Text {
		x, err := text.Open(testutil.Golden("tokenizer", name))
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	a, b := tokenizer("jamba-style"), tokenizer("gpt2-style")
	if err := Vocabularies(a.Tokenizer, a.Tokenizer); err != nil {
		t.Error(err)
	}
	if err := Vocabularies(a.Tokenizer, b.Tokenizer); err == nil || !strings.Contains(err.Error(), "the vocabularies differ: token ") {
		t.Error(err)
	}
}
