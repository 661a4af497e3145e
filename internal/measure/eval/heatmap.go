package eval

import (
	"fmt"
	"image/color"
	"slices"

	"jamba/internal/chart"
)

// Sizes of the heat map, in pixels.
const (
	cellWidth, cellHeight = 64, 36
	mapLeft, mapTop       = 64, 40
)

// DrawNeedles writes a heat map of what was found, over length and depth, to a PNG file.
func DrawNeedles(path, title string, s NeedleSummary) error {
	var lengths, depths []int
	for _, c := range s.Cells {
		lengths, depths = append(lengths, c.Length), append(depths, c.Depth)
	}
	slices.Sort(lengths)
	slices.Sort(depths)
	lengths, depths = slices.Compact(lengths), slices.Compact(depths)
	p := chart.New(max(mapLeft+cellWidth*len(lengths)+24, mapLeft+chart.LetterWidth*(len(title)+2)), mapTop+cellHeight*len(depths)+48)
	p.Text(title, mapLeft, mapTop-16, chart.Ink)
	for _, c := range s.Cells {
		x, y := mapLeft+cellWidth*slices.Index(lengths, c.Length), mapTop+cellHeight*slices.Index(depths, c.Depth)
		p.Line(float64(x), float64(y+cellHeight/2), float64(x+cellWidth-1), float64(y+cellHeight/2), cellHeight-1, heat(c.Found))
		label := fmt.Sprintf("%.0f", 100*c.Found)
		p.Text(label, x+(cellWidth-chart.LetterWidth*len(label))/2, y+cellHeight/2+chart.LetterHeight/2-2, chart.Ink)
	}
	for i, n := range lengths {
		label := fmt.Sprint(n)
		p.Text(label, mapLeft+cellWidth*i+(cellWidth-chart.LetterWidth*len(label))/2, mapTop+cellHeight*len(depths)+16, chart.Ink)
	}
	for i, d := range depths {
		label := fmt.Sprintf("%d %%", d)
		p.Text(label, mapLeft-8-chart.LetterWidth*len(label), mapTop+cellHeight*i+cellHeight/2+4, chart.Ink)
	}
	p.Text("depth", 16, mapTop-16, chart.Ink)
	p.Text("tokens", mapLeft, mapTop+cellHeight*len(depths)+34, chart.Ink)
	return p.WritePNG(path)
}

// heat is a colour from red, nothing found, over yellow to green.
func heat(found float64) color.RGBA {
	low, mid, high := [3]float64{232, 108, 92}, [3]float64{248, 222, 120}, [3]float64{110, 190, 110}
	from, to, at := low, mid, 2*found
	if found > 0.5 {
		from, to, at = mid, high, 2*found-1
	}
	mix := func(i int) uint8 { return uint8(from[i] + at*(to[i]-from[i])) }
	return color.RGBA{mix(0), mix(1), mix(2), 255}
}
