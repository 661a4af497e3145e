package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"jamba/checkpoint"
	"jamba/internal/kernel"
	"jamba/internal/measure/bench"
	"jamba/model"
	"jamba/tensor"
	"jamba/train/recipe"
)

// benchTrainFlags say which steps of training to measure.
type benchTrainFlags struct {
	Config     string `arg:"" optional:"" help:"With --train: what to train, a preset of jamba train or a file with a model's settings. Default: the model of -m, or a hybrid of 7 M parameters."`
	Train      bool   `group:"Training" help:"Measure steps of training: forward, backward, clipping and AdamW, in float32."`
	TrainBatch []int  `group:"Training" placeholder:"N,…" default:"4" help:"Sequences of a step. Default: 4."`
	TrainSeq   []int  `group:"Training" placeholder:"N,…" default:"512" help:"Tokens of a sequence. Default: 512."`
	VsHF       string `name:"vs-hf" group:"Training" placeholder:"PROGRAM" help:"Train the same model in turn with transformers, by a program such as scripts/train-speed.py."`
}

// train measures training.
func (c *benchCmd) train(ctx context.Context, s *streams) error {
	if c.Adapter != "" || c.Weights != "" || c.VsLlamaCpp != "" {
		return usageError("--adapter, --weights and --vs-llama-cpp are not for --train")
	}
	if c.inTurn() {
		return usageError("several models and --schedule are not for --train")
	}
	m, err := c.trained()
	if err != nil {
		return err
	}
	plan := bench.TrainPlan{Batch: c.TrainBatch, Seq: c.TrainSeq, Threads: c.Threads, Reps: c.Reps}
	if c.Profile {
		ops, err := bench.ProfileTraining(ctx, m, plan)
		if err != nil {
			return err
		}
		return c.operations(s, profile{"train", ops})
	}
	if c.VsHF != "" {
		dir, err := os.MkdirTemp("", "jamba-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		config, err := checkpoint.WriteConfig(&m.Config, tensor.F32)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "config.json"), config, 0o666)
		}
		if err != nil {
			return err
		}
		plan.Peer = bench.Transformers(c.VsHF, dir)
	}
	if c.JSON {
		results := []bench.Result{}
		if err := bench.RunTraining(ctx, m, plan, func(bench.Limits) {}, func(r bench.Result) { results = append(results, r) }); err != nil {
			return err
		}
		return writeJSON(s.out, results)
	}
	total := m.Sizes().Total()
	fmt.Fprintf(s.out, "%s parameters, active %s; %s kernels\n", count(total.Params), count(total.ActiveParams), kernel.Tier())
	return bench.RunTraining(ctx, m, plan, func(l bench.Limits) {
		fmt.Fprintf(s.out, "\n%d threads: float32 %.0f GFLOPS\n", l.Threads, 2*l.F32MACs/1e9)
		fmt.Fprint(s.out, "work      tokens  batch     tok/s   (min …   max)   GFLOPS   of the peak   peak RSS  predicted")
		if plan.Peer != nil {
			fmt.Fprint(s.out, "   transformers  ratio")
		}
		fmt.Fprintln(s.out)
	}, func(r bench.Result) {
		fmt.Fprintf(s.out, "%-8s %7d %6d %9.1f (%6.1f %6.1f) %8.1f       %5.1f %%  %9s  %9s", r.Work, r.Tokens, r.Batch, r.TokPerSec.Median,
			r.TokPerSec.Min, r.TokPerSec.Max, r.GFLOPS, 100*r.Fraction, peakRSS(r), bytesize(r.Predicted))
		if r.Peer != nil {
			fmt.Fprintf(s.out, "   %12.1f  %4.1fx", r.Peer.Median, r.Ratio)
		}
		fmt.Fprintln(s.out)
	})
}

// trained returns the model to train.
func (c *benchCmd) trained() (*model.Model, error) {
	config, err := bench.TrainConfig()
	switch {
	case c.Config != "":
		r, err := recipe.Open(c.Config)
		if err != nil {
			return nil, err
		}
		return model.New(r.Config, 0, model.InitializerRange)
	case len(c.Models) > 0:
		return checkpoint.OpenForTraining(c.path())
	case err != nil:
		return nil, err
	}
	return model.New(config, 0, model.InitializerRange)
}
