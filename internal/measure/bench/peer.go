package bench

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// median finds the figure in what peers print, such as "… tok/s min 1.00 med 1.00 max 1.00 (n=1)".
var median = regexp.MustCompile(`tok/s min \S+ med (\S+) max`)

// LlamaCpp returns a Plan.Peer that runs llama.cpp on the same GGUF file, by the program lcbench in the folder dir.
func LlamaCpp(dir, file string) func(ctx context.Context, r Result) (float64, error) {
	return func(ctx context.Context, r Result) (float64, error) {
		args := []string{file, strconv.Itoa(r.Threads)}
		if r.Work == "prefill" {
			args = append(args, "pp", strconv.Itoa(r.Tokens), strconv.Itoa(r.Depth), "1", strconv.Itoa(Chunk))
		} else {
			args = append(args, "tg", strconv.Itoa(r.Tokens), strconv.Itoa(r.Depth), "1", strconv.Itoa(r.Batch))
		}
		return figure(ctx, filepath.Join(dir, "lcbench"), args)
	}
}

// Transformers returns a TrainPlan.Peer that trains a model of the config.json in the folder dir, by a program such as
// scripts/train-speed.py.
func Transformers(program, dir string) func(ctx context.Context, r Result) (float64, error) {
	return func(ctx context.Context, r Result) (float64, error) {
		return figure(ctx, program, []string{dir, strconv.Itoa(r.Threads), strconv.Itoa(r.Batch), strconv.Itoa(r.Tokens)})
	}
}

// figure runs a program and returns the speed that it prints.
func figure(ctx context.Context, program string, args []string) (float64, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	found := median.FindSubmatch(out)
	if found == nil {
		return 0, fmt.Errorf("%s: no figure in its output: %s", strings.Join(cmd.Args, " "), bytes.TrimSpace(out))
	}
	rate, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil || !(rate > 0) || math.IsInf(rate, 0) {
		return 0, fmt.Errorf("%s: %q is no speed; its output: %s", strings.Join(cmd.Args, " "), found[1], bytes.TrimSpace(out))
	}
	return rate, nil
}
