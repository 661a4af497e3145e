package ablation

import (
	"fmt"
	"slices"
	"strings"

	"jamba/internal/chart"
)

// Summary is what one model's runs have in common: medians, and the range, over its seeds.
type Summary struct {
	Model        string
	ParamsTotal  int64
	ParamsActive int64
	Seeds        int
	Seconds      float64
	Loss         chart.Point   // of the tests
	Curve        []chart.Point // over steps
	Accuracy     []chart.Point // over the axis
}

// Summaries returns those of all models, in the order of their first runs.
func (r *Results) Summaries() (all []Summary) {
	var names []string
	for _, run := range r.Runs {
		if !slices.Contains(names, run.Model) {
			names = append(names, run.Model)
		}
	}
	for _, name := range names {
		s := Summary{Model: name}
		var runs []*Run
		for _, run := range r.Runs {
			if run.Model == name {
				runs = append(runs, run)
			}
		}
		s.ParamsTotal, s.ParamsActive, s.Seeds = runs[0].ParamsTotal, runs[0].ParamsActive, len(runs)
		s.Loss = median(0, runs, func(r *Run) float64 { return r.Loss })
		s.Seconds = median(0, runs, func(r *Run) float64 { return r.Seconds }).Y
		for i, at := range runs[0].Curve {
			s.Curve = append(s.Curve, median(float64(at.Step), runs, func(r *Run) float64 { return r.Curve[min(i, len(r.Curve)-1)].Loss }))
		}
		for i, at := range runs[0].Accuracy {
			s.Accuracy = append(s.Accuracy, median(float64(at.At), runs, func(r *Run) float64 { return r.Accuracy[min(i, len(r.Accuracy)-1)].Share() }))
		}
		all = append(all, s)
	}
	return all
}

// median returns the median of a figure of several runs and its range.
func median(x float64, runs []*Run, figure func(*Run) float64) chart.Point {
	var values []float64
	for _, r := range runs {
		values = append(values, figure(r))
	}
	slices.Sort(values)
	n := len(values)
	return chart.Point{X: x, Y: (values[(n-1)/2] + values[n/2]) / 2, Low: values[0], High: values[n-1]}
}

// Table returns a Markdown table of what the models have learned: the median over the seeds, and the range.
func (r *Results) Table() string {
	var b strings.Builder
	all := r.Summaries()
	if len(all) == 0 {
		return ""
	}
	b.WriteString("| model | parameters, active | seeds | loss |")
	for _, a := range all[0].Accuracy {
		fmt.Fprintf(&b, " right, %s %.0f |", r.Axis, a.X)
	}
	b.WriteString("\n| --- | --- | --- | --- |" + strings.Repeat(" --- |", len(all[0].Accuracy)) + "\n")
	for _, m := range all {
		fmt.Fprintf(&b, "| %s | %d, %d | %d | %.3f (%.3f–%.3f) |", m.Model, m.ParamsTotal, m.ParamsActive, m.Seeds, m.Loss.Y, m.Loss.Low, m.Loss.High)
		for _, a := range m.Accuracy {
			fmt.Fprintf(&b, " %.0f %% (%.0f–%.0f) |", 100*a.Y, 100*a.Low, 100*a.High)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Draw writes the loss curves, and below them the accuracy over the axis if there is one, to a PNG file.
func (r *Results) Draw(path string) error {
	losses := chart.Plot{Title: r.Experiment, X: chart.Axis{Label: "step"}, Y: chart.Axis{Label: "loss, nats"}}
	recall := chart.Plot{Title: "answers that are right", X: chart.Axis{Label: r.Axis, Log: true}, Y: chart.Axis{Label: "share"}}
	for _, s := range r.Summaries() {
		losses.Lines = append(losses.Lines, chart.Line{Name: s.Model, Points: s.Curve})
		if len(s.Accuracy) > 0 {
			recall.Lines = append(recall.Lines, chart.Line{Name: s.Model, Points: s.Accuracy})
			recall.X.Ticks = nil
			for _, p := range s.Accuracy {
				recall.X.Ticks = append(recall.X.Ticks, p.X)
			}
		}
	}
	if len(recall.Lines) == 0 {
		return chart.WritePlots(path, losses)
	}
	return chart.WritePlots(path, losses, recall)
}
