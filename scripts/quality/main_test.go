package main

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"

	"jamba/checkpoint"
	"jamba/internal/measure/ablation"
)

const root = "../.."

// TestPage: docs/quality.md is what the command prints.
func TestPage(t *testing.T) {
	var got bytes.Buffer
	if err := write(&got, root); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(root + "/docs/quality.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Error("docs/quality.md is not what go run ./scripts/quality prints; make it again")
	}
}

// TestLevels: results are of one model, one text and one program, and say what the page says in words.
func TestLevels(t *testing.T) {
	for _, name := range []string{"embedded", "smollm2"} {
		all, err := levels(root, name)
		if err != nil || len(all) == 0 {
			t.Fatal(err)
		}
		kl := map[string]float64{}
		for _, l := range all {
			kl[l.Type] = l.Text.Reference.KL
			if l.Reference.Hash != all[0].Model.Hash || l.Reference.Precision != "exact" || l.Model.Precision != "fast" || l.Data[0] != all[0].Data[0] ||
				l.Versions.Kernels != all[0].Versions.Kernels || l.Text.Tokens != all[0].Text.Tokens || l.Bytes < 1e6 {
				t.Errorf("%s in %s: %+v", name, l.Type, l)
			}
		}
		// Fewer bits are further off; fast arithmetic alone costs nothing that is seen.
		order := slices.DeleteFunc([]string{"q6_k", "q5_k_m", "q4_k_m", "q3_k_m", "q2_k"}, func(typ string) bool { return kl[typ] == 0 })
		if !slices.IsSortedFunc(order, func(a, b string) int { return cmp.Compare(kl[a], kl[b]) }) || kl["stored"] > kl["q6_k"]/100 {
			t.Errorf("%s: divergences %v", name, kl)
		}
	}
}

// TestEmbedded: the results are of the model that the command carries.
func TestEmbedded(t *testing.T) {
	c, err := checkpoint.Open(root + "/embedded/model.gguf")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	hash, err := c.Hash()
	if err != nil {
		t.Fatal(err)
	}
	all, err := levels(root, "embedded")
	if err != nil {
		t.Fatal(err)
	}
	if got := all[0].Model.Hash; got != hex.EncodeToString(hash[:]) {
		t.Errorf("the results are of %s, the command carries %x", got, hash)
	}
}

// TestRecall: what this page and that of the claims say of recall is so in its results, of all seeds.
func TestRecall(t *testing.T) {
	r, err := read[*ablation.Results](root, "experiments", "recall.json")
	if err != nil || r == nil {
		t.Fatal(r, err)
	}
	guess := map[float64]float64{2: 0.56, 4: 0.41, 8: 0.32, 16: 0.26} // by the most frequent of so many random values out of 8
	for _, s := range r.Summaries() {
		if len(s.Accuracy) != len(guess) {
			t.Errorf("%s: %v", s.Model, s.Accuracy)
		}
		for _, a := range s.Accuracy {
			hybrid := strings.HasPrefix(s.Model, "hybrid")
			switch {
			case hybrid && a.Low < 0.99, !hybrid && a.X >= 8 && a.Y > guess[a.X]+0.05, s.Model == "mamba" && a.X == 2 && a.Low < guess[2]+0.1:
				t.Errorf("%s: %.2f (%.2f–%.2f) right with %v pairs", s.Model, a.Y, a.Low, a.High, a.X)
			}
		}
	}
}

// TestMissing: without results the page says so.
func TestMissing(t *testing.T) {
	var page bytes.Buffer
	if err := write(&page, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(page.String(), "ot yet measured"); n != 3 {
		t.Errorf("%d parts are not yet measured:\n%s", n, &page)
	}
}
