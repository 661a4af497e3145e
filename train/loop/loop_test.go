package loop

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"jamba/checkpoint"
	"jamba/internal/durable"
	"jamba/model"
	"jamba/text/tokenizer"
	"jamba/train"
	"jamba/train/data"
	"jamba/train/recipe"
)

// A child of the test trains in this folder until it is done or killed.
const childDir = "LOOP_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child goes on with the run in dir, from files that prepare has made beside it.
func child(dir string) error {
	limitFiles()
	o, err := options(filepath.Dir(dir), settings())
	if err != nil {
		return err
	}
	defer o.Data.Close()
	o.Dir, o.Save = dir, 1
	o.OnStep = func(l StepLine) { fmt.Println(l.Step) }
	r, err := resume(o)
	if err != nil {
		return err
	}
	return r.Run(context.Background())
}

const config = `
model_type: jamba
hidden_size: 16
intermediate_size: 32
layers: [mamba + mlp, attention + moe, mamba + mlp, mamba + moe]
num_attention_heads: 2
num_key_value_heads: 1
num_experts: 3
num_experts_per_tok: 2
mamba_d_state: 16
`

func settings() Settings {
	s := Defaults()
	s.Steps, s.Batch, s.Seq, s.GradAccum, s.LR, s.Warmup, s.Val, s.Seed = 20, 2, 24, 2, 3e-3, 3, 0.2, 7
	return s
}

// prepare makes a tokenizer and documents in dir.
func prepare(t *testing.T, dir string) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	words := strings.Fields("the fox and a grape vine were high over old trees while birds sang of rain")
	var docs []string
	for range 40 {
		var doc []string
		for range 3 + r.IntN(30) {
			doc = append(doc, words[r.IntN(len(words))])
		}
		docs = append(docs, strings.Join(doc, " "))
	}
	text := strings.Join(docs, "\n\n")
	trained, err := tokenizer.Train(func(yield func(string, error) bool) { yield(text, nil) }, tokenizer.TrainOptions{VocabSize: 380})
	if err != nil {
		t.Fatal(err)
	}
	file, err := trained.JSON()
	if err != nil {
		t.Fatal(err)
	}
	beside, err := trained.ConfigJSON()
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"tokenizer.json": file, "tokenizer_config.json": beside, "text.txt": []byte(text)} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// options returns a new run on what prepare made; Dir is left to set.
func options(dir string, s Settings) (o Options, err error) {
	r, err := recipe.Parse([]byte(config), false)
	if err != nil {
		return o, err
	}
	tok, err := tokenizer.Load(dir)
	if err != nil {
		return o, err
	}
	r.Config.VocabSize = tok.VocabSize()
	o = Options{Settings: s, Save: 5, Eval: 10, Keep: 2, Bytes: func(id int32) int {
		if tok.IsSpecial(id) {
			return 0
		}
		return len(tok.TokenBytes(id))
	}}
	o.Data, err = data.Load(context.Background(), filepath.Join(dir, "tokens"), data.Options{
		Tokenizer: dir, Sources: data.Sources{Paths: []string{filepath.Join(dir, "text.txt")}, Split: data.SplitBlank},
	})
	if err != nil {
		return o, err
	}
	return o, o.open(func() (*model.Model, error) { return model.New(r.Config, s.Seed, model.InitializerRange) })
}

func (o *Options) open(open func() (*model.Model, error)) (err error) {
	o.Model, err = open()
	o.Write = func(dir string) error { return WriteModel(dir, o.Model) }
	return err
}

// resume returns the run that goes on in o.Dir, or begins.
func resume(o Options) (*Run, error) {
	s, path, err := Latest(o.Dir)
	if errors.Is(err, durable.ErrNoStep) {
		if err := os.MkdirAll(o.Dir, 0o777); err != nil {
			return nil, err
		}
		return New(o, nil, "")
	}
	if err != nil {
		return nil, err
	}
	m, err := checkpoint.OpenForTraining(path)
	if err != nil {
		return nil, err
	}
	o.Model = m
	o.Write = func(dir string) error { return WriteModel(dir, m) }
	return New(o, &s, path)
}

// start returns a run that begins or goes on in the folder of that name, after set has changed its options.
func start(t *testing.T, base, name string, set func(o *Options)) (*Run, error) {
	t.Helper()
	o, err := options(base, settings())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Data.Close() })
	o.Dir = filepath.Join(base, name)
	if set != nil {
		set(&o)
	}
	return resume(o)
}

// must is start that has to work.
func must(t *testing.T, base, name string, set func(o *Options)) *Run {
	t.Helper()
	r, err := start(t, base, name, set)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func finish(t *testing.T, r *Run) {
	t.Helper()
	if err := r.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// lines reads a log without what depends on the clock.
func lines(t *testing.T, dir string) (all []map[string]any) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, logFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var line map[string]any
		if err := json.Unmarshal(s.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", s.Text(), err)
		}
		delete(line, "tokens_per_s")
		all = append(all, line)
	}
	return all
}

// sameRun fails unless two runs have ended with the same losses, weights (in files, if they are not those of a model) and
// moments, bit for bit.
func sameRun(t *testing.T, got, want string, files ...string) {
	t.Helper()
	if files == nil {
		files = []string{"model.safetensors", "config.json"}
	}
	a, b := lines(t, got), lines(t, want)
	if len(b) != settings().Steps+2 {
		t.Fatalf("%d lines in the log", len(b))
	}
	if !reflect.DeepEqual(a, b) {
		for i := range min(len(a), len(b)) {
			if !reflect.DeepEqual(a[i], b[i]) {
				t.Fatalf("line %d of the log is %v, want %v", i, a[i], b[i])
			}
		}
		t.Fatalf("%d lines in the log, want %d", len(a), len(b))
	}
	for _, name := range append(files, optimizerFile) {
		a, errA := os.ReadFile(filepath.Join(got, "step-000020", name))
		b, errB := os.ReadFile(filepath.Join(want, "step-000020", name))
		if errA != nil || errB != nil || string(a) != string(b) {
			t.Fatalf("%s is not that of the other run (%v, %v)", name, errA, errB)
		}
	}
}

