// Command claims prints docs/claims.md: what the papers say of Jamba, and what of it was found here. Figures on paper come from
// internal/measure/plan, those of runs from the files that the commands on the page have written.
//
//	go run ./scripts/claims > docs/claims.md
package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"jamba/internal/measure/ablation"
	"jamba/internal/measure/bench"
	"jamba/internal/measure/plan"
	"jamba/quantize/recipe"
	"jamba/tensor"
)

//go:embed claims.md.tmpl
var page string

func main() {
	if err := write(os.Stdout, "."); err != nil {
		fmt.Fprintln(os.Stderr, "claims:", err)
		os.Exit(1)
	}
}

// write writes the page, with the results that lie in the repository at root.
func write(w io.Writer, root string) error {
	t, err := template.New("claims").Funcs(template.FuncMap{
		"kv": keysValues, "params": params, "layers": layers, "context": largestContext, "memory": memory, "roof": roof, "share": share,
		"schedules": func() (*bench.Report, error) {
			return read[bench.Report](filepath.Join(root, "docs", "schedules.json"))
		},
		"ratios": ratios, "first": firstToken, "machine": machine,
		"experiment": func(name string) (*ablation.Results, error) {
			return read[ablation.Results](filepath.Join(root, "experiments", name+".json"))
		},
		"learned": (*ablation.Results).Table, "list": func(n ...int) []int { return n },
	}).Parse(page)
	if err != nil {
		return err
	}
	return t.Execute(w, nil)
}

