package engine

import (
	"context"
	"testing"
	"time"
)

// TestCountersAtRest has readers go in the middle of answers: when nothing is left to do, nothing is counted as running.
func TestCountersAtRest(t *testing.T) {
	m, prompt, _ := open(t)
	e := ForModel(m, Options{})
	defer e.Close()
	for range 50 {
		ctx, cancel := context.WithCancel(context.Background())
		n := 0
		for _, err := range e.Generate(ctx, Request{Prompt: prompt, Text: spell{}}) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == 3 {
				cancel()
				break
			}
		}
		cancel()
		for begun := time.Now(); e.Counters().Running+e.Counters().Waiting > 0; time.Sleep(time.Millisecond) {
			if time.Since(begun) > 2*time.Second {
				t.Fatalf("at rest: %+v", e.Counters())
			}
		}
	}
}
