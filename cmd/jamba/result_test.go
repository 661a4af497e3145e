package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"jamba"
	"jamba/internal/testutil"
)

// TestJSONInterrupted ends an answer as Ctrl-C does: what there is of it is printed, with the reason.
func TestJSONInterrupted(t *testing.T) {
	m, err := jamba.Open(testutil.Golden("e2e", "model"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, stopAt := range []int{0, 1, 5} {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		if stopAt == 0 {
			cancel()
		}
		var out, errs strings.Builder
		s := &streams{strings.NewReader(""), &out, &errs}
		c := &runCmd{Raw: true, JSON: true, MaxTokens: new(9)}
		a := c.answer(ctx, s, m.NewSession(), m, nil, "Seven tree green,")
		pieces, n := a.pieces, 0
		a.pieces = func(yield func(jamba.Piece, error) bool) {
			for p, err := range pieces {
				if n++; n == stopAt {
					cancel()
				}
				if !yield(p, err) {
					return
				}
			}
		}
		if err := c.printJSON(s, m, a); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		var r result
		if err := json.Unmarshal([]byte(out.String()), &r); err != nil {
			t.Fatalf("%q: %v", out.String(), err)
		}
		if r.FinishReason != "interrupted" || len(r.Tokens) != stopAt || r.Usage.CompletionTokens != stopAt || r.Usage.PromptTokens != 8 {
			t.Errorf("stopped at %d: %+v", stopAt, r)
		}
		if want := " again peroely"; stopAt == 5 && !strings.HasPrefix(r.Text, want) || stopAt == 1 && r.Text != " again" {
			t.Errorf("stopped at %d: text %q", stopAt, r.Text)
		}
	}
}
