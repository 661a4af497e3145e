package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"jamba/embedded"
	"jamba/internal/choice"
	"jamba/internal/kernel"
	"jamba/internal/measure/bench"
	"jamba/internal/measure/schedule"
	"jamba/model"
)

type benchCmd struct {
	Models []string `short:"m" name:"model" env:"JAMBA_MODEL" sep:"none" placeholder:"MODEL" help:"A model folder or .gguf file. Several, each after its own -m, are measured in turn."`
	openFlags
	turnFlags
	benchTrainFlags
	Prefill    []int           `placeholder:"N,…" default:"512" help:"Prompts of N tokens. Default: 512."`
	Decode     []int           `placeholder:"N,…" default:"64" help:"N steps of one token a sequence. Default: 64."`
	Depth      []int           `placeholder:"N,…" default:"0" help:"Tokens that a sequence has before. Default: 0."`
	Batch      []int           `placeholder:"N,…" default:"1" help:"Sequences that decode together. Default: 1."`
	Threads    []int           `placeholder:"N,…" help:"Threads. Default: all cores."`
	Reps       int             `default:"5" placeholder:"N" help:"Repetitions of each; the table shows the median. Default: 5."`
	Precision  model.Precision `default:"fast" placeholder:"P" help:"fast or exact."`
	JSON       bool            `name:"json" help:"Print a JSON array of results instead of a table, each with the machine's limits; with --profile an object."`
	Profile    bool            `help:"Show where the time goes, by operation, for the first of each list."`
	Serving    []string        `placeholder:"KIND,…" help:"Measure the engine with many sequences instead: streams, turns, restart, together, mixed, long; or the server: http."`
	VsLlamaCpp string          `name:"vs-llama-cpp" placeholder:"DIR" help:"Run llama.cpp in turn on the same file, by the program lcbench in DIR."`
}

func (c *benchCmd) Help() string {
	return `Every figure stands beside its bound: the machine's memory or arithmetic, whichever allows less, measured in the same run. The bound counts what has to be done at least: bytes of weights as the file has them (of BF16 the 12 bits of 16 that are kept), each matrix read once in a step or in 512 tokens of a prompt, of experts only those that are chosen; multiply-adds of each matrix at the speed of its type. A depth is filled with random content, not computed. Peak RSS is the most memory in use while the work ran, weights included. A line says from how many rows of activations on products go by which kernels, and whether that was measured on this machine (jamba version --help).

--profile shows where the time goes by operation; its GB/s count the bytes that the kernels read, of weights once for each product, which are more than the file's for types that they unpack and fewer for BF16, and of keys and values once for each sequence. Beside it stand the machine's limits in the same run.

Several models, and with --schedule such as have no weights, are measured in turn: a repetition of each, so that what drifts on the machine is in no ratio; the table shows medians and the range. A schedule is ` + schedule.Syntax + `: the layers of a preset of jamba plan with random weights (--weights, by default q8_0), K times fewer of them; MIX is attention, mamba, A:M (so many layers with attention to so many with Mamba) or dense, with an MLP in place of experts. If the weights of all take more than half of the free memory, all are made narrower alike, which the output says; --narrow sets how much. A prompt is timed up to the logits of the first answer token, after --depth tokens of context. Peak RSS is what the model took to open and its work added at most. With --json the table is on standard error.

--train measures steps of training instead, on random tokens, of new weights or those of -m, which stay as they are on the disk. GFLOPS are 6 x active parameters x tokens; their bound is the float32 peak. Beside the peak RSS stands what jamba train predicts as memory. Of the other flags --threads, --reps, --json and --profile hold. --vs-hf runs PROGRAM DIR THREADS BATCH SEQ after each repetition, where DIR has the model's config.json.

--serving measures what many sequences get of that speed: streams, --batch of them that decode together through the engine, beside passes alone; turns, the time to the first token of a second turn, and of another conversation that begins alike, beside that of a first one of --depth (16384) tokens; restart, that of a second turn after a restart; together, 32 requests with 4096 tokens in common; mixed, the times between tokens of 8 streams, while prompts of 4096 tokens come, beside those without; long, one prompt of --prefill tokens and its memory. http, alone: --batch clients at once that stream answers of --decode tokens to prompts of --prefill through HTTP, beside as many without it, in turn.

--vs-llama-cpp runs DIR/lcbench FILE THREADS pp|tg TOKENS DEPTH 1 CHUNK|BATCH after each repetition, with the same file, threads, tokens, depth and batch, and reads the figure behind "tok/s … med". At depth 0 that is the work that llama-bench does, too.

Examples:
  jamba bench -m MODEL
  jamba bench -m MODEL --prefill 512,2048 --decode 64 --depth 0,4096,16384 --batch 1,8,32
  jamba bench -m MODEL --profile
  jamba bench -m A -m B --depth 1024,32768 --batch 1,32
  jamba bench --schedule jamba-v0.1/4 --schedule mixtral-8x7b/4 --depth 1024,16384,131072 --batch 1,8,64 --plot bench.png
  jamba bench --schedule jamba-v0.1/4 --schedule jamba-v0.1@attention/4 --schedule jamba-v0.1@mamba/4 --schedule jamba-v0.1@dense/4
  jamba bench -m MODEL --serving streams,turns --batch 8,32 --decode 32
  jamba bench -m MODEL --serving http --batch 1,8,32 --decode 128
  jamba bench -m MODEL.gguf --vs-llama-cpp DIR --json
  jamba bench --train --train-batch 4 --train-seq 512,1024,2048
  jamba bench --train small --profile`
}

