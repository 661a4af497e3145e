package main

import (
	"image/color"
	"os"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	vgdraw "gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The chart's measures.
const (
	width  = 18 * vg.Centimeter
	height = 6 * vg.Centimeter // of a model's panel
	bar    = 14                // points
)

// draw writes a panel for each model, one above the other: for each work a bar of ours and one of llama.cpp's.
func draw(all []measured, file string) error {
	canvas := vgsvg.New(width, height*vg.Length(len(all)))
	const pad = vg.Centimeter / 4
	tiles := vgdraw.Tiles{Rows: len(all), Cols: 1, PadTop: pad, PadBottom: pad, PadLeft: pad, PadRight: pad, PadY: 2 * pad}
	whole := vgdraw.New(canvas)
	for i, m := range all {
		p, err := panel(m)
		if err != nil {
			return err
		}
		p.Draw(tiles.At(whole, 0, i))
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := canvas.WriteTo(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func panel(m measured) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.Y.Label.Text, p.Y.Min, p.Legend.Top = m.model, "tokens/s", 0, true
	var ours, peers plotter.Values
	var names []string
	for _, r := range m.results {
		peer := 0.0
		if r.Peer != nil {
			peer = r.Peer.Median
		}
		ours, peers = append(ours, r.TokPerSec.Median), append(peers, peer)
		names = append(names, strings.NewReplacer(", ", "\n", " at ", "\nat ").Replace(r.name()))
	}
	for i, series := range []struct {
		name   string
		values plotter.Values
		color  color.RGBA
	}{{"jamba", ours, color.RGBA{0x1f, 0x77, 0xb4, 0xff}}, {"llama.cpp", peers, color.RGBA{0xb0, 0xb0, 0xb0, 0xff}}} {
		bars, err := plotter.NewBarChart(series.values, bar)
		if err != nil {
			return nil, err
		}
		bars.Color, bars.LineStyle.Width, bars.Offset = series.color, 0, vg.Length(i*bar-bar/2)
		p.Add(bars)
		p.Legend.Add(series.name, bars)
	}
	p.NominalX(names...)
	p.X.Min, p.X.Max, p.X.Tick.Label.Font.Size = -0.5, float64(len(names))-0.5, 8
	p.Y.Max *= 1.3 // room for the legend
	return p, nil
}
