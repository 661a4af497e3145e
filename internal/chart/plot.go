package chart

import (
	"fmt"
	"image/color"
	"math"
	"strings"
)

// Plot is lines over two axes.
type Plot struct {
	Title string
	X, Y  Axis
	Lines []Line
	Level *Level // a level to compare with; nil: none
}

// Axis is what one coordinate means.
type Axis struct {
	Label string
	Log   bool                    // logarithmic; points at 0 or below are left out
	Ticks []float64               // nil: round numbers
	Mark  func(at float64) string // what stands at a tick; nil: the number
}

// Line is points that belong together, in the order of X.
type Line struct {
	Name   string
	Points []Point
}

// Point is a place on a line; Low and High, if they differ, are its spread.
type Point struct{ X, Y, Low, High float64 }

// At is a point without a spread.
func At(x, y float64) Point { return Point{x, y, y, y} }

// Level is a straight line at one height.
type Level struct {
	Name string
	At   float64
}

// Sizes of a plot and its margins, in pixels.
const (
	plotWidth, plotHeight    = 960, 540
	left, right, top, bottom = 72, 180, 44, 44
	innerWidth, innerHeight  = plotWidth - left - right, plotHeight - top - bottom
	nameLength               = (right - 16) / LetterWidth
)

// inks are the colours of lines, in turn.
var inks = []color.RGBA{
	{31, 90, 180, 255}, {214, 96, 20, 255}, {40, 140, 60, 255}, {150, 60, 150, 255}, {180, 140, 0, 255}, {0, 140, 160, 255}, {120, 80, 50, 255}, {200, 60, 90, 255},
}

var levelInk = color.RGBA{120, 120, 120, 255}

// WritePlots writes plots one above the other to a PNG file.
func WritePlots(path string, plots ...Plot) error {
	c := New(plotWidth, plotHeight*max(1, len(plots)))
	for i := range plots {
		plots[i].draw(c, i*plotHeight)
	}
	return c.WritePNG(path)
}

// scale maps numbers onto an axis, from 0 to 1.
type scale struct {
	Axis
	lo, hi float64 // logarithms, if the axis is logarithmic
}

// over returns the scale that shows all numbers, with a margin, a share of their range.
func (a Axis) over(numbers []float64, margin float64) scale {
	s := scale{a, math.Inf(1), math.Inf(-1)}
	for _, v := range numbers {
		if a.shows(v) {
			s.lo, s.hi = min(s.lo, a.value(v)), max(s.hi, a.value(v))
		}
	}
	if s.lo > s.hi {
		s.lo, s.hi = 0, 0
	}
	// Never so small that it is lost beside the numbers.
	d := max(margin*(s.hi-s.lo), 1e-6, 1e-6*math.Abs(s.hi))
	if margin > 0 || s.lo == s.hi {
		s.lo, s.hi = s.lo-d, s.hi+d
	}
	return s
}

func (a Axis) shows(v float64) bool {
	return !math.IsNaN(v) && !math.IsInf(v, 0) && (!a.Log || v > 0)
}

func (a Axis) value(v float64) float64 {
	if a.Log {
		return math.Log(v)
	}
	return v
}

func (s scale) at(v float64) float64 { return (s.value(v) - s.lo) / (s.hi - s.lo) }

// ticks returns the numbers that are marked, and their marks.
func (s scale) ticks(n int) (at []float64, marks []string) {
	mark := func(v float64) string { return fmt.Sprintf("%g", v) }
	switch {
	case s.Ticks != nil:
		at = s.Ticks
	case s.Log:
		for _, size := range decades(s.lo, s.hi) {
			for _, m := range []float64{1, 2, 5} {
				at = append(at, m*size)
			}
		}
	default:
		var distance float64
		at, distance = Ticks(s.lo, s.hi, n)
		digits := max(0, int(math.Ceil(-math.Log10(distance)-1e-9)))
		mark = func(v float64) string { return fmt.Sprintf("%.*f", digits, v) }
	}
	if s.Mark != nil {
		mark = s.Mark
	}
	var inside []float64
	for _, v := range at {
		if x := s.at(v); x > -1e-9 && x < 1+1e-9 {
			inside, marks = append(inside, v), append(marks, mark(v))
		}
	}
	return inside, marks
}

// decades returns the powers of ten from below e^lo to e^hi.
func decades(lo, hi float64) (all []float64) {
	for e := math.Floor(lo / math.Ln10); e*math.Ln10 <= hi; e++ {
		all = append(all, math.Pow(10, e))
	}
	return all
}

// draw draws the plot at a height of the canvas.
func (p *Plot) draw(c Canvas, y0 int) {
	var xs, ys []float64
	for _, l := range p.Lines {
		for _, q := range l.Points {
			xs, ys = append(xs, q.X), append(ys, q.Y, q.Low, q.High)
		}
	}
	if p.Level != nil {
		ys = append(ys, p.Level.At)
	}
	xScale, yScale := p.X.over(xs, 0), p.Y.over(ys, 0.05)
	x := func(v float64) float64 { return left + innerWidth*xScale.at(v) }
	y := func(v float64) float64 { return float64(y0+top) + innerHeight*(1-yScale.at(v)) }
	ground := y0 + plotHeight - bottom

	at, marks := xScale.ticks(10)
	end := math.Inf(-1) // of the last mark: those that would touch it are left out
	for i, v := range at {
		c.Line(x(v), float64(y0+top), x(v), float64(ground), 1, Grid)
		if begin := x(v) - LetterWidth*float64(len(marks[i]))/2; begin > end+LetterWidth {
			c.Text(marks[i], int(begin), ground+18, Ink)
			end = begin + LetterWidth*float64(len(marks[i]))
		}
	}
	at, marks = yScale.ticks(8)
	for i, v := range at {
		c.Line(left, y(v), plotWidth-right, y(v), 1, Grid)
		c.Text(marks[i], left-8-LetterWidth*len(marks[i]), int(y(v))+LetterHeight/2-2, Ink)
	}
	c.Line(left, float64(y0+top), left, float64(ground), 1, Ink)
	c.Line(left, float64(ground), plotWidth-right, float64(ground), 1, Ink)
	c.Text(p.X.Label, plotWidth-right-LetterWidth*len(p.X.Label), ground+36, Ink)
	c.Text(strings.TrimSpace(p.Y.Label+"   "+p.Title), left, y0+top-14, Ink)
	if l := p.Level; l != nil && p.Y.shows(l.At) {
		c.Line(left, y(l.At), plotWidth-right, y(l.At), 1, levelInk)
		c.Text(l.Name, plotWidth-right-LetterWidth*len(l.Name), int(y(l.At))-4, levelInk)
	}
	for i, l := range p.Lines {
		ink := inks[i%len(inks)]
		name := l.Name
		if len(name) > nameLength {
			name = name[:nameLength]
		}
		c.Text(name, plotWidth-right+12, y0+top+(LetterHeight+2)*(i+1), ink)
		var last *Point
		for j := range l.Points {
			q := &l.Points[j]
			if !p.X.shows(q.X) || !p.Y.shows(q.Y) {
				last = nil
				continue
			}
			if p.Y.shows(q.Low) && p.Y.shows(q.High) {
				c.Line(x(q.X), y(q.Low), x(q.X), y(q.High), 1, ink)
			}
			if len(l.Points) <= innerWidth/16 {
				c.Line(x(q.X)-2.5, y(q.Y), x(q.X)+2.5, y(q.Y), 5, ink)
			}
			if last != nil {
				c.Line(x(last.X), y(last.Y), x(q.X), y(q.Y), 2, ink)
			}
			last = q
		}
	}
}
