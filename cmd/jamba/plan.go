package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"jamba/checkpoint"
	"jamba/embedded"
	"jamba/internal/bounded"
	"jamba/internal/measure/bench"
	"jamba/internal/measure/plan"
	"jamba/model"
	"jamba/model/state"
	"jamba/quantize/recipe"
	"jamba/tensor"
)

type planCmd struct {
	Models    []string      `arg:"" optional:"" name:"model" help:"Model folders, .gguf files, config.json files or presets."`
	Memory    memoryFlag    `placeholder:"SIZE" help:"Memory of a device: 80GB (80·10⁹ bytes), 80GiB or 80g (80·2³⁰). Default: what this machine has free."`
	Context   tokensFlag    `placeholder:"N" help:"Tokens of each sequence; 256K is 256·1024. Default: the longest that the model was made for, else 4096."`
	Batch     int           `default:"1" placeholder:"B" help:"Sequences at a time. Default: 1."`
	Weights   planTypeFlag  `placeholder:"TYPE" help:"Count weights as jamba quantize --type TYPE would write them, or one-byte for each parameter, as papers count. Default: a file's own types, of a preset bf16."`
	KV        kvFlag        `name:"kv" placeholder:"TYPE" help:"Keep keys and values as f32, f16 or q8_0. Default: f16."`
	Devices   int           `default:"1" placeholder:"N" help:"Devices with that memory each, which the layers are spread over. Default: 1."`
	Prefill   plan.Prefill  `enum:"chunked,whole" default:"chunked" placeholder:"HOW" help:"chunked: prompts in passes of 512 tokens, as this engine does. whole: all prompts in one pass of 16-bit values. Default: chunked."`
	Bandwidth bandwidthFlag `placeholder:"GB/s" help:"What a device reads from its memory: bounds tokens per second."`
	Flops     flopsFlag     `placeholder:"N" help:"Operations a second of a device, such as 312T: bounds tokens per second."`
	JSON      bool          `name:"json" help:"Print a JSON array."`
	Plot      string        `placeholder:"FILE.png" help:"Draw memory against context."`
}

func (c *planCmd) Help() string {
	return `What a model takes and how fast it can be, computed from its settings: no weights are needed for a preset or a config.json. The largest context is that which fits with --batch, the largest batch that which fits with --context; beside each stands what grows most up to there. Rates are bounds that no device exceeds, not predictions. docs/plan.md says what is counted.

Presets: ` + plan.PresetNames() + `.

Examples:
  jamba plan MODEL.gguf                                     does it fit here, and with what context?
  jamba plan jamba-v0.1 mixtral-8x7b llama-2-70b --memory 80GB --weights one-byte --context 128K
  jamba plan jamba-1.5-large --devices 8 --memory 80GB --weights experts-int8 --context 256K
  jamba plan jamba-reasoning-3b --weights q4_k_m --kv q8_0 --memory 8g
  jamba plan jamba-v0.1 mixtral-8x7b --memory 80GB --bandwidth 2039 --flops 312T --batch 16 --context 8K
  jamba plan jamba-v0.1 mixtral-8x7b llama-2-70b --memory 80GB --plot memory.png --json`
}

// planTypeFlag is a type that plan counts weights in.
type planTypeFlag recipe.Recipe

// UnmarshalText reads the type's name.
func (f *planTypeFlag) UnmarshalText(b []byte) error {
	r, err := recipe.ParseRecipe(string(b), plan.WeightTypes())
	*f = planTypeFlag(r)
	return err
}

func (c *planCmd) Run(s *streams) error {
	if len(c.Models) == 0 {
		return usageError("no model given: name model folders, .gguf files, config.json files or presets: " + plan.PresetNames())
	}
	if c.Plot != "" && !strings.EqualFold(filepath.Ext(c.Plot), ".png") {
		return usageError(fmt.Sprintf("--plot %s: charts are PNG, name a file that ends in .png", c.Plot))
	}
	setting, err := c.setting()
	if err != nil {
		return err
	}
	var networks []*plan.Network
	var plans []*plan.Plan
	for _, name := range c.Models {
		n, err := c.network(s, name)
		if err != nil {
			return err
		}
		one := setting
		if one.Context == 0 {
			one.Context = min(plan.MaxContext, n.Config.MaxPositionEmbeddings)
		}
		if one.Context == 0 {
			one.Context = 4096
		}
		p, err := plan.Make(n, one)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		networks, plans = append(networks, n), append(plans, p)
	}
	if c.Plot != "" {
		if err := plan.Draw(c.Plot, networks, setting); err != nil {
			return err
		}
	}
	if c.JSON {
		return writeJSON(s.out, plans)
	}
	return printPlans(s, plans)
}