// A loss that is no number ends the run, names the place and leaves the checkpoint.
func TestNotANumber(t *testing.T) {
	base := t.TempDir()
	prepare(t, base)
	r := must(t, base, "run", func(o *Options) { o.Save = 1 })
	r.OnStep = func(l StepLine) {
		if l.Step == 4 {
			for i := range r.trainer.Params {
				if p := &r.trainer.Params[i]; p.Layer == 1 && p.Kind() == model.Norm {
					p.Value[0] = float32(math.NaN())
				}
			}
		}
	}
	err := r.Run(context.Background())
	if err == nil || !strings.Contains(err.Error(), "step 5 is not saved: model.layers.1.") {
		t.Fatal(err)
	}
	r.Save = 0
	if err = r.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "step 5: layer 1") {
		t.Fatal(err)
	}
	s, path, err := Latest(r.Dir)
	if err != nil || s.Step != 4 {
		t.Fatal(s.Step, err)
	}
	if _, err := checkpoint.OpenForTraining(path); err != nil {
		t.Fatal(err)
	}
}

// A disk that is full ends the run with the last checkpoint as it was, and the run goes on when there is room.
func TestDiskFull(t *testing.T) {
	base := t.TempDir()
	prepare(t, base)
	finish(t, must(t, base, "whole", nil))
	r := must(t, base, "run", nil)
	write := r.Write
	r.Write = func(dir string) error {
		if r.Done() < 10 {
			return write(dir)
		}
		if err := os.WriteFile(filepath.Join(dir, "model.safetensors"), []byte("half"), 0o666); err != nil {
			return err
		}
		return &os.PathError{Op: "write", Path: "model.safetensors", Err: syscall.ENOSPC}
	}
	if err := r.Run(context.Background()); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "saving step 10") {
		t.Fatal(err)
	}
	if s, _, err := Latest(r.Dir); err != nil || s.Step != 5 {
		t.Fatal(s.Step, err)
	}
	// So it is when the run is stopped: that nothing was saved must not pass for a stop.
	ctx, stop := context.WithCancel(context.Background())
	stop()
	r.Save = 0
	if err := r.Run(ctx); !errors.Is(err, syscall.ENOSPC) || errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(r.Dir, ".tmp-*"))
	if err != nil || names != nil {
		t.Fatal(names, err)
	}
	finish(t, must(t, base, "run", nil))
	sameRun(t, filepath.Join(base, "run"), filepath.Join(base, "whole"))
}

// The validation loss is the mean over the targets of the documents held out, whatever the batches.
func TestValidation(t *testing.T) {
	base := t.TempDir()
	prepare(t, base)
	var got ValLine
	r := must(t, base, "run", func(o *Options) {
		o.Settings.Steps, o.Settings.Warmup, o.Settings.Batch, o.Eval = 1, 0, 3, 1
		o.OnVal = func(l ValLine) { got = l }
	})
	finish(t, r)
	_, held := r.Data.Split(0.2)
	it, err := held.Iterator(data.Packing{Length: r.Settings.Seq, NoShuffle: true})
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Load(base)
	if err != nil {
		t.Fatal(err)
	}
	var sum, n, bytes float64
	for batch, err := range it.Rest(1) {
		if err != nil {
			t.Fatal(err)
		}
		for _, span := range batch[0] { // each piece by itself, token by token
			tokens := append(append([]int32(nil), span.IDs...), span.Targets[len(span.Targets)-1])
			stats, err := r.trainer.Evaluate(context.Background(), &train.Batch{Tokens: [][]int32{tokens}})
			if err != nil {
				t.Fatal(err)
			}
			sum += stats.CE * float64(len(tokens)-1)
			n += float64(len(tokens) - 1)
			bytes += float64(len(strings.ReplaceAll(tok.Decode(tokens[1:], true), "▁", " ")))
		}
	}
	if math.Abs(got.ValLoss-sum/n) > 1e-6 || n < 20 {
		t.Errorf("validation loss %v, want %v over %v targets", got.ValLoss, sum/n, n)
	}
	// Decoding leaves out the space that the tokenizer puts in front of a text, which is predicted.
	if bpb := sum / math.Ln2 / bytes; math.Abs(*got.BitsPerByte/bpb-1) > 0.05 {
		t.Errorf("%v bits per byte, want about %v", *got.BitsPerByte, bpb)
	}
}

func TestInspect(t *testing.T) {
	base := t.TempDir()
	prepare(t, base)
	r := must(t, base, "run", func(o *Options) { o.Inspect, o.Settings.Steps, o.Settings.Warmup = true, 2, 0 })
	finish(t, r)
	layers, ok := lines(t, r.Dir)[1]["layers"].([]any)
	if !ok || len(layers) != 4 {
		t.Fatal(lines(t, r.Dir)[1])
	}
	for _, word := range []string{"out", "out_max", "inner", "d_out"} {
		if v, _ := layers[0].(map[string]any)[word].(float64); !(v > 0) {
			t.Errorf("%s is %v", word, v)
		}
	}
}

// finishSome does some steps of a run.
func finishSome(t *testing.T, base, name string, steps int) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r := must(t, base, name, func(o *Options) {
		o.OnStep = func(l StepLine) {
			if l.Step == steps-1 {
				stop()
			}
		}
	})
	if err := r.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}
