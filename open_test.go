package jamba_test

import (
	"context"
	"errors"
	"testing"

	"jamba"
	"jamba/checkpoint"
	"jamba/internal/testutil"
	"jamba/quantize/recipe"
)

// TestOpenEnds ends a context while weights are made ready: no further ones are, and the error is the context's.
func TestOpenEnds(t *testing.T) {
	for _, weights := range []recipe.Recipe{"", "q8_0"} {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		calls := 0
		o := jamba.OpenOptions{Options: checkpoint.Options{Precision: jamba.Fast, Weights: weights, Context: ctx, Progress: func(done, total int64) {
			if calls++; done >= total {
				t.Errorf("weights %q: all were made ready", weights)
			}
			cancel()
		}}}
		m, err := jamba.OpenWith(testutil.Golden("e2e", "model"), o)
		if !errors.Is(err, context.Canceled) || m != nil || calls != 1 {
			t.Errorf("weights %q: %v after %d steps", weights, err, calls)
		}
	}
}
