package jamba_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

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

// TestAdaptersAreCollected expects an adapter that is no longer named to be collected, though what was computed with it is kept.
func TestAdaptersAreCollected(t *testing.T) {
	m, err := jamba.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	answer := func(a *jamba.Adapter) {
		for _, err := range m.Generate(context.Background(), "Seven tree green, the blue house", jamba.Options{MaxTokens: 3, Adapter: a}) {
			if err != nil {
				t.Error(err)
			}
		}
	}
	gone := make(chan struct{})
	func() {
		dir := t.TempDir()
		if err := newAdapter(dir, m, 1); err != nil {
			t.Fatal(err)
		}
		a, err := m.OpenAdapter(dir)
		if err != nil {
			t.Fatal(err)
		}
		runtime.AddCleanup(a, func(gone chan struct{}) { close(gone) }, gone)
		answer(a)
	}()
	kept := m.Counters().Cache.Snapshots
	answer(nil) // the engine's goroutine looks at its last pass
	if kept == 0 || m.Counters().Cache.Snapshots <= kept {
		t.Errorf("%d snapshots are kept with the adapter, %d with both", kept, m.Counters().Cache.Snapshots)
	}
	for range 100 {
		runtime.GC()
		select {
		case <-gone:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Error("the adapter is still there")
}

// Adapters are opened beside a model, and each answer may name another; those that come together are computed together.
func ExampleModel_OpenAdapter() {
	m, err := jamba.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	dir, err := os.MkdirTemp("", "adapter")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := newAdapter(dir, m, 1); err != nil { // a folder as PEFT lays it out
		log.Print(err)
		return
	}
	pirate, err := m.OpenAdapter(dir)
	if err != nil {
		log.Print(err)
		return
	}
	answers := make([]string, 2)
	var all sync.WaitGroup
	for i, adapter := range []*jamba.Adapter{nil, pirate} {
		all.Go(func() {
			for piece, err := range m.Generate(context.Background(), "Seven tree green,", jamba.Options{Adapter: adapter, MaxTokens: 3}) {
				if err != nil {
					log.Print(err)
				}
				answers[i] += piece.Text
			}
		})
	}
	all.Wait()
	fmt.Printf("%q\n", answers)
	// Output: [" again peroely" "\n顺blic"]
}
