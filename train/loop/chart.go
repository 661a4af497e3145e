package loop

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"os"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"

	"jamba/internal/durable"
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
	letterWidth, letterHeight    = 7, 13
	trainingLine, validationLine = 1.6, 2.2
)

var (
	ink      = color.RGBA{60, 60, 60, 255}
	grid     = color.RGBA{228, 228, 228, 255}
	band     = color.RGBA{190, 210, 240, 255}
	trainInk = color.RGBA{31, 90, 180, 255}
	valInk   = color.RGBA{214, 96, 20, 255}
	paper    = color.RGBA{255, 255, 255, 255}
)

// draw writes the chart of the losses: of the steps that fall on one column of pixels their mean, and their range behind it.
func (l *runLog) draw(path string) error {
	if len(l.losses) == 0 {
		return nil
	}
	return durable.WriteFile(path, func(f *os.File) error { return png.Encode(f, l.picture()) })
}

func (l *runLog) picture() image.Image {
	c := newChart(l.losses, l.val)
	c.axes()
	c.training(l.losses)
	c.validation(l.val)
	return c.image
}

type chart struct {
	image           *image.RGBA
	first, last     int     // steps
	lowest, highest float64 // losses
}

func newChart(lines ...[]point) *chart {
	c := &chart{image: image.NewRGBA(image.Rect(0, 0, chartWidth, chartHeight)), first: math.MaxInt, lowest: math.Inf(1), highest: math.Inf(-1)}
	draw.Draw(c.image, c.image.Bounds(), image.NewUniform(paper), image.Point{}, draw.Src)
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

func (c *chart) x(step int) float64 {
	return left + plotWidth*float64(step-c.first)/float64(c.last-c.first)
}

func (c *chart) y(loss float64) float64 {
	return top + plotHeight*(c.highest-loss)/(c.highest-c.lowest)
}

// ticks returns about n round numbers from lo to hi and the distance between them.
func ticks(lo, hi float64, n int) (at []float64, distance float64) {
	distance = math.Pow(10, math.Floor(math.Log10((hi-lo)/float64(n))))
	for _, m := range []float64{2, 2.5, 2} { // 1, 2, 5, 10
		if (hi-lo)/distance > float64(n) {
			distance *= m
		}
	}
	for i := math.Ceil(lo / distance); i*distance <= hi; i++ {
		at = append(at, i*distance)
	}
	return at, distance
}

func (c *chart) axes() {
	losses, distance := ticks(c.lowest, c.highest, 8)
	digits := max(0, int(math.Ceil(-math.Log10(distance)-1e-9)))
	for _, v := range losses {
		y := c.y(v)
		c.line(left, y, chartWidth-right, y, 1, grid)
		label := fmt.Sprintf("%.*f", digits, v)
		c.text(label, left-8-letterWidth*len(label), int(y)+letterHeight/2-2, ink)
	}
	steps, _ := ticks(float64(c.first), float64(c.last), 10)
	for _, v := range steps {
		if v != math.Trunc(v) {
			continue
		}
		x := c.x(int(v))
		c.line(x, top, x, chartHeight-bottom, 1, grid)
		label := fmt.Sprint(int(v))
		c.text(label, int(x)-letterWidth*len(label)/2, chartHeight-bottom+18, ink)
	}
	c.line(left, top, left, chartHeight-bottom, 1, ink)
	c.line(left, chartHeight-bottom, chartWidth-right, chartHeight-bottom, 1, ink)
	c.text("step", chartWidth-right-4*letterWidth, chartHeight-8, ink)
	c.text("loss", left, top-12, trainInk)
}

func (c *chart) training(points []point) {
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
			c.line(float64(left+i), c.y(x.high), float64(left+i), c.y(x.low)+1, 1, band)
		}
	}
	last := -1
	for i, x := range columns {
		if x.n == 0 {
			continue
		}
		if last >= 0 {
			c.line(float64(left+last), c.y(columns[last].sum/columns[last].n), float64(left+i), c.y(x.sum/x.n), trainingLine, trainInk)
		}
		last = i
	}
}

func (c *chart) validation(points []point) {
	if len(points) == 0 {
		return
	}
	c.text("validation", left+6*letterWidth, top-12, valInk)
	for i, p := range points {
		x, y := c.x(p.step), c.y(p.loss)
		c.line(x-2.5, y, x+2.5, y, 5, valInk)
		if i > 0 {
			c.line(c.x(points[i-1].step), c.y(points[i-1].loss), x, y, validationLine, valInk)
		}
	}
}

// line draws a line of that width.
func (c *chart) line(x0, y0, x1, y1, width float64, ink color.Color) {
	dx, dy := x1-x0, y1-y0
	n := math.Hypot(dx, dy)
	if n == 0 {
		return
	}
	// Half the width to either side, in a picture just large enough.
	ox, oy := -dy/n*width/2, dx/n*width/2
	box := image.Rect(int(min(x0, x1)-width), int(min(y0, y1)-width), int(max(x0, x1)+width)+2, int(max(y0, y1)+width)+2)
	r := vector.NewRasterizer(box.Dx(), box.Dy())
	at := func(x, y float64) (float32, float32) {
		return float32(x - float64(box.Min.X)), float32(y - float64(box.Min.Y))
	}
	r.MoveTo(at(x0+ox, y0+oy))
	r.LineTo(at(x1+ox, y1+oy))
	r.LineTo(at(x1-ox, y1-oy))
	r.LineTo(at(x0-ox, y0-oy))
	r.ClosePath()
	r.Draw(c.image, box, image.NewUniform(ink), image.Point{})
}

// text writes a line; y is its base line.
func (c *chart) text(s string, x, y int, ink color.Color) {
	d := font.Drawer{Dst: c.image, Src: image.NewUniform(ink), Face: basicfont.Face7x13, Dot: fixed.P(x, y)}
	d.DrawString(s)
}
