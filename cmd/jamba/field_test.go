package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jamba/internal/npy"
	"jamba/internal/testutil"
)

// fieldCase is an expected.json under testdata/field: commands run in a copy of the case's folder, and what has to come.
type fieldCase struct {
	fieldCheck
	More []fieldCheck `json:"more"`
}

type fieldCheck struct {
	Before  [][]string  `json:"before"`
	Command []string    `json:"command"`
	Expect  expectation `json:"expect"`
}

// expectation is what has to hold of a command, key by key; see testdata/field/README.md.
type expectation struct {
	Exit           int           `json:"exit"`
	StderrContains []string      `json:"stderr_contains"`
	Stdout         *string       `json:"stdout"`
	FinishReason   string        `json:"finish_reason"`
	IDs            []int32       `json:"ids"`
	LogitsNPY      string        `json:"logits_npy"`
	CELoss         *float64      `json:"ce_loss"`
	Tolerance      float64       `json:"tolerance"`
	AnyOf          []expectation `json:"any_of"`
}

// TestField runs files as people have them, from public bug reports; the right values are other programs'.
func TestField(t *testing.T) {
	testutil.SkipRace(t, "it computes, in packages whose own tests run there")
	cases, err := filepath.Glob(testutil.Path("field", "*", "expected.json"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range cases {
		from, err := filepath.Abs(filepath.Dir(file))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(from), func(t *testing.T) {
			t.Parallel()
			c := testutil.JSON[fieldCase](t, filepath.Join(from, "expected.json"))
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
				t.Fatal(err)
			}
			for _, check := range append([]fieldCheck{c.fieldCheck}, c.More...) {
				for _, b := range check.Before {
					if _, stderr, exit := runIn(t, dir, b); exit != 0 {
						t.Fatalf("%v: exit %d: %s", b, exit, stderr)
					}
				}
				stdout, stderr, exit := runIn(t, dir, check.Command)
				if err := check.Expect.holds(dir, check.Command, stdout, stderr, exit); err != nil {
					t.Errorf("%v: %v", check.Command, err)
				}
			}
		})
	}
}

// runIn runs a command in dir and returns what it printed and its exit status.
func runIn(t *testing.T, dir string, command []string) (stdout, stderr string, exit int) {
	t.Helper()
	var out, errs strings.Builder
	c := exec.Command(command[0], command[1:]...)
	c.Dir, c.Stdout, c.Stderr = dir, &out, &errs
	c.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "JAMBA_MODEL=") })
	err := c.Run()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		exit = failed.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), exit
}

func (x *expectation) holds(dir string, command []string, stdout, stderr string, exit int) error {
	if x.AnyOf != nil {
		var all error
		for _, one := range x.AnyOf {
			err := one.holds(dir, command, stdout, stderr, exit)
			if err == nil {
				return nil
			}
			all = errors.Join(all, err)
		}
		return all
	}
	if exit != x.Exit {
		return fmt.Errorf("exit %d, want %d: %s", exit, x.Exit, stderr)
	}
	for _, word := range x.StderrContains {
		if !strings.Contains(strings.ToLower(stderr), strings.ToLower(word)) {
			return fmt.Errorf("standard error does not name %q: %s", word, stderr)
		}
	}
	if x.Stdout != nil && strings.TrimRight(stdout, "\n") != strings.TrimRight(*x.Stdout, "\n") {
		return fmt.Errorf("printed %q, want %q", stdout, *x.Stdout)
	}
	if x.FinishReason != "" || x.IDs != nil {
		if err := x.answer(stdout); err != nil {
			return err
		}
	}
	out := slices.Index(command, "-o") + 1
	if x.LogitsNPY != "" {
		return x.near(filepath.Join(dir, command[out]), filepath.Join(dir, x.LogitsNPY))
	}
	if x.CELoss != nil {
		b, err := os.ReadFile(filepath.Join(dir, command[out], "log.jsonl"))
		if err != nil {
			return err
		}
		var first struct {
			CELoss float64 `json:"ce_loss"`
		}
		line, _, _ := strings.Cut(string(b), "\n")
		if err := json.Unmarshal([]byte(line), &first); err != nil {
			return err
		}
		if math.Abs(first.CELoss-*x.CELoss) > x.Tolerance {
			return fmt.Errorf("cross entropy %v, want %v", first.CELoss, *x.CELoss)
		}
	}
	return nil
}

// near compares the logits in two files.
func (x *expectation) near(got, want string) error {
	g, err := logits(got)
	if err != nil {
		return err
	}
	w, err := logits(want)
	if err != nil {
		return err
	}
	if len(g) != len(w) {
		return fmt.Errorf("%d logits, want %d", len(g), len(w))
	}
	for i := range g {
		if d := math.Abs(float64(g[i]) - float64(w[i])); !(d <= x.Tolerance) {
			return fmt.Errorf("logit %d is %v, want %v", i, g[i], w[i])
		}
	}
	return nil
}

// logits reads a file of float32.
func logits(path string) ([]float32, error) {
	f, err := npy.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	v := make([]float32, f.Rows*f.Columns)
	return v, f.Read(v)
}

// answer compares what run --json or tokenize --json printed.
func (x *expectation) answer(stdout string) error {
	var r struct {
		FinishReason string `json:"finish_reason"`
		Tokens       []struct {
			ID int32 `json:"id"`
		} `json:"tokens"`
	}
	var ids []int32
	if json.Unmarshal([]byte(stdout), &ids) != nil {
		if err := json.Unmarshal([]byte(stdout), &r); err != nil {
			return err
		}
		for _, t := range r.Tokens {
			ids = append(ids, t.ID)
		}
	}
	if x.FinishReason != "" && r.FinishReason != x.FinishReason {
		return fmt.Errorf("finish_reason %q, want %q", r.FinishReason, x.FinishReason)
	}
	if x.IDs != nil && !slices.Equal(ids, x.IDs) {
		return fmt.Errorf("ids %v, want %v", ids, x.IDs)
	}
	return nil
}
