// Package chart draws charts into PNG files: lines, letters and the marks of axes.
package chart

import (
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

// Sizes of a letter, in pixels.
const (
	LetterWidth  = 7
	LetterHeight = 13
)

// Colours that all charts share.
var (
	Paper = color.RGBA{255, 255, 255, 255}
	Ink   = color.RGBA{60, 60, 60, 255}
	Grid  = color.RGBA{228, 228, 228, 255}
)

// Canvas is a picture to draw on.
type Canvas struct{ *image.RGBA }

// New returns an empty canvas of that many pixels.
func New(width, height int) Canvas {
	c := Canvas{image.NewRGBA(image.Rect(0, 0, width, height))}
	draw.Draw(c, c.Bounds(), image.NewUniform(Paper), image.Point{}, draw.Src)
	return c
}

// WritePNG writes the picture to the file at path.
func (c Canvas) WritePNG(path string) error {
	return durable.WriteFile(path, func(f *os.File) error { return png.Encode(f, c) })
}

// Line draws a line of that width.
func (c Canvas) Line(x0, y0, x1, y1, width float64, ink color.Color) {
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
	r.Draw(c, box, image.NewUniform(ink), image.Point{})
}

// Text writes a line of text that begins at x; y is its base line.
func (c Canvas) Text(s string, x, y int, ink color.Color) {
	d := font.Drawer{Dst: c, Src: image.NewUniform(ink), Face: basicfont.Face7x13, Dot: fixed.P(x, y)}
	d.DrawString(s)
}

// Ticks returns about n round numbers from lo to hi and the distance between them.
func Ticks(lo, hi float64, n int) (at []float64, distance float64) {
	distance = math.Pow(10, math.Floor(math.Log10((hi-lo)/float64(n))))
	for _, m := range []float64{2, 2.5, 2} { // 1, 2, 5, 10
		if (hi-lo)/distance > float64(n) {
			distance *= m
		}
	}
	for i := math.Ceil(lo / distance); i*distance <= hi; i++ {
		at = append(at, i*distance+0) // +0: zero has no sign
	}
	return at, distance
}
