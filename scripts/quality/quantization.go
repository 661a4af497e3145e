package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"jamba/internal/measure/bench"
	"jamba/internal/measure/eval"
	"jamba/internal/measure/plan"
)

// types are what a model was written as; stored is the file that the others were made from.
var types = map[string][]string{
	"embedded": {"stored", "q6_k", "q5_k_m", "q4_k_m", "q4_0", "q3_k_m", "q2_k"},
	"smollm2":  {"stored", "q8_0", "q6_k", "q4_k_m", "q2_k"},
}

// level is a model in one type.
type level struct {
	Type string
	eval.Result
	Text  eval.TextSummary `json:"summary"`
	Bytes int64            // of weights
	// Tokens a second; empty: not measured.
	Prefill, Decode string
}

// levels reads what was measured of a model, and leaves out types that were not.
func levels(root, name string) (all []level, err error) {
	sizes, err := read[[]plan.Plan](root, resultsDir, name+"-plan.json")
	if err != nil {
		return nil, err
	}
	rates, err := read[*bench.Report](root, resultsDir, name+"-speed.json")
	if err != nil {
		return nil, err
	}
	for _, typ := range types[name] {
		l, err := read[*level](root, resultsDir, name+"-"+typ+".json")
		if err != nil {
			return nil, err
		}
		if l == nil {
			continue
		}
		l.Type = typ
		size := slices.IndexFunc(sizes, func(p plan.Plan) bool { return p.Model == l.Model.Name })
		if l.Ended == nil || l.Text.Reference == nil || size < 0 {
			return nil, fmt.Errorf("%s in %s: the result is not complete; scripts/quality/measure goes on with it", name, typ)
		}
		l.Bytes = sizes[size].Parts.Weights
		if rates != nil {
			l.Prefill, l.Decode = rate(rates, l.Model.Name, "prefill"), rate(rates, l.Model.Name, "decode")
		}
		all = append(all, *l)
	}
	return all, nil
}

// table is a Markdown table of levels.
func table(all []level) string {
	var b strings.Builder
	timed := all[0].Prefill != ""
	b.WriteString("| weights | MB | perplexity | to the reference's | KL divergence | same best token |")
	rule := "\n|" + strings.Repeat(" --- |", 6)
	if timed {
		b.WriteString(" prompt, tok/s | answer, tok/s |")
		rule += " --- | --- |"
	}
	b.WriteString(rule + "\n")
	for _, l := range all {
		r := l.Text.Reference
		fmt.Fprintf(&b, "| %s | %.1f | %.3f | %+.2f %% ± %.2f | %.3g ± %.1g | %.1f %% |", l.Type, float64(l.Bytes)/1e6, l.Text.Perplexity,
			math.Round(1e4*(r.Ratio-1))/100+0, 100*r.RatioStandardError, r.KL, r.KLStandardError, 100*r.SameTop.Share)
		if timed {
			fmt.Fprintf(&b, " %s | %s |", l.Prefill, l.Decode)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// rate returns tokens a second of a model's work, with their range.
func rate(r *bench.Report, model, work string) string {
	for _, t := range r.Results {
		if t.Model == model && t.Work == work && t.Missing == "" {
			return fmt.Sprintf("%.0f (%.0f–%.0f)", t.TokPerSec.Median, t.TokPerSec.Min, t.TokPerSec.Max)
		}
	}
	return ""
}
