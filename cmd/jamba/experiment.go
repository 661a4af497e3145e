package main

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"jamba/internal/measure/ablation"
	"jamba/internal/printable"
)

type experimentCmd struct {
	File string `arg:"" help:"A file that describes models, their task and their training, such as experiments/recall.yaml."`
	Out  string `short:"o" placeholder:"FILE.json" help:"Where the results are kept; runs that it has are not made again. Default: beside FILE."`
	Plot string `placeholder:"FILE.png" help:"Where the curves are drawn. Default: beside the results."`
	threadsFlag
}

func (c *experimentCmd) Help() string {
	return `Trains the models of an experiment, which differ in their schedule alone, on the same batches for the same steps, once for each seed, and prints and draws what each has learned. Results are written after each run; after Ctrl-C the same command goes on with the run that it interrupted. docs/experiments.md says what the files hold and what came out.

Examples:
  jamba experiment experiments/recall.yaml
  jamba experiment experiments/recall.yaml -o mine.json`
}

func (c *experimentCmd) Run(s *streams) error {
	if err := c.apply(); err != nil {
		return err
	}
	out := cmp.Or(c.Out, strings.TrimSuffix(c.File, filepath.Ext(c.File))+".json")
	plot := cmp.Or(c.Plot, strings.TrimSuffix(out, filepath.Ext(out))+".png")
	if !strings.EqualFold(filepath.Ext(plot), ".png") || !strings.EqualFold(filepath.Ext(out), ".json") {
		return usageError(fmt.Sprintf("results %s and charts %s: want files that end in .json and .png", out, plot))
	}
	e, err := ablation.Open(c.File)
	if err != nil {
		return err
	}
	results, err := e.Read(out)
	if err != nil {
		return err
	}
	if results.Command == "" {
		results.Command = "jamba experiment " + filepath.ToSlash(c.File)
	}
	ctx, stop := untilInterrupted()
	defer stop()
	shown := time.Now()
	err = e.Fill(ctx, results, out, ablation.Progress{
		Step: func(model string, seed uint64, step int, loss float64) {
			if time.Since(shown) < 5*time.Second {
				return
			}
			shown = time.Now()
			fmt.Fprintf(s.err, "%s, seed %d: step %d of %d, loss %.4f\n", printable.Line(model), seed, step, e.Steps, loss)
		},
		Done: func(r *ablation.Run) {
			fmt.Fprintf(s.err, "%s, seed %d: done in %.0f s, loss %.4f\n", printable.Line(r.Model), r.Seed, r.Seconds, r.Loss)
		},
	})
	if len(results.Runs) > 0 {
		fmt.Fprint(s.out, printable.Text(results.Table()))
		err = errors.Join(err, results.Draw(plot))
	}
	return err
}
