package main

import (
	"encoding"
	"testing"
)

func TestUnits(t *testing.T) {
	for _, c := range []struct {
		flag interface {
			encoding.TextUnmarshaler
			value() float64
		}
		text string
		want float64 // 0: an error
	}{
		{new(memoryFlag), "80GB", 80e9},
		{new(memoryFlag), "80GiB", 80 << 30},
		{new(memoryFlag), "24g", 24 << 30},
		{new(memoryFlag), "24G", 24 << 30},
		{new(memoryFlag), "1.5tb", 1.5e12},
		{new(memoryFlag), "512 MiB", 512 << 20},
		{new(memoryFlag), "1000", 1000},
		{new(memoryFlag), "7B", 7},
		{new(memoryFlag), "2k", 2048},
		{new(memoryFlag), "", 0},
		{new(memoryFlag), "GB", 0},
		{new(memoryFlag), "-1GB", 0},
		{new(memoryFlag), "80x", 0},
		{new(memoryFlag), "80kmB", 0},
		{new(memoryFlag), "0", 0},
		{new(memoryFlag), "1e99", 0},
		{new(memoryFlag), "99999999999999P", 0},
		{new(memoryFlag), "1.2.3G", 0},
		{new(memoryFlag), "80bib", 0},
		{new(tokensFlag), "4096", 4096},
		{new(tokensFlag), "256K", 256 << 10},
		{new(tokensFlag), "1m", 1 << 20},
		{new(tokensFlag), "1.5k", 1536},
		{new(tokensFlag), "1.5", 0},
		{new(tokensFlag), "0", 0},
		{new(tokensFlag), "10KB", 0},
		{new(tokensFlag), "inf", 0},
		{new(bandwidthFlag), "2039", 2039e9},
		{new(bandwidthFlag), "2039GB/s", 2039e9},
		{new(bandwidthFlag), "2TB/s", 2e12},
		{new(bandwidthFlag), "20gb", 20e9},
		{new(bandwidthFlag), "fast", 0},
		{new(flopsFlag), "312T", 312e12},
		{new(flopsFlag), "312TFLOPS", 312e12},
		{new(flopsFlag), "3500 gflop/s", 3500e9},
		{new(flopsFlag), "1000", 1000},
		{new(flopsFlag), "312X", 0},
	} {
		err := c.flag.UnmarshalText([]byte(c.text))
		if got := c.flag.value(); (err != nil) != (c.want == 0) || got != c.want {
			t.Errorf("%T %q: %v, %v; want %v", c.flag, c.text, got, err, c.want)
		}
	}
}

func (f *memoryFlag) value() float64    { return float64(*f) }
func (f *tokensFlag) value() float64    { return float64(*f) }
func (f *bandwidthFlag) value() float64 { return float64(*f) }
func (f *flopsFlag) value() float64     { return float64(*f) }
