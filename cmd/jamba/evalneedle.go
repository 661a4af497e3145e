package main

import (
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"

	"jamba/internal/measure/eval"
)

type evalNeedleCmd struct {
	evalFlags
	Kind    string       `enum:"single,multi-key,variables" default:"single" help:"single: a number. multi-key: one of --keys numbers, by its name. variables: all variables of a value, assigned from each other in --hops steps. Default: single."`
	Length  []tokensFlag `default:"1K,2K,4K" placeholder:"N,…" help:"Tokens of prompt and answer. Default: 1K,2K,4K."`
	Depth   []int        `default:"0,25,50,75,100" placeholder:"P,…" help:"Where it is hidden, in percent. Default: 0,25,50,75,100."`
	Samples int          `default:"4" placeholder:"N" help:"Haystacks of each length and depth. Default: 4."`
	Keys    int          `default:"4" placeholder:"N" help:"With multi-key: numbers that are hidden. Default: 4."`
	Hops    int          `default:"4" placeholder:"N" help:"With variables: assignments after the first. Default: 4."`
	Seed    uint64       `default:"1" placeholder:"N" help:"Of what is hidden. Default: 1."`
	Plot    string       `placeholder:"FILE.png" help:"Draw a heat map of what was found, over length and depth."`
}

func (c *evalNeedleCmd) Help() string {
	return `Facts are hidden in sentences that say nothing, as long as --length allows, and asked for at the end; the prompt is plain text that ends where the answer begins. What counts is the share of the right numbers or names that the answer has. The kinds are those of RULER (Hsieh et al. 2024). Haystacks that differ in depth alone begin alike, and their common beginning is computed once.

` + evalHelp + `

Examples:
  jamba eval needle -m MODEL --length 1K,4K,16K -o result.json --plot needle.png
  jamba eval needle -m MODEL --kind multi-key --keys 8
  jamba eval needle -m MODEL --kind variables --hops 2 --samples 10`
}

func (c *evalNeedleCmd) Run(s *streams) error {
	if err := c.apply(); err != nil {
		return err
	}
	h := &eval.Haystack{Kind: c.Kind, Depths: c.Depth, Samples: c.Samples, Seed: c.Seed}
	for _, n := range c.Length {
		h.Lengths = append(h.Lengths, int(n))
	}
	switch c.Kind {
	case eval.MultiKey:
		h.Keys = c.Keys
	case eval.Variables:
		h.Hops = c.Hops
	}
	if err := h.Check(); err != nil {
		return usageError(err.Error())
	}
	if c.Plot != "" && filepath.Ext(c.Plot) != ".png" {
		return usageError(fmt.Sprintf("--plot is %s, want a file named .png", c.Plot))
	}
	m, about, err := c.open(s)
	if err != nil {
		return err
	}
	defer m.Close()
	h.BOS = m.Text().Tokenizer.AddsBOS()
	head := eval.Head{Evaluation: "needle", Model: about, Settings: h}
	j, err := begin(s, &c.evalFlags, head, h.Items(), eval.SummariseNeedles)
	if err != nil {
		return err
	}
	ctx, stop := untilInterrupted()
	defer stop()
	err = eval.Needle(ctx, m, h, j, items(s, "searching"))
	if err := finish(s, &c.evalFlags, j, err, printNeedles); err != nil || c.Plot == "" {
		return err
	}
	title := fmt.Sprintf("%s, %s: %% found", about.Name, h.Kind)
	return eval.DrawNeedles(c.Plot, title, j.Result().Summary.(eval.NeedleSummary))
}

func printNeedles(w io.Writer, r eval.Result) {
	t := r.Summary.(eval.NeedleSummary)
	fmt.Fprintf(w, "haystacks         %d\n", r.Items)
	fmt.Fprintf(w, "found             %.1f %% ± %.1f\n", 100*t.Found, 100*t.StandardError)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	last := -1
	for _, c := range t.Cells {
		if c.Length != last {
			if last < 0 {
				fmt.Fprint(table, "depth\t")
				for _, d := range t.Cells {
					if d.Length == c.Length {
						fmt.Fprintf(table, "%d %%\t", d.Depth)
					}
				}
			}
			fmt.Fprintf(table, "\n%d tokens\t", c.Length)
			last = c.Length
		}
		fmt.Fprintf(table, "%.0f\t", 100*c.Found)
	}
	fmt.Fprintln(table)
	table.Flush()
}
