package chart

import (
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		want   []float64
	}{{0, 60, []float64{0, 10, 20, 30, 40, 50, 60}}, {4.3, 6.3, []float64{4.5, 5, 5.5, 6}}, {0, 1000, []float64{0, 200, 400, 600, 800, 1000}}} {
		got, _ := Ticks(c.lo, c.hi, 8)
		if !slices.EqualFunc(got, c.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }) {
			t.Errorf("%v to %v: %v, want %v", c.lo, c.hi, got, c.want)
		}
	}
}

// TestPlots looks for what was drawn where the scales say: two lines and a level, on logarithmic axes, one plot above the other.
func TestPlots(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plots.png")
	double := Plot{
		X: Axis{Label: "context", Log: true, Ticks: []float64{1, 10, 100}}, Y: Axis{Label: "tok/s", Log: true},
		Lines: []Line{{"up", []Point{At(1, 1), At(10, 10), At(100, 100)}}, {"flat", []Point{{1, 10, 5, 20}, At(100, 10), At(0, 1), At(10, math.NaN())}}},
		Level: &Level{"level", 50},
	}
	if err := WritePlots(path, double, Plot{}); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if size := img.Bounds().Size(); size.X != plotWidth || size.Y != 2*plotHeight {
		t.Errorf("%v pixels", size)
	}
	// The middle of the plot is (10, 10), where the second line lies above the first.
	for _, at := range []struct {
		what string
		x, y float64 // of the range, from below
		want color.RGBA
	}{
		{"the first line", 0.25, 0.25, inks[0]},
		{"the second line", 0.25, 0.5, inks[1]},
		{"its spread", 0, 0.5 + math.Log10(2)/2, inks[1]},
		{"the level", 0.3, math.Log10(50) / 2, levelInk},
		{"paper", 0.7, 0.2, Paper},
	} {
		y := (at.y + 0.05) / 1.1
		px, py := left+at.x*innerWidth, top+(1-y)*innerHeight
		near := false
		for dx := -1; dx <= 1; dx++ {
			for dy := -1; dy <= 1; dy++ {
				got := color.RGBAModel.Convert(img.At(int(px)+dx, int(py)+dy)).(color.RGBA)
				near = near || far(got, at.want) <= 150 // thin lines mix with the paper
			}
		}
		if !near {
			t.Errorf("%s: %v at (%v, %v)", at.what, img.At(int(px), int(py)), px, py)
		}
	}
}

// far returns how much two colours differ.
func far(a, b color.RGBA) int {
	d := 0
	for _, c := range [][2]uint8{{a.R, b.R}, {a.G, b.G}, {a.B, b.B}} {
		d += max(int(c[0])-int(c[1]), int(c[1])-int(c[0]))
	}
	return d
}
