package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jamba/internal/durable"
	"jamba/internal/testutil"
)

// Two runs do not write into one folder at a time.
func TestTrainLocked(t *testing.T) {
	dir := t.TempDir()
	out, text := filepath.Join(dir, "out"), filepath.Join(dir, "text.txt")
	if err := os.WriteFile(text, []byte("one two three"), 0o600); err != nil {
		t.Fatal(err)
	}
	lock, err := durable.Lock(out)
	if err != nil {
		t.Fatal(err)
	}
	train := func() (int, string) {
		var errOut bytes.Buffer
		status := run([]string{"train", "nano", text, "-o", out, "--vocab-size", "400", "--steps", "1", "--batch", "1", "--seq", "8"}, nil, &errOut, &errOut)
		return status, errOut.String()
	}
	if status, said := train(); status != 1 || said != "jamba: "+out+": another program is writing to this folder\n" {
		t.Error(status, said)
	}
	if entries, err := os.ReadDir(out); err != nil || len(entries) != 1 {
		t.Errorf("%v is there, %v", entries, err)
	}
	lock.Close()
	// A run that is killed while it reads its data leaves a file that may be large.
	part := filepath.Join(out, "tokens", ".tmp-0123.tokens-4567")
	if err := errors.Join(os.Mkdir(filepath.Dir(part), 0o700), os.WriteFile(part, []byte("half"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if status, said := train(); status != 0 || !strings.Contains(said, "jamba: done") {
		t.Error(status, said)
	}
	if _, err := os.Stat(part); !errors.Is(err, fs.ErrNotExist) {
		t.Error("half a file is left: ", err)
	}
}

// A few lines are learned with what finetune does by itself, by all weights and by an adapter.
func TestFinetuneLearns(t *testing.T) {
	testutil.SkipRace(t, "it computes, in packages whose own tests run there")
	dir := t.TempDir()
	texts := filepath.Join(dir, "texts.jsonl")
	if err := os.WriteFile(texts, []byte(strings.Repeat(`{"text": "The old cat meets a queen."}`+"\n"+`{"text": "My name is Ada."}`+"\n", 10)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, flags := range map[string][]string{"all": nil, "adapter": {"--lora"}} {
		out := filepath.Join(dir, name)
		var said bytes.Buffer
		if status := run(append([]string{"finetune", "-m", testutil.Golden("e2e", "model"), texts, "-o", out}, flags...), nil, &said, &said); status != 0 {
			t.Fatal(said.String())
		}
		log, err := os.ReadFile(filepath.Join(out, "log.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		var losses []float64
		for line := range bytes.Lines(log) {
			var l struct{ Loss float64 }
			if err := json.Unmarshal(line, &l); err != nil {
				t.Fatal(err)
			}
			losses = append(losses, l.Loss)
		}
		first, last := losses[0], losses[len(losses)-1]
		if len(losses) < fewSteps || last > first/2 {
			t.Errorf("%s: the loss falls from %g to %g in %d steps", name, first, last, len(losses))
		}
		if want := fmt.Sprintf("loss %.4f", last); !strings.Contains(said.String(), want) {
			t.Errorf("%s: %q is not told of\n%s", name, want, said.String())
		}
	}
}

// The folder of a model that is kept as links, as in Hugging Face's cache, is none for a run.
func TestTrainIntoLinks(t *testing.T) {
	dir := t.TempDir()
	blob, out := filepath.Join(dir, "blob"), filepath.Join(dir, "snapshot")
	if err := os.WriteFile(blob, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(out, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(blob, filepath.Join(out, "config.json")); err != nil {
		t.Skip("no links here")
	}
	var errOut bytes.Buffer
	status := run([]string{"train", "nano", blob, "-o", out, "--vocab-size", "400"}, nil, &errOut, &errOut)
	if want := out + " holds a model; name a new folder"; status != 2 || !strings.Contains(errOut.String(), want) {
		t.Error(status, errOut.String())
	}
}
