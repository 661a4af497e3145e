package loop

import (
	"fmt"
	"image/color"
	"math"

	"jamba/internal/chart"
)

// point is a loss after so many steps.
type point struct {
	step int
	loss float64
}

// Sizes of the chart, in pixels.
const (
	chartWidth, chartHeight      = 960, 540
	left, right, top, bottom     = 64, 24, 40, 40
	plotWidth, plotHeight        = chartWidth - left - right, chartHeight - top - bottom
	trainingLine, validationLine = 1.6, 2.2
)

var (
	band     = color.RGBA{190, 210, 240, 255}
	trainInk = color.RGBA{31, 90, 180, 255}
	valInk   = color.RGBA{214, 96, 20, 255}
)

// draw writes the chart of the losses: of the steps that fall on one column of pixels their mean, and their range behind it.
func (l *runLog) draw(path string) error {
	if len(l.losses) == 0 {
		return nil
	}
	return l.picture().WritePNG(path)
}

func (l *runLog) picture() chart.Canvas {
	c := newPicture(l.losses, l.val)
	c.axes()
	c.training(l.losses)
	c.validation(l.val)
	return c.Canvas
}

type picture struct {
	chart.Canvas
	first, last     int     // steps
	lowest, highest float64 // losses
}

func newPicture(lines ...[]point) *picture {
	c := &picture{Canvas: chart.New(chartWidth, chartHeight), first: math.MaxInt, lowest: math.Inf(1), highest: math.Inf(-1)}
	for _, line := range lines {
		for _, p := range line {
			c.first, c.last = min(c.first, p.step), max(c.last, p.step)
			c.lowest, c.highest = min(c.lowest, p.loss), max(c.highest, p.loss)
		}
	}
	c.last = max(c.last, c.first+1)
	// Never so small that it is lost beside the losses.
	margin := max(0.02*(c.highest-c.lowest), 1e-6, 1e-6*math.Abs(c.highest))
	c.lowest, c.highest = c.lowest-margin, c.highest+margin
	return c
}

func (c *picture) x(step int) float64 {
	return left + plotWidth*float64(step-c.first)/float64(c.last-c.first)
}

func (c *picture) y(loss float64) float64 {
	return top + plotHeight*(c.highest-loss)/(c.highest-c.lowest)
}

func (c *picture) axes() {
	losses, distance := chart.Ticks(c.lowest, c.highest, 8)
	digits := max(0, int(math.Ceil(-math.Log10(distance)-1e-9)))
	for _, v := range losses {
		y := c.y(v)
		c.Line(left, y, chartWidth-right, y, 1, chart.Grid)
		label := fmt.Sprintf("%.*f", digits, v)
		c.Text(label, left-8-chart.LetterWidth*len(label), int(y)+chart.LetterHeight/2-2, chart.Ink)
	}
	steps, _ := chart.Ticks(float64(c.first), float64(c.last), 10)
	for _, v := range steps {
		if v != math.Trunc(v) {
			continue
		}
		x := c.x(int(v))
		c.Line(x, top, x, chartHeight-bottom, 1, chart.Grid)
		label := fmt.Sprint(int(v))
		c.Text(label, int(x)-chart.LetterWidth*len(label)/2, chartHeight-bottom+18, chart.Ink)
	}
	c.Line(left, top, left, chartHeight-bottom, 1, chart.Ink)
	c.Line(left, chartHeight-bottom, chartWidth-right, chartHeight-bottom, 1, chart.Ink)
	c.Text("step", chartWidth-right-4*chart.LetterWidth, chartHeight-8, chart.Ink)
	c.Text("loss", left, top-12, trainInk)
}

func (c *picture) training(points []point) {
	type column struct{ low, high, sum, n float64 }
	columns := make([]column, plotWidth+1)
	for _, p := range points {
		x := &columns[int(c.x(p.step))-left]
		if x.n == 0 {
			x.low, x.high = p.loss, p.loss
		}
		x.low, x.high, x.sum, x.n = min(x.low, p.loss), max(x.high, p.loss), x.sum+p.loss, x.n+1
	}
	for i, x := range columns {
		if x.n > 1 {
			c.Line(float64(left+i), c.y(x.high), float64(left+i), c.y(x.low)+1, 1, band)
		}
	}
	last := -1
	for i, x := range columns {
		if x.n == 0 {
			continue
		}
		if last >= 0 {
			c.Line(float64(left+last), c.y(columns[last].sum/columns[last].n), float64(left+i), c.y(x.sum/x.n), trainingLine, trainInk)
		}
		last = i
	}
}

func (c *picture) validation(points []point) {
	if len(points) == 0 {
		return
	}
	c.Text("validation", left+6*chart.LetterWidth, top-12, valInk)
	for i, p := range points {
		x, y := c.x(p.step), c.y(p.loss)
		c.Line(x-2.5, y, x+2.5, y, 5, valInk)
		if i > 0 {
			c.Line(c.x(points[i-1].step), c.y(points[i-1].loss), x, y, validationLine, valInk)
		}
	}
}
