package replay

import (
	"fmt"
	"io"

	"jamba/engine/prefix"
)

// Cell is a figure of a Table: the mean of its seeds, and the least.
type Cell struct {
	Model       Model
	Limit       int64
	Mean, Least float64
}

// Row is a placement with a policy.
type Row struct {
	Placement Placement
	Policy    prefix.Policy
	Name      string // of the policy
}

// Rows are what is compared: ours, its parts, and what vLLM does.
var Rows = []Row{
	{PromptEnd, prefix.ByAge, "least recently used (vLLM's default)"},
	{PromptEnd, prefix.ByReplay, "by replay"},
	{Ours, prefix.ByAge, "least recently used"},
	{Ours, prefix.ByReplay, "by replay (the engine's)"},
}

// Mean replays the seeds and returns the share of tokens that were found.
func Mean(c Config, seeds []uint64) (Cell, error) {
	cell := Cell{Model: c.Model, Limit: c.Limit, Least: 1}
	for _, c.Seed = range seeds {
		r, err := Run(c)
		if err != nil {
			return cell, err
		}
		cell.Mean += r.Share() / float64(len(seeds))
		cell.Least = min(cell.Least, r.Share())
	}
	return cell, nil
}

// Table prints the share of the prompts' tokens that need not be computed, for each row and some sizes of memory.
func Table(w io.Writer, trace Trace, seeds []uint64) error {
	const gib = 1 << 30
	columns := []Config{
		{Model: Jamba3B, Limit: gib / 4},
		{Model: Jamba3B, Limit: gib},
		{Model: Jamba3B, Limit: 4 * gib},
		{Model: Jamba3B},
		{Model: Jamba52B, Limit: gib},
		{Model: Jamba52B, Limit: 4 * gib},
	}
	fmt.Fprint(w, "| placement | eviction |")
	for _, c := range columns {
		if c.Limit == 0 {
			fmt.Fprintf(w, " %s, no limit |", c.Model.Name)
			continue
		}
		fmt.Fprintf(w, " %s, %.4g GiB |", c.Model.Name, float64(c.Limit)/gib)
	}
	fmt.Fprint(w, "\n| --- | --- |")
	for range columns {
		fmt.Fprint(w, " ---: |")
	}
	fmt.Fprintln(w)
	for _, r := range Rows {
		fmt.Fprintf(w, "| %s | %s |", r.Placement.Name, r.Name)
		for _, c := range columns {
			c.Placement, c.Policy, c.Trace = r.Placement, r.Policy, trace
			cell, err := Mean(c, seeds)
			if err != nil {
				return err
			}
			fmt.Fprintf(w, " %.1f %% |", 100*cell.Mean)
		}
		fmt.Fprintln(w)
	}
	return nil
}
