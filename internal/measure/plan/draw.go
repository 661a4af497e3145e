package plan

import (
	"fmt"
	"image/color"
	"math"

	"jamba/internal/chart"
	"jamba/internal/printable"
)

// Sizes of the chart, in pixels.
const (
	chartWidth, chartHeight  = 960, 540
	left, right, top, bottom = 64, 152, 40, 40
	plotWidth, plotHeight    = chartWidth - left - right, chartHeight - top - bottom
	firstContext             = 1 << 10
	lastContext              = 1 << 20
)

// inks are the colours of the lines, in turn.
var inks = []color.RGBA{
	{31, 90, 180, 255}, {214, 96, 20, 255}, {40, 140, 60, 255}, {150, 60, 150, 255}, {180, 140, 0, 255}, {0, 140, 160, 255}, {120, 80, 50, 255}, {200, 60, 90, 255},
}

// memoryInk is that of the line of the devices' memory.
var memoryInk = color.RGBA{120, 120, 120, 255}

// Draw writes a chart of the networks' memory against context to a PNG file, both axes logarithmic, with a line at the devices'
// memory. Of the setting the context does not count.
func Draw(path string, networks []*Network, s Setting) error {
	p := picture{Canvas: chart.New(chartWidth, chartHeight), lowest: float64(s.Memory) * float64(s.Devices)}
	p.highest = p.lowest
	lines := make([][]float64, len(networks))
	for i, n := range networks {
		for c := firstContext; c <= lastContext; c *= 2 {
			s.Context = c
			bytes := float64(n.Parts(s).Total())
			lines[i] = append(lines[i], bytes)
			p.lowest, p.highest = min(p.lowest, bytes), max(p.highest, bytes)
		}
	}
	p.axes()
	y := p.y(float64(s.Memory) * float64(s.Devices))
	p.Line(left, y, chartWidth-right, y, 1, memoryInk)
	p.Text("memory", chartWidth-right-7*chart.LetterWidth, int(y)-4, memoryInk)
	for i, line := range lines {
		ink := inks[i%len(inks)]
		for j := 1; j < len(line); j++ {
			p.Line(p.x(j-1), p.y(line[j-1]), p.x(j), p.y(line[j]), 2, ink)
		}
		p.Text(printable.Cut(networks[i].Name, 18), chartWidth-right+12, top+(chart.LetterHeight+2)*(i+1), ink)
	}
	return p.WritePNG(path)
}

// picture is the chart.
type picture struct {
	chart.Canvas
	lowest, highest float64 // bytes
}

// steps is how often the context doubles.
var steps = int(math.Log2(lastContext / firstContext))

func (p *picture) x(doubled int) float64 { return left + plotWidth*float64(doubled)/float64(steps) }

// y leaves a twentieth above and below.
func (p *picture) y(bytes float64) float64 {
	lo, hi := math.Log(p.lowest), math.Log(p.highest)
	margin := max(0.05*(hi-lo), 0.05)
	return top + plotHeight*(hi+margin-math.Log(bytes))/(hi-lo+2*margin)
}

func (p *picture) axes() {
	for i := range steps + 1 {
		x := p.x(i)
		p.Line(x, top, x, chartHeight-bottom, 1, chart.Grid)
		label := fmt.Sprintf("%dK", firstContext<<i/1024)
		p.Text(label, int(x)-chart.LetterWidth*len(label)/2, chartHeight-bottom+18, chart.Ink)
	}
	for size := 1.0; size < 1e18; size *= 10 {
		for _, m := range []float64{1, 2, 5} {
			y := p.y(m * size)
			if y < top || y > chartHeight-bottom {
				continue
			}
			p.Line(left, y, chartWidth-right, y, 1, chart.Grid)
			label := fmt.Sprintf("%g", m*size/1e9)
			p.Text(label, left-8-chart.LetterWidth*len(label), int(y)+chart.LetterHeight/2-2, chart.Ink)
		}
	}
	p.Line(left, top, left, chartHeight-bottom, 1, chart.Ink)
	p.Line(left, chartHeight-bottom, chartWidth-right, chartHeight-bottom, 1, chart.Ink)
	p.Text("context", chartWidth-right-7*chart.LetterWidth, chartHeight-8, chart.Ink)
	p.Text("GB", left, top-12, chart.Ink)
}
