package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"jamba/internal/choice"
	"jamba/internal/kernel"
	"jamba/internal/measure/bench"
	"jamba/internal/measure/plan"
	"jamba/internal/measure/schedule"
	"jamba/internal/printable"
	"jamba/model"
	"jamba/model/state"
	"jamba/quantize/recipe"
	"jamba/tensor"
)

// turnFlags say which models to measure in turn.
type turnFlags struct {
	Schedule []string `group:"In turn" sep:"none" placeholder:"SCHEDULE" help:"Measure a schedule without weights: a preset of jamba plan, such as jamba-v0.1/4. May be repeated."`
	Narrow   int      `group:"In turn" placeholder:"N" help:"Divide the widths of all schedules by N. Default: as memory asks for."`
	Plot     string   `group:"In turn" placeholder:"FILE.png" help:"Draw speed against context and batch."`
}

// inTurn reports whether several models are measured.
func (c *benchCmd) inTurn() bool { return len(c.Models) > 1 || len(c.Schedule) > 0 }

// checkOne returns an error if a flag is for models in turn and there is one model.
func (f *turnFlags) checkOne() error {
	if f.Narrow != 0 || f.Plot != "" {
		return usageError("--narrow and --plot are for several models or --schedule")
	}
	return nil
}

// turns measures several models in turn.
func (c *benchCmd) turns(ctx context.Context, s *streams) error {
	if err := c.checkTurns(); err != nil {
		return err
	}
	known := bench.Report{Kernels: kernel.Tier(), Precision: c.Precision.String(), Depth: "filled with random content", Reps: c.Reps, Results: []bench.Turn{}}
	var sides []bench.Side
	add := func(about bench.About, m *model.Model, before int64) {
		total := m.Sizes().Total()
		about.Layers, about.Hidden = len(m.Config.Layers), m.Config.HiddenSize
		about.ParamsTotal, about.ParamsActive, about.WeightsBytes = total.Params, total.ActiveParams, total.Bytes
		bench.ResetPeak()
		about.OpenedBytes = max(total.Bytes, bench.RSS()-before)
		known.KV = strings.ToLower(m.KV().String())
		known.Models = append(known.Models, about)
		sides = append(sides, bench.Side{Name: about.Name, Model: m, Opened: about.OpenedBytes})
	}
	if c.Precision == model.Fast {
		choice.Use() // also where there are only schedules, which are packed as they are made
	}
	schedules, err := c.schedules(&known)
	if err != nil {
		return err
	}
	for _, one := range schedules {
		bench.ResetPeak()
		before := bench.RSS()
		m, err := one.Model(c.scheduleWeights(), tensor.DType(c.KV))
		if err != nil {
			return fmt.Errorf("%s: %w", one.Name, err)
		}
		add(bench.About{Name: one.Name, Note: one.Note, Synthetic: true, Weights: string(c.scheduleWeights())}, m, before)
	}
	for _, path := range c.Models {
		bench.ResetPeak()
		before := bench.RSS()
		m, err := c.load(s.err, path, c.Precision)
		if err != nil {
			return err
		}
		defer m.Close()
		add(bench.About{Name: filepath.Base(path), Weights: cmp.Or(string(c.Weights), "as stored")}, m.Model, before)
	}
	what := bench.Plan{Prefill: c.Prefill, Decode: c.Decode, Depth: c.Depth, Batch: c.Batch, Threads: c.Threads, Reps: c.Reps}
	table := s.out
	if c.JSON {
		table = s.err // it takes long
	}
	printReport(table, &known)
	c.printChoice(table)
	err = bench.RunInTurn(ctx, sides, what, func(l bench.Limits) { printTurnHead(table, l) }, func(t bench.Turn) {
		known.Results = append(known.Results, t)
		printTurn(table, &t, sides[0].Name)
	})
	// What was measured before an interruption is worth having.
	if len(known.Results) > 0 && c.Plot != "" {
		err = errors.Join(err, bench.DrawTurns(c.Plot, known.Results))
	}
	if len(known.Results) > 0 && c.JSON {
		err = errors.Join(err, writeJSON(s.out, known))
	}
	return err
}

