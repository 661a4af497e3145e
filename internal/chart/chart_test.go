package chart

import (
	"math"
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
