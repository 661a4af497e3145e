package engine

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"jamba/checkpoint"
	"jamba/engine/prefix"
	"jamba/internal/testutil"
	"jamba/model"
	"jamba/model/state"
	"jamba/tensor"
)

// damaged returns a copy of a golden model in which the embedding of a token has a NaN.
func damaged(t *testing.T, name string, token int, o checkpoint.Options) *model.Model {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(testutil.Golden("models", name))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "model.safetensors")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(b)
	var head map[string]struct {
		DType   string
		Shape   []int
		Offsets []int `json:"data_offsets"`
	}
	if err := json.Unmarshal(b[8:8+n], &head); err != nil {
		t.Fatal(err)
	}
	embed, ok := head["model.embed_tokens.weight"]
	if !ok || embed.DType != "F32" {
		t.Fatalf("the embedding is %+v", embed)
	}
	at := 8 + int(n) + embed.Offsets[0] + 4*embed.Shape[1]*token
	binary.LittleEndian.PutUint32(b[at+8:], math.Float32bits(float32(math.NaN())))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := checkpoint.OpenModel(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// TestNotFinite lets requests come on a token whose embedding is damaged, in a later part of their prompts or in what a constraint
// forces, beside others. It expects these to have the logits that they have alone, the failed ones to be counted, and nothing of
// the spans that failed to be kept: what goes on from before them is right.
func TestNotFinite(t *testing.T) {
	for _, test := range []struct {
		name string
		o    checkpoint.Options
	}{
		{"jamba-v01-mini", checkpoint.Options{}},
		{"jamba-v01-mini", checkpoint.Options{Precision: model.Fast, Weights: "q8_0"}},
		{"jamba-v01-mini", checkpoint.Options{Precision: model.Fast, Weights: "experts-int8"}},
		{"mixtral-tiny", checkpoint.Options{Precision: model.Fast, Weights: "q4_0"}},
		{"llama-tiny", checkpoint.Options{KV: tensor.Q8_0}}, // whose blocks hold no NaN
	} {
		t.Run(fmt.Sprint(test.name, " ", test.o.Precision, " ", test.o.Weights), func(t *testing.T) { notFinite(t, test.name, test.o) })
	}
}

func notFinite(t *testing.T, name string, o checkpoint.Options) {
	const token = 77
	n := &network{m: damaged(t, name, token, o)}
	e := ForModel(n.m, Options{Chunk: 24})
	beginning := unlike(3, 100)
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			w := &world{network: n, t: t, name: "beside"}
			r := Request{Prompt: slices.Concat(beginning[:20*i], unlike(i, 40)), MaxTokens: 20, Text: spell{}}
			c := &recording{}
			r.Constraint = c
			ids, _, _, err := collect(t, e, r)
			if err != nil {
				t.Error(err)
			}
			w.compare(&r, c, ids, nil, nil)
		})
		all.Go(func() {
			r := Request{
				Prompt: slices.Concat(beginning, unlike(50+i, 7*i), []int32{token}, unlike(i, 30)), MaxTokens: 5, Text: spell{},
				Marks: prefix.Marks{Borders: []int{100}, Breakpoints: []int{120 + i}},
			}
			if i%2 == 1 {
				r.Prompt, r.Constraint = beginning, forcing{5, 6, token, 7}
			}
			for _, err := range e.Generate(context.Background(), r) {
				if err != nil && !errors.Is(err, model.ErrNotFinite) && !errors.Is(err, state.ErrNotFinite) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if c := e.Counters(); c.NotFinite != 6 || c.Failed != 6 {
		t.Errorf("%+v", c)
	}
	for i := range 6 {
		r := Request{Prompt: slices.Concat(beginning, unlike(50+i, 7*i), []int32{token + 1}, unlike(i, 30)), MaxTokens: 5, Text: spell{}}
		c := &recording{}
		r.Constraint = c
		ids, _, last, err := collect(t, e, r)
		if err != nil || last.Stats.ReusedTokens < 90 {
			t.Errorf("afterwards: %v, %+v", err, last.Stats)
		}
		(&world{network: n, t: t, name: "afterwards"}).compare(&r, c, ids, nil, nil)
	}
	cleared(t, e)
}
