package main

import (
	"fmt"
	"slices"
	"strings"

	"jamba/internal/measure/bench"
	"jamba/internal/measure/eval"
)

// types are what a model was written as; stored is the file that the others were made from.
var types = []string{"stored", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0", "q3_k_m", "q2_k"}

// level is a model in one type.
type level struct {
	Type string
	eval.Result
	Text  eval.TextSummary // its Summary
	Bytes int64            // of weights
	// Rates in tokens a second; zero: not measured.
	Prefill, Decode bench.Spread
}

// textResult is the file of a level.
type textResult struct {
	eval.Result
	Summary eval.TextSummary `json:"summary"`
}

// levels reads what was measured of a model in all types.
func levels(root, name string) (all []level, err error) {
	speed, err := read[bench.Report](root, resultsDir, name+"-speed.json")
	if err != nil {
		return nil, err
	}
	for _, typ := range types {
		r, err := read[textResult](root, resultsDir, name+"-"+typ+".json")
		if err != nil {
			return nil, err
		}
		l := level{Type: typ, Result: r.Result, Text: r.Summary}
		about := slices.IndexFunc(speed.Models, func(a bench.About) bool { return a.Name == r.Model.Name })
		if l.Ended == nil || l.Text.Reference == nil || about < 0 {
			return nil, fmt.Errorf("the results of %s in %s are not complete", name, typ)
		}
		l.Bytes = speed.Models[about].WeightsBytes
		for _, t := range speed.Results {
			switch {
			case t.Model != r.Model.Name || t.Missing != "":
			case t.Work == "prefill":
				l.Prefill = t.TokPerSec
			case t.Work == "decode":
				l.Decode = t.TokPerSec
			}
		}
		all = append(all, l)
	}
	return all, nil
}

// table is a Markdown table of levels.
func table(all []level) string {
	var b strings.Builder
	b.WriteString("| weights | MB | perplexity | to the reference's | KL divergence | same best token | prompt, tok/s | answer, tok/s |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, l := range all {
		r := l.Text.Reference
		fmt.Fprintf(&b, "| %s | %.1f | %.3f | %+.2f %% ± %.2f | %.5f ± %.5f | %.1f %% | %s | %s |\n", l.Type, float64(l.Bytes)/1e6, l.Text.Perplexity,
			100*(r.Ratio-1), 100*r.RatioStandardError, r.KL, r.KLStandardError, 100*r.SameTop.Share, rate(l.Prefill), rate(l.Decode))
	}
	return b.String()
}

func rate(s bench.Spread) string { return fmt.Sprintf("%.0f (%.0f–%.0f)", s.Median, s.Min, s.Max) }
