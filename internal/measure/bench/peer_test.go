//go:build unix

package bench

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLlamaCpp runs a stand-in for lcbench that tells its arguments and prints a figure of them.
func TestLlamaCpp(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\necho \"$@\" >>\"$(dirname \"$0\")/args\"\necho \"model.gguf t2 tok/s min 1.00 med $4 max 9.00 (n=1)\"\n"
	if err := os.WriteFile(filepath.Join(dir, "lcbench"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	peer := LlamaCpp(dir, "model.gguf")
	for _, test := range []struct {
		r    Result
		rate float64
	}{
		{Result{Work: "prefill", Tokens: 700, Depth: 5, Batch: 1, Threads: 2}, 700},
		{Result{Work: "decode", Tokens: 3, Depth: 5, Batch: 4, Threads: 1}, 3},
	} {
		if rate, err := peer(context.Background(), test.r); err != nil || rate != test.rate {
			t.Errorf("%+v: %v, error %v", test.r, rate, err)
		}
	}
	args, err := os.ReadFile(filepath.Join(dir, "args"))
	if want := "model.gguf 2 pp 700 5 1 512\nmodel.gguf 1 tg 3 5 1 4\n"; err != nil || string(args) != want {
		t.Errorf("arguments %q, want %q", args, want)
	}
	// A figure that is none names the output.
	_, err = peer(context.Background(), Result{Work: "decode"})
	if err == nil || !strings.Contains(err.Error(), `"0" is no speed; its output: model.gguf t2 tok/s min 1.00 med 0`) {
		t.Errorf("a speed of 0: %v", err)
	}
	if _, err := LlamaCpp(t.TempDir(), "model.gguf")(context.Background(), Result{}); err == nil || !strings.Contains(err.Error(), "lcbench") {
		t.Errorf("no program: %v", err)
	}
}