// read reads results; nil: there are none yet.
func read[T any](path string) (*T, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v := new(T)
	if err := json.Unmarshal(b, v); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

// network returns a preset with weights of that type.
func network(name string, weights recipe.Recipe) (*plan.Network, error) {
	preset, ok := plan.FindPreset(name)
	if !ok {
		return nil, plan.Unknown(name)
	}
	c, err := preset.Settings()
	if err != nil {
		return nil, err
	}
	sizes, err := plan.Weigh(&c, weights)
	return &plan.Network{Name: name, Config: c, Sizes: sizes, Weights: string(weights)}, err
}

// setting is one GPU of 80 GB with f16 keys and values.
func setting(context, batch int, prefill plan.Prefill) plan.Setting {
	return plan.Setting{Memory: 80e9, Devices: 1, Context: context, Batch: batch, KV: tensor.F16, Prefill: prefill}
}

// keysValues returns GiB of keys and values of 256K tokens.
func keysValues(name string) (string, error) {
	n, err := network(name, "bf16")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%g", float64(n.Parts(setting(256<<10, 1, plan.Chunked)).KV)/(1<<30)), nil
}

// params returns billions of parameters and active ones.
func params(name string) (string, error) {
	n, err := network(name, "bf16")
	if err != nil {
		return "", err
	}
	total := n.Sizes.Total()
	return fmt.Sprintf("%.2f, %.2f", float64(total.Params)/1e9, float64(total.ActiveParams)/1e9), nil
}

// layers counts a preset's layers with attention, and all.
func layers(name string) (string, error) {
	n, err := network(name, "bf16")
	if err != nil {
		return "", err
	}
	attention := 0
	for _, l := range n.Config.Layers {
		if l.Attention != nil {
			attention++
		}
	}
	return fmt.Sprintf("%d of %d", attention, len(n.Config.Layers)), nil
}

// largestContext returns the tokens that fit on one GPU of 80 GB with one byte a parameter: beside the weights alone, with this
// engine, or with prompts in one pass.
func largestContext(name, how string) (int, error) {
	n, err := network(name, plan.OneByte)
	if err != nil {
		return 0, err
	}
	if how == "alone" {
		p := n.Parts(setting(1<<10, 1, plan.Chunked))
		return int((80e9 - float64(p.Weights)) / float64(p.KV) * (1 << 10)), nil
	}
	p, err := plan.Make(n, setting(1<<10, 1, plan.Prefill(how)))
	if err != nil {
		return 0, err
	}
	return p.MaxContext, nil
}

// memory returns GB that a preset takes with weights of that type and so many tokens, with this engine.
func memory(name, weights string, context int) (string, error) {
	n, err := network(name, recipe.Recipe(weights))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%.1f", float64(n.Parts(setting(context, 1, plan.Chunked)).Total())/1e9), nil
}

// a100 is the limits of that GPU: 2039 GB/s, 312 TFLOPS.
var a100 = bench.Limits{ReadBytes: 2039e9, F32MACs: 156e12, I8MACs: 156e12}

// roof returns how many times faster than b a may decode at most on one A100, with weights of that type.
func roof(a, b, weights string, batch, context int) (string, error) {
	var rates []float64
	for _, name := range []string{a, b} {
		n, err := network(name, recipe.Recipe(weights))
		if err != nil {
			return "", err
		}
		r := bench.Network{Config: &n.Config, Sizes: n.Sizes, KV: tensor.F16, Chunk: bench.Chunk}.Decode(batch, context, a100)
		rates = append(rates, r.TokPerSec)
	}
	return fmt.Sprintf("%.2fx", rates[0]/rates[1]), nil
}

// share returns the share of parameters that a token uses.
func share(name string) (string, error) {
	n, err := network(name, "bf16")
	if err != nil {
		return "", err
	}
	total := n.Sizes.Total()
	return fmt.Sprintf("%.0f %%", 100*float64(total.ActiveParams)/float64(total.Params)), nil
}

// ratios returns a table of decoding speed: of the first model tokens a second, of it to each other model how many times faster,
// by context and batch.
func ratios(r *bench.Report) string {
	var b strings.Builder
	var batches, depths []int
	for _, t := range r.Results {
		if t.Work == "decode" {
			batches, depths = append(batches, t.Batch), append(depths, t.Depth)
		}
	}
	batches, depths = unique(batches), unique(depths)
	first := r.Models[0].Name
	b.WriteString("| | context |")
	for _, batch := range batches {
		fmt.Fprintf(&b, " %d |", batch)
	}
	b.WriteString("\n| --- | --- |" + strings.Repeat(" --- |", len(batches)) + "\n")
	for i, m := range r.Models {
		what := fmt.Sprintf("%s, tok/s", first)
		if i > 0 {
			what = fmt.Sprintf("%s to %s", first, m.Name)
		}
		for _, depth := range depths {
			fmt.Fprintf(&b, "| %s | %d |", what, depth)
			what = ""
			for _, batch := range batches {
				fmt.Fprintf(&b, " %s |", cell(r, m.Name, i == 0, depth, batch))
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// cell returns the figure of a model at a context and a batch. Results have the ratio of a model to the first one.
func cell(r *bench.Report, name string, first bool, depth, batch int) string {
	at := slices.IndexFunc(r.Results, func(t bench.Turn) bool {
		return t.Work == "decode" && t.Model == name && t.Depth == depth && t.Batch == batch
	})
	switch {
	case at < 0:
		return ""
	case r.Results[at].Missing != "":
		return "does not fit"
	}
	t := r.Results[at]
	if first {
		return fmt.Sprintf("%.1f (%.1f–%.1f)", t.TokPerSec.Median, t.TokPerSec.Min, t.TokPerSec.Max)
	}
	if t.Ratio.Median == 0 {
		return "" // the first one does not fit
	}
	return fmt.Sprintf("%.2fx (%.2f–%.2f)", 1/t.Ratio.Median, 1/t.Ratio.Max, 1/t.Ratio.Min)
}

// firstToken returns a table of the time to the first token of an answer, by the context before the prompt, and what one sequence
// remembers then.
func firstToken(r *bench.Report) string {
	var b strings.Builder
	b.WriteString("| | context | prompt | seconds | keys, values and states, MB |\n| --- | --- | --- | --- | --- |\n")
	for _, m := range r.Models {
		what := m.Name
		for _, t := range r.Results {
			if t.Work != "prefill" || t.Model != m.Name {
				continue
			}
			seconds := "does not fit"
			if t.Missing == "" {
				seconds = fmt.Sprintf("%.2f (%.2f–%.2f)", t.Seconds.Median, t.Seconds.Min, t.Seconds.Max)
			}
			fmt.Fprintf(&b, "| %s | %d | %d | %s | %.1f |\n", what, t.Depth, t.Tokens, seconds, float64(t.KVBytes+t.StateBytes)/1e6)
			what = ""
		}
	}
	return b.String()
}

func unique(n []int) []int {
	slices.Sort(n)
	return slices.Compact(n)
}

// machine says what was measured, on what.
func machine(r *bench.Report) string {
	var names []string
	for _, m := range r.Models {
		names = append(names, fmt.Sprintf("%s (%.2f B parameters, %.2f B active, %s)", m.Name, float64(m.ParamsTotal)/1e9, float64(m.ParamsActive)/1e9, m.Note))
	}
	l := r.Results[0].Limits
	return fmt.Sprintf("Random weights in %s, keys and values in %s, %s kernels, %d threads (%.0f GB/s, %.0f GFLOPS in float32), medians of %d repetitions in turn and their range; depths %s: %s.",
		r.Models[0].Weights, r.KV, r.Kernels, l.Threads, l.ReadBytes/1e9, 2*l.F32MACs/1e9, r.Reps, r.Depth, strings.Join(names, ", "))
}
