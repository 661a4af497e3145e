package bench

import (
	"fmt"
	"slices"

	"jamba/internal/chart"
	"jamba/internal/printable"
)

// DrawTurns writes charts of what RunInTurn measured to a PNG file, one above the other: decoding against context, for the
// smallest and the largest batch; against batch, for the shortest and the longest context; and the time to the first token.
func DrawTurns(path string, turns []Turn) error {
	var batches, depths []int
	for _, t := range turns {
		if t.Work == "decode" {
			batches = append(batches, t.Batch)
		}
		depths = append(depths, t.Depth)
	}
	contexts := chart.Axis{Label: "tokens of context", Log: true, Mark: func(n float64) string {
		if n < 1024 {
			return fmt.Sprint(n)
		}
		return fmt.Sprintf("%gK", n/1024)
	}}
	for n := 1.0; n <= 1<<30; n *= 2 {
		contexts.Ticks = append(contexts.Ticks, n)
	}
	rate := chart.Axis{Label: "tok/s", Log: true}
	var plots []chart.Plot
	add := func(p chart.Plot, use func(t *Turn) bool, point func(t *Turn) chart.Point) {
		if p.Lines = lines(turns, use, point); len(p.Lines) > 0 {
			plots = append(plots, p)
		}
	}
	for _, batch := range ends(batches) {
		add(chart.Plot{Title: fmt.Sprintf("decoding, %d sequences", batch), X: contexts, Y: rate},
			func(t *Turn) bool { return t.Work == "decode" && t.Batch == batch },
			func(t *Turn) chart.Point { return point(max(1, t.Depth), t.TokPerSec) })
	}
	if first := ends(batches); len(first) > 1 {
		for _, depth := range ends(depths) {
			add(chart.Plot{Title: fmt.Sprintf("decoding after %d tokens", depth), X: chart.Axis{Label: "sequences", Log: true, Ticks: contexts.Ticks}, Y: rate},
				func(t *Turn) bool { return t.Work == "decode" && t.Depth == depth },
				func(t *Turn) chart.Point { return point(t.Batch, t.TokPerSec) })
		}
	}
	add(chart.Plot{Title: "to the first token of an answer", X: contexts, Y: chart.Axis{Label: "seconds", Log: true}},
		func(t *Turn) bool { return t.Work == "prefill" },
		func(t *Turn) chart.Point { return point(t.Depth+t.Tokens, t.Seconds) })
	return chart.WritePlots(path, plots...)
}

// ends returns the smallest and the largest number, once if they are the same.
func ends(numbers []int) []int {
	if len(numbers) == 0 {
		return nil
	}
	return slices.Compact([]int{slices.Min(numbers), slices.Max(numbers)})
}

func point(x int, y Spread) chart.Point {
	return chart.Point{X: float64(x), Y: y.Median, Low: y.Min, High: y.Max}
}

// lines returns a line for each model, of the turns that are used and were measured.
func lines(turns []Turn, use func(*Turn) bool, point func(*Turn) chart.Point) (all []chart.Line) {
	for i := range turns {
		t := &turns[i]
		if !use(t) || t.Missing != "" {
			continue
		}
		name := printable.Cut(t.Model, 23)
		at := slices.IndexFunc(all, func(l chart.Line) bool { return l.Name == name })
		if at < 0 {
			all, at = append(all, chart.Line{Name: name}), len(all)
		}
		all[at].Points = append(all[at].Points, point(t))
	}
	return all
}