func (c *benchCmd) Run(s *streams) error {
	if err := c.check(); err != nil {
		return err
	}
	ctx, stop := untilInterrupted()
	defer stop()
	if c.Train {
		return c.train(ctx, s)
	}
	if c.Config != "" || c.VsHF != "" {
		return usageError("a model's settings and --vs-hf are for --train")
	}
	if c.inTurn() {
		return c.turns(ctx, s)
	}
	if err := c.checkOne(); err != nil {
		return err
	}
	if slices.Equal(c.Serving, []string{"http"}) {
		return c.http(ctx, s)
	}
	path := c.path()
	start := time.Now()
	m, err := c.load(s.err, path, c.Precision)
	if err != nil {
		return err
	}
	defer m.Close()
	took := time.Since(start)
	if len(c.Serving) > 0 {
		return c.serving(ctx, s, m.Model)
	}
	plan := bench.Plan{
		Prefill: c.Prefill, Decode: c.Decode, Depth: c.Depth, Batch: c.Batch, Threads: c.Threads, Reps: c.Reps,
	}
	if c.VsLlamaCpp != "" {
		plan.Peer = bench.LlamaCpp(c.VsLlamaCpp, path)
	}
	if c.Profile {
		return c.profile(ctx, s, m.Model, plan)
	}
	if c.JSON {
		results := []bench.Result{}
		if err := bench.Run(ctx, m.Model, plan, func(bench.Limits) {}, func(r bench.Result) { results = append(results, r) }); err != nil {
			return err
		}
		return writeJSON(s.out, results)
	}
	total := m.Sizes().Total()
	fmt.Fprintf(s.out, "%s parameters, active %s, weights %s; %s kernels, %v, keys and values %s; open in %v\n",
		count(total.Params), count(total.ActiveParams), bytesize(total.Bytes), kernel.Tier(), c.Precision, strings.ToLower(m.KV().String()), took.Round(time.Millisecond))
	c.printChoice(s.out)
	return bench.Run(ctx, m.Model, plan, func(l bench.Limits) { printLimits(s.out, l, plan.Peer != nil) }, func(r bench.Result) { printResult(s.out, r) })
}

// path returns the model's path, by default that of the model that the command carries.
func (c *benchCmd) path() string {
	if len(c.Models) == 0 {
		return embedded.Model
	}
	return c.Models[0]
}

// check returns an error for lists of numbers that cannot be.
func (c *benchCmd) check() error {
	c.Models = slices.DeleteFunc(c.Models, func(m string) bool { return m == "" }) // of an empty JAMBA_MODEL
	if c.Threads == nil {
		c.Threads = []int{min(runtime.GOMAXPROCS(0), runtime.NumCPU())}
	}
	if c.VsLlamaCpp != "" {
		switch {
		case c.Weights != "" || c.Adapter != "":
			return usageError("--vs-llama-cpp runs llama.cpp on the file as it is; leave out --weights and --adapter")
		case !strings.HasSuffix(c.path(), ".gguf"):
			return usageError(fmt.Sprintf("--vs-llama-cpp: llama.cpp reads .gguf files, and %s is none", c.path()))
		}
	}
	const limit = 1 << 30
	for _, list := range []struct {
		flag      string
		numbers   []int
		low, high int
	}{
		{"--prefill", c.Prefill, 1, limit},
		{"--decode", c.Decode, 1, limit},
		{"--depth", c.Depth, 0, limit},
		{"--batch", c.Batch, 1, 1 << 16},
		{"--threads", c.Threads, 1, runtime.NumCPU()},
		{"--reps", []int{c.Reps}, 1, 1 << 16},
		{"--train-batch", c.TrainBatch, 1, 1 << 12},
		{"--train-seq", c.TrainSeq, 2, 1 << 20},
	} {
		if len(list.numbers) == 0 {
			return usageError(list.flag + " is empty, want one number or more")
		}
		for _, n := range list.numbers {
			if n < list.low || n > list.high {
				return usageError(fmt.Sprintf("%s is %d, want %d to %d", list.flag, n, list.low, list.high))
			}
		}
	}
	return nil
}