// checkTurns returns an error for flags that do not go together.
func (c *benchCmd) checkTurns() error {
	switch {
	case c.Profile || len(c.Serving) > 0 || c.VsLlamaCpp != "" || c.Adapter != "":
		return usageError("--profile, --serving, --vs-llama-cpp and --adapter are for one model")
	case len(c.Schedule) > 0 && c.Precision != model.Fast:
		return usageError("--schedule is measured with --precision fast")
	case c.Narrow < 0 || c.Narrow > 256:
		return usageError(fmt.Sprintf("--narrow is %d, want 1 to 256", c.Narrow))
	case c.Narrow > 0 && len(c.Schedule) == 0:
		return usageError("--narrow is for --schedule: models that have weights are as wide as they are")
	case c.Plot != "" && !strings.EqualFold(filepath.Ext(c.Plot), ".png"):
		return usageError(fmt.Sprintf("--plot %s: charts are PNG, name a file that ends in .png", c.Plot))
	}
	return nil
}

// scheduleWeights is the type of the weights that are made.
func (c *benchCmd) scheduleWeights() recipe.Recipe { return cmp.Or(recipe.Recipe(c.Weights), "q8_0") }

// schedules reads --schedule, and makes all of them narrower alike if that was asked for, or if their weights would take more
// than half of the free memory: the other half is for what sequences remember.
func (c *benchCmd) schedules(known *bench.Report) ([]schedule.Schedule, error) {
	free, memoryKnown := state.Available()
	for narrow := max(1, c.Narrow); ; narrow *= 2 {
		known.Narrow = narrow
		var all []schedule.Schedule
		bytes := int64(0)
		for _, text := range c.Schedule {
			one, err := schedule.Parse(text)
			if err != nil {
				return nil, usageError("--schedule " + err.Error())
			}
			one.Narrow(narrow)
			sizes, err := plan.Weigh(&one.Config, c.scheduleWeights())
			if err != nil {
				return nil, fmt.Errorf("%s: %w", one.Name, err)
			}
			bytes += sizes.Total().Bytes
			all = append(all, one)
		}
		switch {
		case !memoryKnown || bytes <= free/2 || c.Narrow > 0 && bytes <= free:
			return all, nil
		case c.Narrow > 0 || narrow >= 256:
			return nil, fmt.Errorf("the schedules' weights take %s, %s are free; fewer layers (/K) or a larger --narrow take less", bytesize(bytes), bytesize(free))
		}
	}
}

// printReport writes what is measured.
func printReport(w io.Writer, k *bench.Report) {
	fmt.Fprintf(w, "%s kernels, %s, keys and values %s; depths are %s; medians of %d repetitions in turn\n", k.Kernels, k.Precision, k.KV, k.Depth, k.Reps)
	for _, m := range k.Models {
		fmt.Fprintf(w, "%s: %s parameters, active %s, weights %s (%s)", printable.Line(m.Name), count(m.ParamsTotal), count(m.ParamsActive), bytesize(m.WeightsBytes), m.Weights)
		if m.Synthetic {
			fmt.Fprintf(w, "; random weights, %s, hidden size %d", m.Note, m.Hidden)
		}
		fmt.Fprintln(w)
	}
}

func printTurnHead(w io.Writer, l bench.Limits) {
	printMachine(w, l)
	fmt.Fprintf(w, "%-28s %-8s %7s %7s %6s %9s (%6s … %6s)  %6s (%4s–%4s)  %-20s %9s %10s %10s %10s\n", "model", "work", "tokens", "depth", "batch", "tok/s", "min", "max",
		"ratio", "min", "max", "of the bound", "seconds", "K/V", "state", "peak RSS")
}

func printTurn(w io.Writer, t *bench.Turn, first string) {
	fmt.Fprintf(w, "%-28s %-8s %7d %7d %6d ", printable.Cut(t.Model, 28), t.Work, t.Tokens, t.Depth, t.Batch)
	if t.Missing != "" {
		fmt.Fprintln(w, "not measured:", t.Missing)
		return
	}
	ratio := strings.Repeat(" ", 19)
	if t.Model != first && t.Ratio.Median > 0 {
		ratio = fmt.Sprintf("%5.2fx (%4.2f–%4.2f)", t.Ratio.Median, t.Ratio.Min, t.Ratio.Max)
	}
	fmt.Fprintf(w, "%9.1f (%6.1f … %6.1f)  %s  %5.1f %% %-12s %9.3f %10s %10s %10s\n", t.TokPerSec.Median, t.TokPerSec.Min, t.TokPerSec.Max, ratio,
		100*t.Fraction, t.Bound.Kind, t.Seconds.Median, bytesize(t.KVBytes), bytesize(t.StateBytes), peakRSS(t.Result))
}
