package loop

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jamba/internal/kernel/par"
	"jamba/train"
)

// A run that was stopped, on another number of threads, and resumed is one that was not.
func TestResume(t *testing.T) {
	base := t.TempDir()
	prepare(t, base)
	finish(t, must(t, base, "whole", nil))

	defer par.SetThreads(0)
	par.SetThreads(1)
	ctx, stop := context.WithCancel(context.Background())
	r := must(t, base, "parts", func(o *Options) {
		o.Save = 0
		o.OnStep = func(l StepLine) {
			if l.Step == 6 {
				stop()
			}
		}
	})
	if err := r.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if s, _, err := Latest(r.Dir); err != nil || s.Step != 7 {
		t.Fatal(s.Step, err)
	}
	par.SetThreads(2)
	// The second part is lost but for step 10, as if killed.
	failure := errors.New("gone")
	r = must(t, base, "parts", nil)
	step := r.Write
	r.Write = func(dir string) error {
		if r.Done() == 15 {
			return failure
		}
		return step(dir)
	}
	if err := r.Run(context.Background()); !errors.Is(err, failure) {
		t.Fatal(err)
	}
	finish(t, must(t, base, "parts", nil))
	sameRun(t, filepath.Join(base, "parts"), filepath.Join(base, "whole"))

	// There is nothing left to do but to show what is there, which a run that was killed may not have done.
	model, latest := filepath.Join(base, "parts", "model.safetensors"), filepath.Join(base, "parts", "latest")
	_, err := os.Readlink(latest)
	links := err == nil
	if links {
		if err := errors.Join(os.Remove(model), os.Remove(latest), os.Symlink("step-000015", latest)); err != nil {
			t.Fatal(err)
		}
	}
	r = must(t, base, "parts", nil)
	finish(t, r)
	if to, err := os.Readlink(latest); links && (err != nil || to != "step-000020") {
		t.Errorf("latest is %s, %v", to, err)
	}
	if _, err := os.Stat(model); links && err != nil {
		t.Error(err)
	}
	sameRun(t, filepath.Join(base, "parts"), filepath.Join(base, "whole"))
}

// counted is a context that ends when it has been asked so many times.
type counted struct {
	context.Context
	left int
}

func (c *counted) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// The same if a run is stopped within its steps and validations, over and over.
func TestStoppedWithin(t *testing.T) {
	base := t.TempDir()
	prepare(t, base)
	finish(t, must(t, base, "whole", nil))
	stops := 0
	for {
		ctx := &counted{context.Background(), 14 + 3*stops}
		r := must(t, base, "parts", func(o *Options) { o.Save = 0 })
		r.OnStep = func(l StepLine) {
			if l.Step == r.Eval-1 { // the validation comes next
				ctx.left = 1
			}
		}
		err := r.Run(ctx)
		if err == nil {
			break
		}
		if stops++; !errors.Is(err, context.Canceled) || stops > 50 {
			t.Fatal(stops, err)
		}
	}
	if stops < 5 {
		t.Errorf("it was stopped %d times", stops)
	}
	sameRun(t, filepath.Join(base, "parts"), filepath.Join(base, "whole"))
}

// The same after kills at any moment, with a save after every step.
func TestKilled(t *testing.T) {
	base := t.TempDir()
	prepare(t, base)
	finish(t, must(t, base, "whole", nil))
	dir := filepath.Join(base, "killed")
	told, kills := -1, 0
	for {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s := bufio.NewScanner(out)
		if s.Scan() && kills < 8 {
			kills++
			time.Sleep(time.Duration(rand.IntN(20_000)) * time.Microsecond)
			_ = cmd.Process.Kill()
		}
		for ok := true; ok; ok = s.Scan() {
			_, _ = fmt.Sscan(s.Text(), &told)
		}
		if cmd.Wait() == nil {
			break
		}
		// No more is lost than the step whose save was under way.
		if last, _, err := Latest(dir); told > 0 && (err != nil || last.Step < told) {
			t.Fatalf("step %d was done, and the last saved is %d (%v)", told, last.Step, err)
		}
		if kills == 8 && told < 0 {
			t.Fatal("the child does nothing")
		}
	}
	sameRun(t, dir, filepath.Join(base, "whole"))
}

// What cannot be resumed is refused with its reason.
func TestResumeOther(t *testing.T) {
	base := t.TempDir()
	prepare(t, base)
	run := func(name string, set func(s *Settings)) error {
		r, err := start(t, base, name, func(o *Options) { set(&o.Settings) })
		if err != nil {
			return err
		}
		return r.Run(context.Background())
	}
	few := func(s *Settings) { s.Steps, s.Warmup = 4, -1 }
	if err := run("run", few); err != nil {
		t.Fatal(err)
	}
	for want, set := range map[string]func(s *Settings){
		"--lr is 0.1, the run began with 0.003":                                         func(s *Settings) { few(s); s.LR = 0.1 },
		"--steps is 6, the run began with 4":                                            func(s *Settings) { few(s); s.Steps = 6 },
		"--schedule is linear, the run began with cosine":                               func(s *Settings) { few(s); s.Schedule = train.Linear },
		"--batch is 3, the run began with 2; --betas is [0.9 0.99], the run began with": func(s *Settings) { few(s); s.Batch, s.Betas[1] = 3, 0.99 },
		"--val is 0.3, the run began with 0.2":                                          func(s *Settings) { few(s); s.Val = 0.3 },
	} {
		if err := run("run", set); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	constant := func(steps int) func(s *Settings) {
		return func(s *Settings) { s.Steps, s.Schedule = steps, train.Constant }
	}
	if err := errors.Join(run("constant", constant(10)), run("constant", constant(20)), run("at once", constant(20))); err != nil {
		t.Error(err)
	}
	sameRun(t, filepath.Join(base, "constant"), filepath.Join(base, "at once"))

	text := filepath.Join(base, "text.txt")
	b, err := os.ReadFile(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(text, append(b, " too"...), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := run("run", few); err == nil || !strings.Contains(err.Error(), "the run began with other data") {
		t.Error(err)
	}
	if err := os.WriteFile(text, b, 0o666); err != nil {
		t.Fatal(err)
	}
	// Files of a checkpoint that are broken.
	for name, want := range map[string]string{optimizerFile: "optimizer.safetensors", stateFile: "trainer.json", "model.safetensors": "model.safetensors"} {
		path := filepath.Join(base, "run", "latest", name)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b[:len(b)-9], 0o666); err != nil {
			t.Fatal(err)
		}
		if err := run("run", few); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is cut: %v", name, err)
		}
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}
