package jamba_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"jamba"
	"jamba/checkpoint"
	"jamba/model/lora"
)

// newAdapter writes an adapter of random values for the model of the examples.
func newAdapter(dir string, m *jamba.Model, seed uint64) error {
	a, err := lora.New(lora.Config{R: 4, Alpha: 8, Targets: []string{"all", "embed", "head"}}, m.Network().Modules(), seed)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(seed, 5))
	for _, p := range a.Pairs {
		for _, x := range [][]float32{p.A, p.B} {
			for i := range x {
				x[i] = float32(0.2 * random.NormFloat64())
			}
		}
	}
	return checkpoint.WriteAdapter(dir, a)
}

// TestAdapters lets several goroutines ask with two adapters and with none at once, and expects the answers, their
// log-probabilities and the embeddings of models opened with each adapter, bit for bit.
func TestAdapters(t *testing.T) {
	m, err := jamba.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	type choice struct {
		adapter *jamba.Adapter
		opened  *jamba.Model
	}
	choices := []choice{{nil, m}}
	for seed := range uint64(2) {
		dir := t.TempDir()
		if err := newAdapter(dir, m, seed); err != nil {
			t.Fatal(err)
		}
		a, err := m.OpenAdapter(dir)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := jamba.OpenWith(path, jamba.OpenOptions{Options: checkpoint.Options{Precision: jamba.Fast, Adapter: dir}})
		if err != nil {
			t.Fatal(err)
		}
		defer opened.Close()
		if _, err := opened.OpenAdapter(dir); err == nil {
			t.Error("an adapter beside an adapter")
		}
		choices = append(choices, choice{a, opened})
	}
	answer := func(m *jamba.Model, s *jamba.Session, prompt string, a *jamba.Adapter) (all []string, err error) {
		for p, pieceErr := range s.Generate(context.Background(), prompt, jamba.Options{MaxTokens: 12, Logprobs: true, Adapter: a}) {
			if err = errors.Join(err, pieceErr); p.Logprob != nil {
				all = append(all, fmt.Sprint(p.ID, p.Text, *p.Logprob))
			}
		}
		v, embedErr := m.Embed(context.Background(), []string{prompt}, jamba.EmbedOptions{Adapter: a})
		return append(all, fmt.Sprint(v)), errors.Join(err, embedErr)
	}
	var all sync.WaitGroup
	answers := make([][]string, 12)
	for i := range answers {
		all.Go(func() {
			// A session that changes its adapter begins again.
			s := m.NewSession()
			for _, c := range []choice{choices[(i+1)%3], choices[i%3]} {
				prompt := "Seven tree green, the blue house"[i:]
				got, err := answer(m, s, prompt, c.adapter)
				own := c.opened.NewSession()
				want, wantErr := answer(c.opened, own, prompt, nil)
				if answers[i] = got; errors.Join(err, wantErr) != nil || !slices.Equal(got, want) {
					t.Errorf("prompt %q, adapter %d:\n got %q %v\nwant %q %v", prompt, i%3, got, err, want, wantErr)
				}
			}
		})
	}
	all.Wait()
	if slices.Equal(answers[0], answers[1]) || slices.Equal(answers[1], answers[2]) {
		t.Error("the adapters change nothing")
	}
}

// Adapters are opened beside a model, and each answer may name another.
func ExampleModel_OpenAdapter() {
	m, err := jamba.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	pirate, err := m.OpenAdapter("adapters/pirate")
	if err != nil {
		log.Fatal(err)
	}
	for piece, err := range m.Generate(context.Background(), "Ahoy", jamba.Options{Adapter: pirate, MaxTokens: 20}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(piece.Text)
	}
}
