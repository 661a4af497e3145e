package main

import (
	"fmt"
	"strings"

	"jamba/internal/measure/eval"
)

// found is what a model found in haystacks.
type found struct {
	eval.Result
	Summary eval.NeedleSummary `json:"summary"`
}

// Share returns the percentage that was found in haystacks of a length.
func (f found) Share(length int) string {
	sum, n := 0.0, 0
	for _, c := range f.Summary.Cells {
		if c.Length == length {
			sum, n = sum+c.Found*float64(c.N), n+c.N
		}
	}
	return fmt.Sprintf("%.0f %%", 100*sum/float64(n))
}

// Table is a Markdown table of what was found, by length and depth.
func (f found) Table() string {
	var b strings.Builder
	last, rule := 0, ""
	for i, c := range f.Summary.Cells {
		if c.Length != last {
			if i == 0 {
				b.WriteString("| tokens |")
				for _, d := range f.Summary.Cells {
					if d.Length == c.Length {
						fmt.Fprintf(&b, " %d %% |", d.Depth)
						rule += " --- |"
					}
				}
				b.WriteString("\n| --- |" + rule)
			}
			fmt.Fprintf(&b, "\n| %d |", c.Length)
			last = c.Length
		}
		fmt.Fprintf(&b, " %.0f |", 100*c.Found)
	}
	b.WriteByte('\n')
	return b.String()
}
