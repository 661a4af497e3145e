package engine

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"jamba/checkpoint"
	"jamba/internal/testutil"
	"jamba/model/state"
)

// TestEmbedGoldens compares embeddings with the final hidden states of the reference: of all goldens' tokens, of each beginning,
// many at once, in passes that are shorter than a text.
func TestEmbedGoldens(t *testing.T) {
	for _, name := range []string{"jamba-v01-mini", "mamba-tiny", "llama-tiny", "mixtral-tiny"} {
		m, err := checkpoint.OpenModel(testutil.Golden("models", name), checkpoint.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		golden := testutil.OpenTensors(t, testutil.Golden("models", name, "golden.safetensors"))
		ids, _ := golden.Ints("input_ids")
		last := 0
		for golden.Has(fmt.Sprintf("hidden_states.%d", last+1)) {
			last++
		}
		hidden, shape := golden.Floats(fmt.Sprintf("hidden_states.%d", last)) // the reference norms the last
		width := shape[len(shape)-1]
		e := New(m.NewPass(), state.NewArena(m.StateSpecs(), 0), Options{Chunk: 7})
		var all sync.WaitGroup
		for n := 1; n <= len(ids); n++ {
			for _, p := range []Pooling{MeanPooling, LastPooling} {
				all.Go(func() {
					got, err := e.Embed(context.Background(), ids[:n], p, nil)
					if err != nil || len(got) != width {
						t.Errorf("%s, %s of %d: %d numbers, %v", name, p, n, len(got), err)
						return
					}
					first := 0
					if p == LastPooling {
						first = n - 1
					}
					for j, v := range got {
						want := 0.0
						for row := first; row < n; row++ {
							want += float64(hidden[row*width+j]) / float64(n-first)
						}
						if math.Abs(float64(v)-want) > 1e-4*max(1, math.Abs(want)) {
							t.Errorf("%s, %s of %d: number %d is %v, want %v", name, p, n, j, v, want)
							return
						}
					}
				})
			}
		}
		all.Wait()
		if n := e.Arena().Used(); n != 0 {
			t.Errorf("%d bytes are in use afterwards", n)
		}
		e.Close()
		if _, err := e.Embed(context.Background(), ids, MeanPooling, nil); err == nil || !strings.Contains(err.Error(), "closed") {
			t.Errorf("error %v", err)
		}
	}
}
