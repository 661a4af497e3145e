package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jamba/internal/measure/ablation"
	"jamba/internal/measure/bench"
)

// TestPage: docs/claims.md is what the command prints.
func TestPage(t *testing.T) {
	var got bytes.Buffer
	if err := write(&got, "../.."); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../../docs/claims.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Error("docs/claims.md is not what go run ./scripts/claims prints; make it again")
	}
	// Figures of the papers that come out to the digit.
	for _, line := range []string{"| Llama-2-7B | 128 | 128 |", "| Mixtral-8x7B | 32 | 32 |", "| Jamba | 4 | 4 |", "| Jamba-1.5-Large | 9 | 9 |", "| Jamba | 52, 12 | 51.57, 12.11 |", "Attention is in 4 of 32 layers of Jamba and 32 of 32"} {
		if !strings.Contains(got.String(), line) {
			t.Errorf("the page lacks %s", line)
		}
	}
}

// TestFindings: what the page says in words of the experiments is so in their results.
func TestFindings(t *testing.T) {
	r, err := read[ablation.Results]("../../experiments/copy.json")
	if err != nil || r == nil {
		t.Fatal(r, err)
	}
	halfway := map[string]int{} // the step at which half of the first loss is left
	for _, s := range r.Summaries() {
		for _, p := range s.Curve {
			if halfway[s.Model] == 0 && p.Y < s.Curve[0].Y/2 {
				halfway[s.Model] = int(p.X)
			}
		}
		for _, a := range s.Accuracy {
			switch s.Model {
			case "attention", "hybrid 1:7":
				if a.Y < 0.9 {
					t.Errorf("%s: %.2f right at %v", s.Model, a.Y, a.X)
				}
			case "mamba":
				if a.High > 1./3 || a.X == 33 && a.High > 0.15 {
					t.Errorf("%s: %.2f right at %v", s.Model, a.High, a.X)
				}
			}
		}
	}
	if a, h := halfway["attention"], halfway["hybrid 1:7"]; a == 0 || h == 0 || a > h || halfway["mamba"] != 0 {
		t.Errorf("half of the loss is left after %v", halfway)
	}
}

// TestTextFindings is the same for text.
func TestTextFindings(t *testing.T) {
	r, err := read[ablation.Results]("../../experiments/text.json")
	if err != nil || r == nil {
		t.Fatal(r, err)
	}
	loss, best := map[string]float64{}, math.Inf(1)
	for _, s := range r.Summaries() {
		if loss[s.Model] = s.Loss.Y; strings.HasPrefix(s.Model, "hybrid") {
			best = min(best, s.Loss.Y)
		}
	}
	if len(loss) != 5 || loss["mamba"] > 1.01*best {
		t.Errorf("losses %v", loss)
	}
	for name, l := range loss {
		if name != "attention" && loss["attention"] < 1.2*l {
			t.Errorf("attention has %v, %s %v", loss["attention"], name, l)
		}
	}
}

// TestResults: without results the page says so; with some it has them.
func TestResults(t *testing.T) {
	root := t.TempDir()
	var page bytes.Buffer
	if err := write(&page, root); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"Not yet measured", "Not yet run"} {
		if !strings.Contains(page.String(), text) {
			t.Errorf("the page lacks %s", text)
		}
	}
	r := bench.Report{Models: []bench.About{{Name: "a"}, {Name: "b"}}}
	add := func(model string, depth, batch int, rate, ratio float64, missing string) {
		r.Results = append(r.Results, bench.Turn{Model: model, Missing: missing, Result: bench.Result{
			Work: "decode", Depth: depth, Batch: batch, TokPerSec: bench.Spread{Min: rate - 1, Median: rate, Max: rate + 1},
		}, Ratio: bench.Spread{Min: ratio / 2, Median: ratio, Max: 2 * ratio}})
	}
	add("a", 1024, 1, 20, 1, "")
	add("b", 1024, 1, 5, 0.25, "")
	add("a", 1024, 8, 40, 1, "")
	add("b", 1024, 8, 0, 0, "too large")
	want := "| | context | 1 | 8 |\n| --- | --- | --- | --- |\n| a, tok/s | 1024 | 20.0 (19.0–21.0) | 40.0 (39.0–41.0) |\n| a to b | 1024 | 4.00x (2.00–8.00) | does not fit |\n"
	if got := ratios(&r); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	r.Results = append(r.Results, bench.Turn{Model: "b", Seconds: bench.Spread{Min: 1, Median: 1.5, Max: 2}, KVBytes: 3e6, StateBytes: 5e5, Result: bench.Result{Work: "prefill", Depth: 1024, Tokens: 512}})
	if got := firstToken(&r); !strings.HasSuffix(got, " |\n| b | 1024 | 512 | 1.50 (1.00–2.00) | 3.5 |\n") {
		t.Error(got)
	}
	if err := os.MkdirAll(filepath.Join(root, "docs"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "docs", "schedules.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := write(&page, root); err == nil || !strings.Contains(err.Error(), "schedules.json: ") {
		t.Error(err)
	}
}
