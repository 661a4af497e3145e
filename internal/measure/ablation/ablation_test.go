package ablation

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/internal/testutil"
	"jamba/train"
)

// TestRecall: an answer is the value that stood behind the same key in the first half, and each key is asked for once.
func TestRecall(t *testing.T) {
	task := &Recall{Keys: 10, Values: 6, Pairs: []int{3, 10}, Tests: 50}
	if err := task.validate(); err != nil {
		t.Fatal(err)
	}
	tests := task.test()
	for i, tokens := range tests.Tokens {
		n := task.at(i)
		if len(tokens) != 4*n {
			t.Fatalf("%d pairs in %v", n, tokens)
		}
		values, asked := map[int32]int32{}, map[int32]bool{}
		for at := 0; at < len(tokens); at += 2 {
			key, value, label := tokens[at], tokens[at+1], tests.Labels[i][at+1]
			if key < 0 || int(key) >= task.Keys || int(value) < task.Keys || int(value) >= task.vocab() || tests.Labels[i][at] != train.Ignore {
				t.Fatalf("%v, %v", tokens, tests.Labels[i])
			}
			if at < 2*n {
				if _, ok := values[key]; ok || label != train.Ignore {
					t.Fatalf("%v, %v: the pair at %d", tokens, tests.Labels[i], at)
				}
				values[key] = value
				continue
			}
			if values[key] != value || label != value || asked[key] {
				t.Fatalf("%v, %v: the answer at %d", tokens, tests.Labels[i], at)
			}
			asked[key] = true
		}
	}
	// The same random numbers make the same batch, which is not that of the tests.
	a, b := task.batch(rand.New(rand.NewPCG(1, 0)), 3), task.batch(rand.New(rand.NewPCG(1, 0)), 3)
	if !slices.Equal(a.Tokens[2], b.Tokens[2]) || slices.Equal(a.Tokens[0], tests.Tokens[0]) {
		t.Error("batches are not of their seed")
	}
}

func TestCopy(t *testing.T) {
	task := &Copy{Symbols: 5, Lengths: []int{2, 7}, Tests: 4}
	tests := task.test()
	for i, tokens := range tests.Tokens {
		n := task.Lengths[i%2]
		if len(tokens) != 2*n+1 || !slices.Equal(tokens[:n], tokens[n+1:]) || tokens[n] != 5 || !slices.Equal(tests.Labels[i][n+1:], tokens[:n]) {
			t.Errorf("%v, %v", tokens, tests.Labels[i])
		}
		for at, label := range tests.Labels[i] {
			if label != train.Ignore && tokens[at-task.at(i)] != label {
				t.Errorf("%v: %d at %d is not %d before", tokens, label, at, task.at(i))
			}
		}
	}
}

const small = `
title: small
copy: {symbols: 4, lengths: [2, 3], tests: 20}
seeds: [1, 2]
steps: 120
batch: 8
lr: 1.0e-2
warmup: 5
common: {model_type: jamba, hidden_size: 16, intermediate_size: 16, num_attention_heads: 2, num_key_value_heads: 2, tie_word_embeddings: true, num_experts: 2, num_experts_per_tok: 1}
models:
- {name: hybrid, layers: [mamba + mlp, attention + moe]}
- {name: attention, model_type: llama, num_hidden_layers: 2, num_experts: null, num_experts_per_tok: null}
`

func open(t *testing.T, text string) (*Experiment, string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "e.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return e, filepath.Join(dir, "e.json")
}

