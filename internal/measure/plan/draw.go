package plan

import (
	"fmt"

	"jamba/internal/chart"
	"jamba/internal/printable"
)

// Contexts that a chart shows.
const (
	firstContext = 1 << 10
	lastContext  = 1 << 20
)

// Draw writes a chart of the networks' memory against context to a PNG file, both axes logarithmic, with a line at the devices'
// memory. Of the setting the context does not count.
func Draw(path string, networks []*Network, s Setting) error {
	p := chart.Plot{
		X:     chart.Axis{Label: "context", Log: true, Mark: func(tokens float64) string { return fmt.Sprintf("%gK", tokens/1024) }},
		Y:     chart.Axis{Label: "GB", Log: true},
		Level: &chart.Level{Name: "memory", At: float64(s.Memory) * float64(s.Devices) / 1e9},
	}
	for c := firstContext; c <= lastContext; c *= 2 {
		p.X.Ticks = append(p.X.Ticks, float64(c))
	}
	for _, n := range networks {
		line := chart.Line{Name: printable.Cut(n.Name, 18)}
		for _, c := range p.X.Ticks {
			s.Context = int(c)
			line.Points = append(line.Points, chart.At(c, float64(n.Parts(s).Total())/1e9))
		}
		p.Lines = append(p.Lines, line)
	}
	return chart.WritePlots(path, p)
}