// printChoice writes from how many rows on products go by which kernels.
func (c *benchCmd) printChoice(w io.Writer) {
	if ways := choice.InUse(); ways != "" && c.Precision == model.Fast {
		fmt.Fprintln(w, ways)
	}
}

// printMachine writes what the machine reaches.
func printMachine(w io.Writer, l bench.Limits) {
	fmt.Fprintf(w, "\n%d threads: memory %.1f GB/s, float32 %.0f GFLOPS, 8-bit %.0f GOPS\n", l.Threads, l.ReadBytes/1e9, 2*l.F32MACs/1e9, 2*l.I8MACs/1e9)
	if l.TileI8MACs > 0 {
		fmt.Fprintf(w, "tile units: 8-bit %.0f GOPS, BF16 %.0f GFLOPS\n", 2*l.TileI8MACs/1e9, 2*l.TileBF16MACs/1e9)
	}
}

func printLimits(w io.Writer, l bench.Limits, peer bool) {
	printMachine(w, l)
	fmt.Fprint(w, "work      tokens   depth  batch     tok/s   (min …   max)   of the bound      peak RSS")
	if peer {
		fmt.Fprint(w, "   llama.cpp  ratio")
	}
	fmt.Fprintln(w)
}

func printResult(w io.Writer, r bench.Result) {
	fmt.Fprintf(w, "%-8s %7d %7d %6d %9.1f (%6.1f %6.1f)  %5.1f %% %-10s %9s", r.Work, r.Tokens, r.Depth, r.Batch,
		r.TokPerSec.Median, r.TokPerSec.Min, r.TokPerSec.Max, 100*r.Fraction, r.Bound.Kind, peakRSS(r))
	if r.Peer != nil {
		fmt.Fprintf(w, "   %9.1f  %4.2fx", r.Peer.Median, r.Ratio)
	}
	fmt.Fprintln(w)
}

func peakRSS(r bench.Result) string {
	if r.PeakRSS == 0 {
		return "unknown"
	}
	return bytesize(r.PeakRSS)
}

func (c *benchCmd) profile(ctx context.Context, s *streams, m *model.Model, plan bench.Plan) error {
	prefill, decode, limits, err := bench.Profile(ctx, m, plan)
	if err != nil {
		return err
	}
	if !c.JSON {
		c.printChoice(s.out)
		printMachine(s.out, limits)
	}
	return c.operations(s, profile{"prefill", prefill}, profile{"decode", decode})
}

// profile is the operations of one kind of work.
type profile struct {
	name string
	ops  []model.Operation
}

// operations prints profiles.
func (c *benchCmd) operations(s *streams, all ...profile) error {
	if c.JSON {
		byName := map[string][]model.Operation{}
		for _, work := range all {
			byName[work.name] = work.ops
		}
		return writeJSON(s.out, byName)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, work := range all {
		var total time.Duration
		for _, o := range work.ops {
			total += o.Time
		}
		slices.SortFunc(work.ops, func(a, b model.Operation) int { return int(b.Time - a.Time) })
		fmt.Fprintf(w, "%s\tshare\tms\tcalls\tGB/s read\tGMAC/s\t\n", work.name)
		for _, o := range work.ops {
			fmt.Fprintf(w, "%s\t%.1f %%\t%.2f\t%d\t%.1f\t%.1f\t\n", o.Name, 100*o.Time.Seconds()/total.Seconds(), 1e3*o.Time.Seconds(), o.Calls,
				float64(o.Bytes)/o.Time.Seconds()/1e9, float64(o.MACs)/o.Time.Seconds()/1e9)
		}
		fmt.Fprintln(w, "\t\t\t\t\t\t")
	}
	return w.Flush()
}