// TestFill trains two small models, stops in between and goes on: what was complete is not made again, and all is as without
// the stop. They learn the task: copies of a few symbols come out better than by chance.
func TestFill(t *testing.T) {
	testutil.SkipRace(t, "it takes minutes, and package train has its own tests")
	e, path := open(t, small)
	fill := func(path string, stop func(run *Run) bool) (*Results, int) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		r, err := e.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		made := 0
		err = e.Fill(ctx, r, path, Progress{Step: func(string, uint64, int, float64) {}, Done: func(run *Run) {
			if made++; stop(run) {
				cancel()
			}
		}})
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		return r, made
	}
	whole, made := fill(path+".whole.json", func(*Run) bool { return false })
	if made != 4 || len(whole.Runs) != 4 || whole.Runs[1].Model != "attention" || whole.Runs[2].Seed != 2 {
		t.Fatalf("%d runs: %+v", made, whole.Runs)
	}
	if _, made := fill(path, func(run *Run) bool { return run.Model == "attention" }); made != 2 {
		t.Errorf("%d runs before the stop", made)
	}
	parts, made := fill(path, func(*Run) bool { return false })
	if made != 2 || len(parts.Runs) != 4 {
		t.Errorf("%d runs after the stop, %d in all", made, len(parts.Runs))
	}
	for i, run := range parts.Runs {
		want := whole.Runs[i]
		if run.Loss != want.Loss || run.FirstLoss != want.FirstLoss || !slices.Equal(run.Curve, want.Curve) || !slices.Equal(run.Accuracy, want.Accuracy) {
			t.Errorf("%s, seed %d: the run is another one", run.Model, run.Seed)
		}
		if len(run.Curve) < 50 || run.Curve[len(run.Curve)-1].Step != 120 || run.Loss > 0.9*math.Log(4) {
			t.Errorf("%s: loss %v, curve %v", run.Model, run.Loss, run.Curve)
		}
		if a := run.Accuracy; len(a) != 2 || a[0].At != 3 || a[1].Of != 30 || a[0].Share() < 0.3 {
			t.Errorf("%s: %+v", run.Model, a)
		}
	}
	all := parts.Summaries()
	if len(all) != 2 || all[0].Model != "hybrid" || all[0].Seeds != 2 || all[0].Loss.Low > all[0].Loss.Y || all[0].Loss.Y > all[0].Loss.High || all[0].Loss.Low == all[0].Loss.High {
		t.Errorf("%+v", all)
	}
	if err := parts.Draw(path + ".png"); err != nil {
		t.Error(err)
	}
	// Another experiment's results stay as they are.
	other := *e
	other.Source = []byte("another")
	if _, err := other.Read(path); err == nil || !strings.Contains(err.Error(), "of another experiment") {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ old, with, want string }{
		{"steps: 120", "stebs: 120", "field stebs not found"},
		{"steps: 120", "steps: 0", "steps are 0"},
		{"common: {", "common: {initializer_range: 0.1, ", "initializer_range is no word of an experiment"},
		{"common: {", "common: {train: {lr: 1}, ", "train is no word of an experiment"},
		{"steps: 120", "steps: 120\ninit: none", `init is "none", want projections or all`},
		{"warmup: 5", "warmup: 500", "warmup is 500"},
		{"copy: {symbols: 4, lengths: [2, 3], tests: 20}", "", "has 0 tasks, want one of recall, copy and text"},
		{"symbols: 4", "symbols: 1", "copy: symbols are 1"},
		{"lengths: [2, 3]", "lengths: [0]", "copy: a length is 0"},
		{"hidden_size: 16", "hidden_size: 2048", "parameters, want 3000000 at most"},
		{"layers: [mamba + mlp, attention + moe]", "layers: [rnn]", `model hybrid: layers: layer 0 is "rnn"`},
		{"seeds: [1, 2]", "seeds: []", "seeds: there are none"},
		{"copy: {symbols: 4, lengths: [2, 3], tests: 20}", "text: {files: [none.txt], seq: 16, tests: 2}", "none.txt"},
		{"copy: {symbols: 4, lengths: [2, 3], tests: 20}", "text: {files: [e.txt], seq: 512, tests: 2}", "are too few for 2 tests of 512"},
		{"copy: {symbols: 4, lengths: [2, 3], tests: 20}", "recall: {keys: 4, values: 4, pairs: [2, 5], tests: 2}", "pairs are 5, want 1 to the number of keys, 4"},
		{"copy: {symbols: 4, lengths: [2, 3], tests: 20}", "recall: {keys: 4, values: 1, pairs: [2], tests: 2}", "keys and values are 4 and 1"},
	} {
		path := filepath.Join(t.TempDir(), "e.yaml")
		text := strings.Replace(small, c.old, c.with, 1)
		if text == small {
			t.Fatalf("%s is not there", c.old)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), "e.txt"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %s", c.with, err, c.want)
		}
	}
}

// TestOldResults: those of a version that told accuracy in other words are not taken for such that have none.
func TestOldResults(t *testing.T) {
	e, path := open(t, small)
	old := fmt.Sprintf(`{"file_sha256": "%x", "runs": [{"model": "hybrid", "seed": 1, "accuracy": [{"distance": 3, "right": 1, "of": 2}]}]}`, sha256.Sum256(e.Source))
	if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Read(path); err == nil || !strings.Contains(err.Error(), "written by another version") {
		t.Error(err)
	}
}

// TestText: what models are judged by is the end of the text, and none of it is trained on.
func TestText(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte(strings.Repeat("trained. ", 30)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "b.jsonl"), []byte(`{"text": "Judged by this, which are forty-six characters."}`), 0o600); err != nil {
		t.Fatal(err)
	}
	task := &Text{Files: []string{"a.txt", filepath.Join(dir, "b.jsonl")}, Seq: 16, Tests: 3}
	if err := task.read(dir); err != nil {
		t.Fatal(err)
	}
	var judged []int32
	for _, tokens := range task.test().Tokens {
		judged = append(judged, tokens...)
	}
	if got := string(runes(judged)); got != "udged by this, which are forty-six characters.\n\n" {
		t.Errorf("judged by %q", got)
	}
	r, last := rand.New(rand.NewPCG(1, 2)), false
	for range 200 {
		for _, tokens := range task.batch(r, 4).Tokens {
			text := string(runes(tokens))
			if strings.Contains(text, "ud") {
				t.Fatalf("trains on %q", text)
			}
			last = last || strings.HasSuffix(text, "\n\n")
		}
	}
	if !last {
		t.Error("the end of what is trained on never comes")
	}
}

func runes(ids []int32) (text []rune) { return append(text, ids...) }

// TestCommitted makes the first step of each experiment in the repository again, whose results are beside it: the same data, weights
// and network give the same loss.
func TestCommitted(t *testing.T) {
	files, err := filepath.Glob("../../../experiments/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		e, err := Open(file)
		if err != nil {
			t.Fatal(err)
		}
		path := strings.TrimSuffix(file, ".yaml") + ".json"
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s has no results", file)
			continue
		}
		r, err := e.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		steps := e.Steps
		e.Steps, e.Warmup = 2, 1
		for _, m := range e.Models {
			want := r.find(m.Name, e.Seeds[0])
			if want == nil {
				t.Errorf("%s: %s has no run", path, m.Name)
				continue
			}
			got, err := e.train(context.Background(), m, e.Seeds[0], func(int, float64) {})
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(got.FirstLoss/want.FirstLoss-1) > 1e-4 || got.ParamsTotal != want.ParamsTotal || want.Steps != steps {
				t.Errorf("%s, %s: first loss %v, %d parameters; the results say %v, %d, %d steps", path, m.Name, got.FirstLoss, got.ParamsTotal, want.FirstLoss, want.ParamsTotal, want.Steps)
			}
		}
	}
}
