// Command barchart draws what jamba bench --vs-llama-cpp has measured as a bar chart, and prints it as a Markdown table.
//
//	barchart -o FILE.svg RESULTS
//
// RESULTS has a folder for each model, with the JSON files that jamba bench --json printed for it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// result is what is used here of a measurement of jamba bench --json.
type result struct {
	Work      string  `json:"work"`
	Tokens    int     `json:"tokens"`
	Depth     int     `json:"depth"`
	Batch     int     `json:"batch"`
	Threads   int     `json:"threads"`
	TokPerSec spread  `json:"tok_per_s"`
	Bound     bound   `json:"bound"`
	Fraction  float64 `json:"fraction"`
	PeakRSS   int64   `json:"peak_rss"`
	Peer      *spread `json:"peer"`
	Ratio     float64 `json:"ratio"`
}

type spread struct{ Min, Median, Max float64 }

type bound struct{ Kind string }

// name says what was done, on one line.
func (r result) name() string {
	s := fmt.Sprintf("prompt of %d", r.Tokens)
	switch {
	case r.Work == "decode" && r.Batch > 1:
		s = fmt.Sprintf("decode, %d sequences", r.Batch)
	case r.Work == "decode":
		s = "decode"
	}
	if r.Depth > 0 {
		s += fmt.Sprintf(" at depth %d", r.Depth)
	}
	return s
}

// measured is all results of one model.
type measured struct {
	model   string
	results []result
}

func main() {
	out := flag.String("o", "", "write the chart to this SVG file")
	flag.Parse()
	if err := run(flag.Args(), *out, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "barchart:", err)
		os.Exit(1)
	}
}

func run(args []string, out string, table io.Writer) error {
	if len(args) != 1 {
		return fmt.Errorf("want one folder of results, got %d arguments", len(args))
	}
	all, err := read(args[0])
	if err != nil {
		return err
	}
	if out != "" {
		if err := draw(all, out); err != nil {
			return fmt.Errorf("%s: %w", out, err)
		}
	}
	return writeTable(table, all)
}

// read reads the results of all models in a folder, in the order of their names.
func read(folder string) (all []measured, err error) {
	files, err := filepath.Glob(filepath.Join(folder, "*", "*.json"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var results []result
		if err := json.Unmarshal(b, &results); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		model := filepath.Base(filepath.Dir(file))
		if len(all) == 0 || all[len(all)-1].model != model {
			all = append(all, measured{model: model})
		}
		m := &all[len(all)-1]
		m.results = append(m.results, results...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no folders with .json files", folder)
	}
	return all, nil
}

func writeTable(w io.Writer, all []measured) error {
	fmt.Fprintln(w, "| model | work | tok/s (min–max) | of the bound | peak memory | llama.cpp (min–max) | ratio |")
	_, err := fmt.Fprintln(w, "| --- | --- | --- | --- | --- | --- | --- |")
	for _, m := range all {
		for i, r := range m.results {
			model, peer, memory := "", "|", ""
			if i == 0 {
				model = m.model
			}
			if r.PeakRSS > 0 {
				memory = fmt.Sprintf("%.2f GB", float64(r.PeakRSS)/1e9)
			}
			if r.Peer != nil {
				peer = fmt.Sprintf("%v | %.2fx", *r.Peer, r.Ratio)
			}
			_, err = fmt.Fprintf(w, "| %s | %s | %v | %.0f %% of %s | %s | %s |\n", model, r.name(), r.TokPerSec, 100*r.Fraction, r.Bound.Kind, memory, peer)
		}
	}
	return err
}

func (s spread) String() string {
	digits := 1
	if s.Median >= 100 {
		digits = 0
	}
	return fmt.Sprintf("%.*f (%.*f–%.*f)", digits, s.Median, digits, s.Min, digits, s.Max)
}