// setting returns what all models are planned for; a context of 0 is each one's own.
func (c *planCmd) setting() (plan.Setting, error) {
	s := plan.Setting{
		Memory: int64(c.Memory), Devices: c.Devices, Context: int(c.Context), Batch: c.Batch, KV: tensor.DType(c.KV), Prefill: c.Prefill,
		Limits: bench.Limits{ReadBytes: float64(c.Bandwidth), F32MACs: float64(c.Flops) / 2},
	}
	if s.KV == tensor.Invalid {
		s.KV = model.Fast.KV()
	}
	for _, f := range []struct {
		name    string
		n, most int
	}{{"context", max(1, s.Context), plan.MaxContext}, {"batch", s.Batch, plan.MaxBatch}, {"devices", s.Devices, plan.MaxDevices}} {
		if f.n < 1 || f.n > f.most {
			return s, usageError(fmt.Sprintf("--%s is %d, want 1 to %d", f.name, f.n, f.most))
		}
	}
	if s.Memory == 0 {
		free, known := state.Available()
		if !known || free == 0 {
			return s, usageError("how much memory is free is not known here: say --memory")
		}
		s.Memory = free
	}
	return s, nil
}

// network returns the model of that name: a path, or else a preset.
func (c *planCmd) network(s *streams, name string) (*plan.Network, error) {
	weights := recipe.Recipe(c.Weights)
	n := &plan.Network{Name: name, Weights: string(weights)}
	if preset, ok := plan.FindPreset(name); ok {
		var err error
		n.Name = preset.Name
		if n.Config, err = preset.Settings(); err != nil {
			return nil, err
		}
		return n, c.weigh(n)
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, os.ErrNotExist) && name != embedded.Model:
		return nil, plan.Unknown(name)
	case err == nil && info.Mode().IsRegular() && strings.EqualFold(filepath.Ext(name), ".json"):
		b, err := bounded.ReadText(name, 4<<20)
		if err == nil {
			n.Config, err = checkpoint.ParseConfig(b)
		}
		if err == nil {
			err = c.weigh(n)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return n, nil
	}
	m, err := open(name, checkpoint.Options{})
	if err != nil {
		return nil, err
	}
	defer m.Close()
	warnModel(s.err, m.from)
	n.Config, n.Name = m.Config, filepath.Base(name)
	if weights == "" {
		n.Sizes, n.Weights = m.Sizes(), "as stored"
		return n, nil
	}
	return n, c.weigh(n)
}

// weigh counts the weights of a model that has none, or is to have others.
func (c *planCmd) weigh(n *plan.Network) (err error) {
	weights := recipe.Recipe(c.Weights)
	if weights == "" {
		weights = "bf16" // in which, or in another type of 16 bits, models are published
	}
	n.Weights = string(weights)
	n.Sizes, err = plan.Weigh(&n.Config, weights)
	return err
}

// printPlans writes a table of memory, one of what is largest, and those of rates and devices where they were asked for.
func printPlans(s *streams, plans []*plan.Plan) error {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	first := plans[0]
	devices := ""
	if first.Devices > 1 {
		devices = fmt.Sprintf(" on each of %d devices", first.Devices)
	}
	fmt.Fprintf(w, "memory %.4g GB = %s%s, keys and values in %s, prompts %s\n\n", float64(first.Memory)/1e9, bytesize(first.Memory), devices, first.KV, first.Prefill)
	fmt.Fprint(w, "model\tparameters\tactive\tweights\tcontext\tbatch\tweights\tkeys, values\tstates\tactivations\tprogram\ttotal\tfits\n")
	for _, p := range plans {
		fits := "yes"
		if !p.Fits {
			fits = "no"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.Model, count(p.ParamsTotal), count(p.ParamsActive), p.Weights, tokens(p.Context), p.Batch,
			bytesize(p.Parts.Weights), bytesize(p.Parts.KV), bytesize(p.State), bytesize(p.Activations), bytesize(p.Program), bytesize(p.Total), fits)
	}
	w.Flush()
	fmt.Fprint(w, "\nmodel\tlargest context\tbound by\tmade for\tlargest batch\tbound by\n")
	for _, p := range plans {
		made := "-"
		if p.ModelContext > 0 {
			made = tokens(p.ModelContext)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", p.Model, largest(p.MaxContext, p.ContextBound), bound(p.ContextBound), made, largest(p.MaxBatch, p.BatchBound), bound(p.BatchBound))
	}
	w.Flush()
	if first.Decode != nil {
		fmt.Fprint(w, "\nmodel\tdecode, tok/s at most\tbound by\tprefill, tok/s at most\tbound by\n")
		for _, p := range plans {
			fmt.Fprintf(w, "%s\t%.4g\t%s\t%.4g\t%s\n", p.Model, p.Decode.TokPerSec, p.Decode.Kind, p.PrefillRate.TokPerSec, p.PrefillRate.Kind)
		}
		w.Flush()
	}
	if first.Devices > 1 {
		fmt.Fprint(w, "\nmodel\tdevice\tlayers\tbytes\n")
		for _, p := range plans {
			for i, d := range p.Split {
				fmt.Fprintf(w, "%s\t%d\t%d–%d\t%s\n", p.Model, i, d.First, d.Last, bytesize(d.Bytes))
			}
		}
	}
	return w.Flush()
}

// largest writes what fits at most, or that there is no end.
func largest(n int, bound plan.Part) string {
	if bound == plan.Nothing {
		return "any"
	}
	return tokens(n)
}

func bound(p plan.Part) string {
	if p == plan.KV {
		return "keys, values"
	}
	return string(p)
}

// tokens writes a number of tokens: multiples of 1024 such as 256K.
func tokens(n int) string {
	if n >= 1024 && n%1024 == 0 {
		return fmt.Sprintf("%dK", n/1024)
	}
	return fmt.Sprint(n)
}
